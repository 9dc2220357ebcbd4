"""How words are found again, the same in every store: case, accents and punctuation aside.

Scripts that write no spaces (Han, kana, Hangul) are taken character by character and found as phrases.
"""

import re
from typing import Final
from unicodedata import normalize

_UNSPACED: Final = re.compile(r"([\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff])")
_ACCENTS: Final = re.compile(r"[\u0300-\u036f]+")
_RUNS: Final = re.compile(r"[^\W_]+")


def storable(text: str) -> str:
    """`text` as databases can keep it: a lone surrogate, which has no UTF-8 form, becomes ``?``."""
    return text.encode("utf-8", "replace").decode()


def spaced(text: str) -> str:
    """`text` with a blank around every character of a script that writes none."""
    return _UNSPACED.sub(r" \1 ", text)


def words_of(text: str) -> str:
    """The words of `text`, folded, with one blank between two; empty where it holds neither letter nor digit.

    Two texts that differ by case, accents or punctuation only have the same words.
    """
    if text.isascii():
        return " ".join(_RUNS.findall(text.lower()))
    plain = normalize("NFC", _ACCENTS.sub("", normalize("NFKD", text).casefold()))
    return " ".join(_RUNS.findall(spaced(plain)))
