"""Event time: only ticks move it, and the slowest origin holds it back."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.clock import Clock, bucket_start

START = datetime(2020, 1, 1, tzinfo=UTC)
ORIGINS = ("news/0", "news/1", "social/0")

ticks = st.lists(st.tuples(st.sampled_from(ORIGINS), st.integers(0, 1000)), max_size=30)


def test_no_time_passes_before_every_origin_has_been_heard() -> None:
    clock = Clock(frozenset(ORIGINS)).advance("news/0", START).advance("news/1", START)
    assert clock.now is None
    assert clock.advance("social/0", START - timedelta(hours=1)).now == START - timedelta(hours=1)


@given(ticks)
def test_the_clock_never_goes_back_and_never_passes_the_slowest_origin(history: list[tuple[str, int]]) -> None:
    clock = Clock(frozenset(ORIGINS))
    latest: dict[str, int] = {}
    before = None
    for origin, second in history:
        clock = clock.advance(origin, START + timedelta(seconds=second))
        latest[origin] = max(second, latest.get(origin, 0))
        if len(latest) < len(ORIGINS):
            assert clock.now is None
        else:
            assert clock.now == START + timedelta(seconds=min(latest.values()))
            assert before is None or clock.now >= before
            before = clock.now


def test_a_tick_from_nobody_known_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown origin 'elsewhere'; known: news/0"):
        Clock(frozenset({"news/0"})).advance("elsewhere", START)


def test_silence_lasts_until_the_latest_instant_that_any_tick_asked_for() -> None:
    clock = Clock(frozenset(ORIGINS)).advance("news/0", START)
    assert clock.silent_until is None
    clock = clock.advance("news/1", START, START + timedelta(hours=2)).advance("news/0", START, START)
    assert clock.silent_until == START + timedelta(hours=2)
    assert clock.advance("social/0", START).silent_until == clock.standing(START).silent_until == clock.silent_until


@given(
    st.datetimes(datetime(1990, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC)), st.sampled_from([1, 15, 60, 1440])
)
def test_a_bucket_holds_its_instants_and_is_aligned(at: datetime, minutes: int) -> None:
    length = timedelta(minutes=minutes)
    start = bucket_start(at, length)
    assert start <= at < start + length
    assert start.timestamp() % length.total_seconds() == 0
