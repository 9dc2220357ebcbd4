"""Weights of words: those of games whose answer is known, the same each time, whatever the text."""

from collections.abc import Sequence
from itertools import combinations
from math import factorial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from processors.explanation import MOST_UNITS, explained, log_odds, parts_of, shapley_values, units_of

WEIGHTS = {"plunge": 3.0, "fraud": 2.0, "record": -2.5, "not": -0.5}


def additive(texts: Sequence[str]) -> NDArray[np.float64]:
    """A classifier of two labels that adds up its words."""
    sums = np.array([sum(WEIGHTS.get(word, 0.0) for word in text.split()) - 0.3 for text in texts])
    chance = 1 / (1 + np.exp(-sums))
    return np.column_stack((chance, 1 - chance))


def exact_values(units: int, worth: NDArray[np.float64]) -> NDArray[np.float64]:
    """Shapley's own formula; `worth` by the bits of each part."""
    values = np.zeros(units)
    for unit in range(units):
        others = [other for other in range(units) if other != unit]
        for size in range(units):
            share = factorial(size) * factorial(units - size - 1) / factorial(units)
            for part in combinations(others, size):
                bits = sum(1 << other for other in part)
                values[unit] += share * (worth[bits | 1 << unit] - worth[bits])
    return values


def test_a_classifier_that_adds_up_its_words_is_explained_by_just_them() -> None:
    text = "shares plunge on fraud , not a record"
    found = explained(text, additive)
    assert (found.label, found.probability) == (0, pytest.approx(1 / (1 + np.exp(-1.7))))
    assert {text[word.start : word.end]: word.weight for word in found.words} == pytest.approx(
        {"shares": 0, "plunge": 3, "on": 0, "fraud": 2, ",": 0, "not": -0.5, "a": 0, "record": -2.5}, abs=1e-3
    )
    assert found.leading() == ["plunge", "fraud"]


@given(st.integers(1, 3), st.randoms(use_true_random=False))
def test_of_few_words_the_values_are_exact(units: int, random: object) -> None:
    worth = np.array([random.uniform(-3, 3) for _ in range(1 << units)])  # type: ignore[attr-defined]
    parts = parts_of(units)
    values = worth[(parts @ (1 << np.arange(units))).astype(int)]
    assert shapley_values(parts, values) == pytest.approx(exact_values(units, worth), abs=1e-9)


def test_of_more_words_the_values_come_near_the_exact_ones() -> None:
    generator = np.random.default_rng(3)
    units = 8
    single, pairs = generator.normal(size=units), np.triu(generator.normal(size=(units, units)) / 2, 1)
    masks = (np.arange(1 << units)[:, None] >> np.arange(units)) & 1
    worth = masks @ single + np.einsum("pi,ij,pj->p", masks, pairs, masks)
    parts = parts_of(units)
    values = worth[(parts @ (1 << np.arange(units))).astype(int)]
    assert np.abs(shapley_values(parts, values) - exact_values(units, worth)).max() < 0.25


@given(st.text(max_size=300))
@settings(max_examples=50)
def test_whatever_the_text_its_words_are_found_again_and_sum_to_what_it_is_worth(text: str) -> None:
    found = explained(text, additive)
    assert "".join(piece for piece, _ in found.pieces()) == text
    assert "".join("".join(text[w.start : w.end].split()) for w in found.words) == "".join(text.split())
    empty, whole = log_odds(additive(["", text])[:, found.label])
    if found.words and "  " not in text:
        assert sum(word.weight for word in found.words) == pytest.approx(whole - empty, abs=0.01)
    assert explained(text, additive) == found


def test_a_long_text_is_explained_by_runs_of_words_at_bounded_cost() -> None:
    text = " ".join(["word"] * 1000)
    assert len(units_of(text)) <= MOST_UNITS
    asked: list[int] = []

    def counting(texts: Sequence[str]) -> NDArray[np.float64]:
        asked.append(len(texts))
        return additive(texts)

    explained(text, counting)
    assert len(asked) == 1
    assert asked[0] <= 4 * MOST_UNITS + 3
