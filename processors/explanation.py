"""Which words carried a label: Shapley values of a text's words, for any classifier that can be asked.

A word's weight is its mean effect on the log-odds of the label when it joins a random part of the other words (Shapley
1953; Lundberg and Lee 2017, A Unified Approach to Interpreting Model Predictions). All parts are asked in one pass. The
weights of all words sum to the log-odds of the whole text less those of an empty one. Nothing is random from call to
call: the parts follow from the number of words.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

Ask = Callable[[Sequence[str]], NDArray[np.float64]]
"""The probability of each label, [texts, labels], for model texts."""

MOST_UNITS: Final = 48
RUNS: Final = 24
"""A text of more words is explained by about so many runs of neighbouring words, so that its cost is bounded."""

DRAWN_PARTS: Final = 2
"""Parts drawn for each unit, beside each unit alone and each left out."""

_WORD: Final = re.compile(r"\S++")
_LEAST: Final = 1e-6
_STRENGTHS: Final = (0.15, 0.35, 0.65)
_WEAK: Final = 0.5  # of log-odds: where no word does more, none is shown as strong

Parts = NDArray[np.bool_]
"""[parts, units]: which units stand in each part of a text."""


@dataclass(frozen=True, slots=True)
class Word:
    """Where in the model text a word (or a run of words) stands, and how much it spoke for the label: in log-odds,
    negative where it spoke against."""

    start: int
    end: int
    weight: float


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why `text`, as the model read it, got `label` (its index) with `probability`. `words` in the order of the text."""

    text: str
    label: int
    probability: float
    words: tuple[Word, ...]

    def pieces(self) -> list[tuple[str, int]]:
        """The whole of `text`, word by word and what stands between: each with its strength, from -3 (it spoke strongly
        against the label) over 0 to 3 (strongly for it), beside the strongest word."""
        strongest = max((abs(word.weight) for word in self.words), default=0.0)
        unit = max(strongest, _WEAK)
        found, at = [], 0
        for word in self.words:
            level = sum(abs(word.weight) >= share * unit for share in _STRENGTHS)
            found += [(self.text[at : word.start], 0), (self.text[word.start : word.end], level * _sign(word.weight))]
            at = word.end
        found.append((self.text[at:], 0))
        return [(piece, level) for piece, level in found if piece]

    def leading(self, count: int = 3) -> list[str]:
        """The words that spoke most for the label, the strongest first."""
        ranked = sorted(self.words, key=lambda word: -word.weight)[:count]
        return [self.text[word.start : word.end] for word in ranked if word.weight >= _WEAK / 2]


def _sign(weight: float) -> int:
    return 1 if weight >= 0 else -1


def explained(text: str, ask: Ask, label: int | None = None) -> Explanation:
    """Explain the label that `ask` gives to the model text `text`, or another one."""
    units = units_of(text)
    parts = parts_of(len(units))
    found = ask([text, *(joined(text, units, part) for part in parts)])
    chosen = int(found[0].argmax()) if label is None else label
    weights = shapley_values(parts, log_odds(found[1:, chosen]))
    words = tuple(
        Word(start, end, round(float(weight), 4)) for (start, end), weight in zip(units, weights, strict=True)
    )
    return Explanation(text, chosen, float(found[0, chosen]), words)


def units_of(text: str) -> list[tuple[int, int]]:
    """Where each word of `text` stands (from, to); runs of words where it has more than `MOST_UNITS`."""
    words = [match.span() for match in _WORD.finditer(text)]
    run = 1 if len(words) <= MOST_UNITS else -(-len(words) // RUNS)
    runs = [words[first : first + run] for first in range(0, len(words), run)]
    return [(chunk[0][0], chunk[-1][1]) for chunk in runs]


def joined(text: str, units: Sequence[tuple[int, int]], part: NDArray[np.bool_]) -> str:
    """The units of `part`, as a text."""
    return " ".join(text[start:end] for (start, end), kept in zip(units, part, strict=True) if kept)


def log_odds(probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of each probability, in nats; finite."""
    bounded = np.clip(probabilities, _LEAST, 1 - _LEAST)
    return np.asarray(np.log(bounded / (1 - bounded)))


@lru_cache(maxsize=MOST_UNITS + 1)
def parts_of(units: int) -> Parts:
    """The parts to ask for: none, all, each unit alone, each left out, and `DRAWN_PARTS` drawn ones a unit, in pairs of a
    part and what it leaves (Covert and Lee 2021, Improving KernelSHAP)."""
    ends = [np.zeros((1, units), np.bool_), np.ones((1, units), np.bool_)]
    if units < 2:
        return np.concatenate(ends)
    single = np.eye(units, dtype=np.bool_)
    listed = [*ends, single] if units == 2 else [*ends, single, ~single]
    if units > 3:
        generator = np.random.default_rng(units)
        sizes = np.arange(2, units - 1)
        chances = _mass(units)[1:-1] / _mass(units)[1:-1].sum()
        drawn = np.zeros((units * DRAWN_PARTS // 2, units), np.bool_)
        for row, size in zip(drawn, generator.choice(sizes, len(drawn), p=chances), strict=True):
            row[generator.choice(units, size, replace=False)] = True
        listed += [drawn, ~drawn]
    return np.concatenate(listed)


def shapley_values(parts: Parts, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The value of each unit from the `values` of `parts_of(units)`: the weighted least squares of Lundberg and Lee
    (theorem 2), with the sum of all fixed to what the whole is worth more than nothing."""
    units = parts.shape[1]
    total = values[1] - values[0]
    if units < 2:
        return np.full(units, total)
    inner, effects = parts[2:].astype(np.float64), values[2:] - values[0]
    weights = np.full(len(inner), _mass(units)[0] / units)
    exact = units if units == 2 else 2 * units
    if len(inner) > exact:
        weights[exact:] = _mass(units)[1:-1].sum() / (len(inner) - exact)
    # The last unit's value is what the others leave of the total.
    reduced = inner[:, :-1] - inner[:, -1:]
    aims = effects - inner[:, -1] * total
    root = np.sqrt(weights)
    others = np.linalg.lstsq(reduced * root[:, None], aims * root, rcond=None)[0]
    return np.append(others, total - others.sum())


def _mass(units: int) -> NDArray[np.float64]:
    """The Shapley kernel's weight of all parts of each size 1 … units - 1 together."""
    sizes = np.arange(1, units)
    return np.asarray((units - 1) / (sizes * (units - sizes)))
