"""Small changes that leave a text's meaning as it was, and how often a label turns with them."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np

from models.behaviour import share
from processors.explanation import Ask
from processors.model_input import model_text
from processors.normalise import normalise

Change = Callable[[str, np.random.Generator], str]
"""Changes a text; gives it back as it was where there is nothing to change."""

_WORD: Final = re.compile(r"(?<![\w$@#/.])[a-z]{4,}(?![\w/])")
_CASHTAG: Final = re.compile(r"\$[A-Z]{1,5}\b")
_TICKERS: Final = ("KO", "PEP", "MMM", "HON", "LOW", "CVX", "ADP", "SYY", "EMR", "AFL", "PAYX", "ROP")
_EMOJI: Final = ("👀", "🤔", "📰", "🔔", "👉", "🗓️")
_WORDS_A_TYPO: Final = 8


def typos(text: str, generator: np.random.Generator) -> str:
    """In every eighth word (one at least) of four small letters and more, two letters within swapped, one lost or doubled."""
    words = list(_WORD.finditer(text))
    if not words:
        return text
    count = max(1, len(words) // _WORDS_A_TYPO)
    for place in sorted(generator.choice(len(words), count, replace=False), reverse=True):
        start, word = words[place].start(), words[place][0]
        at = int(generator.integers(1, len(word) - 1))
        swapped = word[:at] + word[at + 1] + word[at] + word[at + 2 :]
        wrong = (swapped, word[:at] + word[at + 1 :], word[:at] + word[at] + word[at:])[int(generator.integers(3))]
        text = text[:start] + wrong + text[start + len(word) :]
    return text


def cashtags(text: str, generator: np.random.Generator) -> str:
    """Each cashtag replaced by one of another company."""
    given = dict(zip(dict.fromkeys(_CASHTAG.findall(text)), generator.permutation(_TICKERS), strict=False))
    return _CASHTAG.sub(lambda found: f"${given.get(found[0], found[0][1:])}", text)


CHANGES: Final[Mapping[str, Change]] = {
    "typos": typos,
    "upper case": lambda text, _: text.upper(),
    "lower case": lambda text, _: text.lower(),
    "an emoji appended": lambda text, generator: f"{text} {generator.choice(_EMOJI)}",
    "cashtags swapped": cashtags,
    "a link appended": lambda text, _: f"{text} https://t.co/a1B2c3D4",
    "passed on (RT @…)": lambda text, _: f"RT @markets: {text}",
    "a hashtag appended": lambda text, _: f"{text} #stocks",
}


def perturbed(texts: Sequence[str], truths: Sequence[int], ask: Ask) -> dict[str, Any]:
    """How many labels each of `CHANGES` turns among the model texts that it changes, and how many right ones to wrong.

    `truths` are the labels that people gave, as `ask` counts them. JSON-ready, with 95 % Wilson intervals.
    """
    before, truth = ask(texts).argmax(1), np.asarray(truths)
    result = {}
    for number, (name, change) in enumerate(CHANGES.items()):
        generator = np.random.default_rng(number)
        changed = [model_text("", normalise(change(text, generator))) for text in texts]
        rows = np.array(
            [row for row, (old, new) in enumerate(zip(texts, changed, strict=True)) if old != new], np.int64
        )
        if not len(rows):
            continue
        after = ask([changed[row] for row in rows]).argmax(1)
        flipped = before[rows] != after
        result[name] = {
            "flipped": share(int(flipped.sum()), len(rows)),
            "right_to_wrong": share(int((flipped & (before[rows] == truth[rows])).sum()), len(rows)),
            "wrong_to_right": share(int((flipped & (after == truth[rows])).sum()), len(rows)),
        }
    return result
