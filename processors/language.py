"""Which language a text is written in."""

import re
from functools import cache
from typing import Any, Final

import numpy as np
from py3langid import langid

NOTHING_TO_READ: Final = "und"

# Languages that a source can plausibly send. Left to all 140 of the model's, every tenth English tweet goes to one
# that few people write in.
_CANDIDATES: Final = (
    "ar bg bn ca cs da de el en es et fa fi fr he hi hr hu id it ja ko lt lv ms nl no pl pt ro ru sk sl sr sv ta th tl "
    "tr uk ur vi zh"
).split()
_FORMER_CODES: Final = {"in": "id", "iw": "he", "nb": "no", "nn": "no", "fil": "tl"}  # ISO 639 changes; macro-languages

# Enough to be sure of, and keeps the cost of a megabyte to that of a paragraph.
_READ_CHARACTERS: Final = 600
# How many times likelier English and the publisher's hint are, before reading, than any other language: chosen on
# the tweets of 2014, of whose tags other than English more than half stand on English texts.
_ENGLISH_PRIOR: Final = 12.0
_HINT_PRIOR: Final = 3.0
_LARGEST_PRIOR: Final = _ENGLISH_PRIOR * _HINT_PRIOR

# Words that only English writes so. Two of them, making up an eighth of the text, save the model's walk over its bytes.
_ENGLISH_WORDS: Final = frozenset(
    """
    about after and are before been but could does from has have how its just more most not out said says shares should
    stock than that the their these they this today were what when which while who why will with would you your
    """.split()
)
_ENGLISH_SHARE: Final = 8
# Names of tickers, people and pages belong to no language.
# What stands before a sign is read at the beginning of its run only: from every letter on, it would take time squared.
_NO_WORDS: Final = re.compile(
    r"(?:https?://|www\.)\S*|(?:(?<![A-Za-z0-9_])[A-Za-z0-9_]++)?+[$€£@][A-Za-z0-9_.$]*|\bRT\b|[^\w\s'’-]|[\d_]+"
)
_WORD: Final = re.compile(r"[^\W\d_]{2}|[\u2e80-\u9fff\uac00-\ud7af\U00020000-\U0003ffff]")
_HAN: Final = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
_KANA: Final = re.compile(r"[\u3040-\u30ff]")
_HANGUL: Final = re.compile(r"[\u1100-\u11ff\uac00-\ud7af]")
_ALPHABETIC: Final = re.compile(r"[^\W\d_\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af]")
# What a Chinese, Japanese or Korean character says takes about this many letters of an alphabet.
_LETTERS_PER_IDEOGRAPH: Final = 3


def language_of(text: str, hint: str | None) -> str:
    """The BCP 47 primary subtag of the language of normalised `text`, ``und`` when there is nothing to read.

    `hint` is the publisher's tag (any BCP 47 tag); it tips the scales in short texts and decides nothing alone.
    Chinese, Japanese and Korean are told by their script, plain English by its commonest words, the rest by a naive
    Bayes model over byte n-grams (Lui and Baldwin 2012, langid.py) with a prior for English and the hint. Deterministic and offline.
    """
    words = _NO_WORDS.sub(" ", text[:_READ_CHARACTERS])
    if not _WORD.search(words):
        return NOTHING_TO_READ
    if not words.isascii() and (language := _by_script(words)):
        return language
    if _plainly_english(words):
        return "en"
    hinted = primary_subtag(hint)
    best, likeliest = 0.0, ""
    for language, likelihood in _identifier().rank(words):
        if likelihood * _LARGEST_PRIOR < best:  # and so is every one after it
            break
        weighted = likelihood
        if language == "en":
            weighted *= _ENGLISH_PRIOR
        if language == hinted:
            weighted *= _HINT_PRIOR
        best, likeliest = max((best, likeliest), (weighted, language))
    return likeliest


def primary_subtag(tag: str | None) -> str:
    """The primary subtag of a BCP 47 tag, lower case, withdrawn codes replaced; ``und`` for None."""
    subtag = (tag or NOTHING_TO_READ).replace("_", "-").partition("-")[0].lower()
    return _FORMER_CODES.get(subtag, subtag)


def _plainly_english(words: str) -> bool:
    split = words.lower().split()
    english = [word for word in split if word in _ENGLISH_WORDS]
    return len(english) * _ENGLISH_SHARE >= len(split) and len(set(english)) > 1


def _by_script(words: str) -> str | None:
    kana, hangul, han = (len(pattern.findall(words)) for pattern in (_KANA, _HANGUL, _HAN))
    if (kana + hangul + han) * _LETTERS_PER_IDEOGRAPH <= len(_ALPHABETIC.findall(words)):
        return None
    if hangul >= kana and hangul * 2 >= han and hangul:
        return "ko"
    return "ja" if kana * 8 >= han and kana else "zh"


@cache
def _identifier() -> Any:
    """The model that comes with py3langid, read once (0.1 s), of our own so that nobody else's settings reach it.

    Made anew of what concerns the candidates: a restricted one keeps the weights of all languages, 28 MB of them.
    """
    full = langid.LanguageIdentifier.from_model_file(langid.MODEL_FILE, norm_probs=True)
    full.set_languages(_CANDIDATES)
    return langid.LanguageIdentifier(
        np.ascontiguousarray(full.nb_ptc),
        full.nb_pc,
        full.nb_classes,
        full.tk_nextmove,
        full.tk_output,
        norm_probs=True,
        tk_row=full.tk_row,
    )
