"""Are explanations faithful: does a label go when the words go that are said to have carried it?

Words are deleted from a text in the order of their weights, the strongest first, and the label's probability is followed
(deletion: the sooner it falls the better); and they are put into an empty text in that order (insertion: the sooner it
rises the better; Petsiuk, Das and Saenko 2018, RISE). The area under each curve is set beside that of words in random order, of
a lexicon's order, and of cheaper ways to weigh words.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.datasets import Example
from models.lexicon import polarities
from processors.explanation import MOST_UNITS, Ask, joined, log_odds, parts_of, shapley_values, units_of
from processors.labels import SENTIMENTS

STEPS: Final = (0.0, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0)
"""Shares of the words at which the curves are taken."""

RANDOM_ORDERS: Final = 3
METHODS: Final = ("Shapley values", "alone and left out", "left out", "lexicon", "random")
BASELINE: Final = "random"
_RESAMPLES: Final = 2000
_TEXTS_AT_ONCE: Final = 20


def faithfulness(
    texts: Sequence[str], ask: Ask, labels: Sequence[str], progress: Callable[[int], None] = lambda _: None
) -> dict[str, Any]:
    """Deletion and insertion areas of each method over `texts` (model texts of two words and more), by the label that
    `ask` gives; means with 95 % bootstrap intervals, and the paired advantage over random order. JSON-ready.

    `progress` is told how many more texts are done.
    """
    areas: dict[str, list[NDArray[np.float64]]] = {label: [] for label in labels}
    for start in range(0, len(texts), _TEXTS_AT_ONCE):
        for label, area in _areas(texts[start : start + _TEXTS_AT_ONCE], ask):
            areas[labels[label]].append(area)
        progress(len(texts[start : start + _TEXTS_AT_ONCE]))
    return {label: _summary(np.array(found)) for label, found in areas.items() if found}


def sampled(examples: Sequence[Example], count: int) -> list[str]:
    """The texts of `count` of `examples` with a sentiment, as many of each; the same each time, of those with words enough
    and few enough to be weighed singly."""
    chosen: list[str] = []
    for label in range(len(SENTIMENTS)):
        fit = [
            each.text
            for each in examples
            if each.targets.get("sentiment") == label and 2 <= len(each.text.split()) <= MOST_UNITS
        ]
        chosen += [fit[row] for row in np.random.default_rng(label).permutation(len(fit))[: -(-count // 3)]]
    return chosen


def _areas(texts: Sequence[str], ask: Ask) -> Iterator[tuple[int, NDArray[np.float64]]]:
    """(label, areas [methods, deletion and insertion]) of each text."""
    units = [units_of(text) for text in texts]
    parts = [parts_of(len(each)) for each in units]
    values = _asked(texts, units, parts, ask)
    chosen = [int(found[1].argmax()) for found in values]
    orders = [
        _orders(text, where, part, log_odds(found[:, label]), label, row)
        for row, (text, where, part, found, label) in enumerate(zip(texts, units, parts, values, chosen, strict=True))
    ]
    curves = [np.concatenate([_curve_parts(order) for order in each]) for each in orders]
    answers = _asked(texts, units, curves, ask)
    for found, ends, label in zip(answers, values, chosen, strict=True):
        inner = found[:, label].reshape(-1, 2, len(STEPS) - 2)
        nothing, whole = ends[:2, label]
        curve = np.empty((len(inner), 2, len(STEPS)))
        curve[:, :, 1:-1], curve[:, 0, [0, -1]], curve[:, 1, [0, -1]] = inner, (whole, nothing), (nothing, whole)
        area = np.asarray(np.trapezoid(curve, STEPS, axis=2))
        plain = len(METHODS) - 1
        yield label, np.concatenate((area[:plain], area[plain:].mean(0, keepdims=True)))


def _asked(
    texts: Sequence[str], units: Sequence[list[tuple[int, int]]], parts: Sequence[NDArray[np.bool_]], ask: Ask
) -> list[NDArray[np.float64]]:
    """What `ask` says of every part of every text, all in one pass."""
    together = [joined(text, where, row) for text, where, part in zip(texts, units, parts, strict=True) for row in part]
    return np.split(ask(together), np.cumsum([len(part) for part in parts])[:-1])


def _orders(
    text: str, units: list[tuple[int, int]], parts: NDArray[np.bool_], values: NDArray[np.float64], label: int, row: int
) -> list[NDArray[np.int64]]:
    """The units of a text from the strongest to the weakest, for each of `METHODS`; random order several times."""
    count = len(units)
    alone = values[2 : 2 + count] - values[0]
    without = values[1] - (values[2 + count : 2 + 2 * count] if count > 2 else values[2 : 2 + count][::-1])
    generator = np.random.default_rng([row, count])
    signs = np.array(polarities([text[start:end] for start, end in units]), np.float64) * (label - 1)
    weights = [
        shapley_values(parts, values),
        alone + without,
        without,
        signs + generator.random(count) / 2,
        *generator.random((RANDOM_ORDERS, count)),
    ]
    return [np.argsort(-weight, kind="stable") for weight in weights]


def _curve_parts(order: NDArray[np.int64]) -> NDArray[np.bool_]:
    """The parts of the deletion curve, then of the insertion curve, without their ends."""
    rank = np.argsort(order)
    counts = np.rint(np.array(STEPS[1:-1]) * len(order))[:, None]
    return np.concatenate((rank >= counts, rank < counts))


def _summary(areas: NDArray[np.float64]) -> dict[str, Any]:
    """`areas` is [texts, methods, 2]."""
    generator = np.random.default_rng(0)
    drawn = generator.integers(0, len(areas), (_RESAMPLES, len(areas)))
    advantage = areas - areas[:, [METHODS.index(BASELINE)]]
    result: dict[str, Any] = {"texts": len(areas), "methods": {}}
    for place, method in enumerate(METHODS):
        result["methods"][method] = {
            curve: {
                "area": round(float(areas[:, place, side].mean()), 4),
                "interval_95": _interval(areas[drawn, place, side].mean(1)),
                "against_random": round(float(advantage[:, place, side].mean()), 4),
                "against_random_95": _interval(advantage[drawn, place, side].mean(1)),
            }
            for side, curve in enumerate(("deletion", "insertion"))
        }
    return result


def _interval(means: NDArray[np.float64]) -> list[float]:
    return [round(float(bound), 4) for bound in np.quantile(means, (0.025, 0.975))]
