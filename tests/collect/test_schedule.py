"""Feeds are asked in their interval, a host by one at a time, and less often the more they fail."""

import random
from datetime import UTC, datetime, timedelta

import pytest

from processors.identity import format_instant
from streams.collect.declared import Source, sources_of
from streams.collect.fetch import FetchError
from streams.collect.poller import LONGEST_REST, Schedule, _rest


def feeds(*urls: str, interval: int = 60) -> list[Source]:
    terms = {"kind": "news", "licence": "L", "purpose": "P", "interval": interval}
    return list(
        sources_of({"source": [{"name": url.replace("/", " "), "url": f"https://{url}", **terms} for url in urls]}, "")
    )


def schedule(*sources: Source, host_interval: float = 2.0) -> Schedule:
    return Schedule(dict.fromkeys(sources, 0.0), host_interval, random.Random(1))


def test_one_host_is_asked_by_one_at_a_time_and_with_a_pause_between() -> None:
    first, second, other = feeds("a.example/1", "a.example/2", "b.example/")
    plan = schedule(first, second, other)
    assert plan.take(0) == first
    assert plan.take(0) == other, "another host does not wait"
    assert plan.take(0) is None
    plan.done(first, 1.0)
    assert plan.take(2.9) is None
    assert plan.take(3.0) == second


def test_a_feed_that_was_read_is_due_after_its_interval() -> None:
    [feed] = feeds("a.example/")
    plan = schedule(feed)
    plan.take(0)
    assert 57 <= plan.done(feed, 10.0) <= 63
    assert plan.take(10 + 56) is None
    assert plan.take(10 + 64) == feed


def test_a_feed_that_fails_is_asked_less_and_less_often_with_jitter_and_at_once_again_when_it_is_back() -> None:
    [feed] = feeds("a.example/")
    plan = schedule(feed)
    error = FetchError("http-500", "")
    rests = [plan.done(feed, 0.0, error) for _ in range(12)]
    for failures, rest in enumerate(rests, start=1):
        ceiling = min(60 * 2.0**failures, LONGEST_REST)
        assert ceiling / 2 <= rest <= ceiling
    assert len({rest / min(60 * 2.0**n, LONGEST_REST) for n, rest in enumerate(rests, start=1)}) == 12
    assert plan.done(feed, 0.0) <= 63


@pytest.mark.parametrize("outcome", ["http-429", "http-503"])
def test_what_a_server_asks_for_is_kept_for_its_whole_host(outcome: str) -> None:
    first, second = feeds("a.example/1", "a.example/2")
    plan = schedule(first, second)
    plan.take(0)
    assert plan.done(first, 0.0, FetchError(outcome, "", 1000.0)) >= 1000
    assert plan.take(999) is None
    assert plan.take(1001) is not None


def test_a_missing_page_speaks_for_itself_only() -> None:
    first, second = feeds("a.example/1", "a.example/2")
    plan = schedule(first, second)
    plan.take(0)
    plan.done(first, 0.0, FetchError("http-404", "", 1000.0))
    assert plan.take(2) == second


def test_a_start_is_no_reason_to_ask_again() -> None:
    [feed] = feeds("a.example/")
    now = datetime(2024, 5, 6, tzinfo=UTC)
    assert _rest(feed, {}, now) == 0
    assert _rest(feed, {"read": format_instant(now - timedelta(seconds=20))}, now) == 40
    assert _rest(feed, {"read": format_instant(now - timedelta(days=20))}, now) == 0
    assert _rest(feed, {"read": format_instant(now + timedelta(days=20))}, now) == 60
