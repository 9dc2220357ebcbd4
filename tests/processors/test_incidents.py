"""What a window's test says: how often a surge looked at its share, which chance is told, what would have kept it silent."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.baseline import Expectation
from processors.counts import Buckets, Told
from processors.detection import DetectionSettings
from processors.incidents import Assessment, assess, loudest, silent_below
from processors.seasons import HOUR
from processors.state import Changes

SETTINGS = DetectionSettings()
EXPECTED = Expectation(
    rate=0.02, shape=1.0, unit=0.9, stories_rate=0.3, stories_shape=1.0, share=0.07, concentration=30.0, tested=True
)
END = 1000 * HOUR - 1


def counted(*hours: tuple[int, int, int]) -> Buckets:
    """Buckets of ``company:A``: of each (hours before the end, negatives, others), spread over that hour."""
    buckets = Buckets(Changes())
    for back, negatives, others in hours:
        begin = END + 1 - (back + 1) * HOUR
        for n in range(negatives):
            second = begin + (n + 1) * HOUR // (negatives + 1)
            told = Told(second, f"{back}-{n}", f"author {back}-{n}", False, 90)
            buckets.add("company:A", second, "negative", novel=True, told=told)
        for n in range(others):
            buckets.add("company:A", begin + n * HOUR // others, "neutral", novel=True, told=None)
    return buckets


def windows(buckets: Buckets, alike: float = 1) -> dict[int, Assessment]:
    found = assess(buckets, "company:A", EXPECTED, lambda a, b: (b - a) / HOUR, alike, END, -1, SETTINGS)
    return {assessment.hours: assessment for assessment in found}


def test_a_share_that_is_high_in_one_hour_of_a_busy_day_was_looked_for_all_day() -> None:
    hour = (0, 5, 5)
    alone, busy = windows(counted(hour)), windows(counted(hour, *((back, 3, 40) for back in range(1, 20))))
    assert alone[1].by_share == busy[1].by_share
    assert alone[1].is_higher and alone[1].looks == 5.0
    assert not busy[1].is_higher and busy[1].looks == busy[24].looks == pytest.approx(5 + 19 * 3)
    chance = busy[1].chance("sentiment")
    assert chance is not None and chance > SETTINGS.leave_chance > busy[1].by_count


def test_the_larger_of_two_chances_is_told_that_of_the_share_in_as_many_surges_as_open() -> None:
    told = loudest(list(windows(counted((0, 5, 5))).values()), "sentiment")
    assert told is not None and told.by_share is not None
    assert (
        told.chance("sentiment") == told.share_chance == SETTINGS.rungs[0] * told.looks * told.by_share > told.by_count
    )
    assert told.chance("volume") == told.by_count
    quiet = loudest(list(windows(counted((0, 3, 0))).values()), "sentiment")
    assert quiet is not None and quiet.share_chance is not None and quiet.chance("sentiment") == quiet.by_count


def test_of_series_that_are_asked_alike_the_chance_is_told_that_any_rings() -> None:
    one, twenty = windows(counted((0, 4, 1))), windows(counted((0, 4, 1)), alike=20)
    assert twenty
    assert all(a.by_count == pytest.approx(20 * one[hours].by_count) for hours, a in twenty.items())
    assert all(one[hours].by_share == a.by_share for hours, a in twenty.items())


@given(st.integers(3, 20), st.integers(0, 60), st.lists(st.tuples(st.integers(0, 4), st.integers(0, 30)), max_size=12))
def test_with_less_than_what_would_have_kept_it_silent_it_keeps_silent_and_it_is_no_more_than_was_seen(
    negatives: int, others: int, before: list[tuple[int, int]]
) -> None:
    hours = [(0, negatives, others), *((back, *counts) for back, counts in enumerate(before, start=1))]
    told = loudest(list(windows(counted(*hours)).values()), "sentiment")
    chance = told.chance("sentiment") if told else None
    if told is None or chance is None or chance > SETTINGS.rungs[0]:
        return
    least = silent_below(told, "sentiment", SETTINGS)
    assert SETTINGS.minimum_negatives <= least <= told.negatives + 0.1
