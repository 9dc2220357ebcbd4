"""What a soak judges by: a leak is told, noise and a level that was reached are not."""

import random

import pytest
from soak import grows, judged

SECONDS = [5.0 * number for number in range(270)]


def _noise(seed: int) -> list[float]:
    chance = random.Random(seed)
    value, values = 0.0, []
    for _ in SECONDS:  # neighbours are alike, as in what processes use
        value = 0.8 * value + chance.gauss(0, 1)
        values.append(value)
    return values


@pytest.mark.parametrize("seed", range(20))
def test_noise_does_not_grow(seed: int) -> None:
    assert not grows("memory", SECONDS, [200 + noise for noise in _noise(seed)])[0]


@pytest.mark.parametrize("seed", range(5))
def test_a_leak_of_a_mebibyte_a_minute_is_told(seed: int) -> None:
    values = [200 + second / 60 + noise for second, noise in zip(SECONDS, _noise(seed), strict=True)]
    too_much, slope = grows("memory", SECONDS, values)
    assert too_much
    assert slope.low < 60 < slope.high


def test_what_is_missing_or_ended_is_told() -> None:
    looks = [{"seconds": s, "enrich memory": 200.0, "enrich handles": 30 + (s > 600)} for s in SECONDS]
    report = judged(looks, 100, 99, {"index": 1})
    assert report["faults"] == ["100 documents were sent, 99 are in the index", "index ended by itself 1 times"]
    assert judged(looks, 100, 100, {})["faults"] == []
