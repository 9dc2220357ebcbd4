"""What a soak judges by: a leak is told, noise and a level that was reached are not."""

import random

import pytest
from soak import grows, judged, remembered

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


def test_detect_alone_may_grow_by_what_it_has_to_remember_and_by_no_more() -> None:
    due = remembered(2 * 100 * 3600)
    assert 96 < due < 97, "a mention and a wide record of each document, at 100 documents a second"

    def found(service: str, an_hour: float) -> list[str]:
        looks = [{"seconds": s, f"{service} memory": 200 + an_hour * s / 3600} for s in SECONDS]
        faults: list[str] = judged(looks, 100, 100, {}, due)["faults"]
        return faults

    assert found("detect", due) == []
    assert len(found("detect", due + 30)) == len(found("index", due)) == 1
