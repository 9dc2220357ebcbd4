import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.scorecard.bursts import Ring
from streams.scorecard.measures import (
    alarms_within,
    poisson_lower,
    poisson_upper,
    quantile,
    scored,
    threshold_for,
    wilson,
)
from streams.scorecard.runs import alarms
from tests.streams.scorecard.made import course

HOUR = 3600


def test_wilson_gives_the_published_interval() -> None:
    low, high = wilson(81, 263)  # Newcombe 1998, table I
    assert (round(low, 4), round(high, 4)) == (0.2553, 0.3662)
    assert wilson(0, 0) == (0.0, 1.0)


@given(st.integers(1, 400), st.data())
def test_an_interval_holds_the_rate_and_stays_between_0_and_1(trials: int, data: st.DataObject) -> None:
    hits = data.draw(st.integers(0, trials))
    low, high = wilson(hits, trials)
    assert 0 <= low <= hits / trials <= high <= 1 or (hits in (0, trials) and 0 <= low <= high <= 1)


def test_poisson_bounds_are_those_of_the_rule_of_three_and_of_the_tables() -> None:
    assert poisson_upper(0) == pytest.approx(2.996, abs=1e-3)
    assert poisson_upper(10) == pytest.approx(16.962, abs=1e-3)
    assert poisson_lower(0) == 0
    assert poisson_lower(10) == pytest.approx(5.425, abs=1e-3)


def test_a_quantile_is_a_value_that_was_seen() -> None:
    assert quantile([], 0.5) is None
    assert quantile([3, 1, 2], 0.5) == 2
    assert quantile(range(1, 101), 0.95) == 95


def test_incidents_of_a_company_and_its_topics_at_the_same_time_are_one_alarm() -> None:
    courses = [
        course("A", 0, (0, 9.0), (HOUR, 0.5), closed=5 * HOUR, topic="earnings"),
        course("A", 5 * HOUR, (5 * HOUR, 0.2), closed=20 * HOUR),
        course("A", 30 * HOUR, (30 * HOUR, 0.9), closed=40 * HOUR),
        course("B", 2 * HOUR, (2 * HOUR, 0.8)),
    ]
    found = alarms(courses, 1.0)
    assert [(alarm.company, alarm.second, alarm.chance) for alarm in found] == [
        ("A", HOUR, 0.2),
        ("B", 2 * HOUR, 0.8),
        ("A", 30 * HOUR, 0.9),
    ]


def test_what_never_reaches_the_threshold_joins_no_alarms() -> None:
    courses = [
        course("A", 0, (0, 0.5), closed=10),
        course("A", 5, (5, 5.0), closed=100, topic="macro"),
        course("A", 50, (50, 0.5), closed=60),
    ]
    assert len(alarms(courses, 1.0)) == 2
    assert len(alarms(courses, 6.0)) == 1


@given(st.lists(st.tuples(st.integers(0, 50), st.floats(0.001, 12)), max_size=40), st.integers(0, 12))
def test_a_threshold_allows_what_it_says_and_the_next_one_does_not(told: list[tuple[int, float]], allowed: int) -> None:
    courses = [course(f"C{n}", second, (second, chance)) for n, (second, chance) in enumerate(told)]
    threshold = threshold_for(courses, 0, 40, allowed, most=12)
    assert alarms_within(courses, threshold, 0, 40) <= allowed
    above = sorted(chance for _, chance in told if chance > threshold)
    assert not above or alarms_within(courses, above[0], 0, 40) > allowed


def test_bursts_of_companies_that_rang_before_are_set_apart() -> None:
    found = scored([Ring(2, 7200, 1, 3), None, "before", Ring(4, 3600, 2, 5)])
    assert (found["recall"]["hits"], found["recall"]["trials"], found["rang_before"]) == (2, 3, 1)
    assert found["delay_documents"] == {"median": 2, "p95": 4}
    assert found["delay_hours"] == {"median": 1.0, "p95": 2.0}
    assert (found["alarms_per_incident"], found["alerts_per_incident"]) == (1.5, 4.0)
