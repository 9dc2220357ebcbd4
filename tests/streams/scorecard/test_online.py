"""Online control of the false discovery rate: its levels, what it finds among incidents, and that it knows no future."""

import random

import pytest

from streams.scorecard.bursts import Burst, Form
from streams.scorecard.online import RULES, Decision, decided, found_among, found_in_branch, lord, saffron, target_for
from streams.scorecard.runs import Course
from tests.streams.scorecard.made import course, day, mention

OPENS_AT = 12.0


def null(number: int, seed: int) -> list[Course]:
    """Incidents whose p-values are uniform, one a day, each known as soon as it opens."""
    generator = random.Random(seed)
    return [course(f"C{n}", n * 86_400, (n * 86_400, OPENS_AT * generator.random())) for n in range(number)]


def test_levels_sum_to_no_more_than_was_earned() -> None:
    silent = [Decision(n, 0.0, None, None) for n in range(3000)]
    spent = sum(lord(0.2, n, silent[:n]) for n in range(3000))
    assert 0.03 < spent <= 0.1, "at most half of the target, without a find"
    found = [Decision(0, 1.0, 0, 0), *silent[1:400]]
    assert sum(lord(0.2, n, found[:n]) for n in range(400)) <= 0.2


def test_levels_with_a_decaying_memory_do_not_die_out_and_candidates_cost_nothing() -> None:
    silent = [Decision(n, 0.0, None, None) for n in range(2000)]
    candidates = [Decision(n, 0.0, None, n) for n in range(2000)]
    assert lord(0.2, 2000, silent) < 1e-4
    assert saffron(0.2, 2000, silent) == pytest.approx(0.5 * 0.2 * 0.01)
    assert saffron(0.2, 2000, candidates) == saffron(0.2, 0, [])


@pytest.mark.parametrize("name", RULES)
def test_where_nothing_happens_few_runs_find_anything(name: str) -> None:
    found = [len(found_among(decided(null(60, seed), RULES[name], 0.1, OPENS_AT))) for seed in range(60)]
    assert sum(count > 0 for count in found) <= 12, "a tenth of 60 and its chance"


@pytest.mark.parametrize("name", RULES)
def test_a_find_makes_the_next_test_easier_once_it_is_known(name: str) -> None:
    rule = RULES[name]
    quiet = [Decision(n, 0.0, None, None) for n in range(20)]
    slow = [*quiet[:-1], Decision(19, 0.1, 30, 30)]
    assert rule(0.2, 20, slow) == rule(0.2, 20, quiet), "it is not known at that second"
    assert rule(0.2, 31, slow) > rule(0.2, 31, quiet)


@pytest.mark.parametrize("name", RULES)
def test_what_opens_later_changes_no_level(name: str) -> None:
    courses = [*null(40, 3), course("A", 5, (5, 3.0), (90_000, 1e-6)), course("B", 200_000, (200_000, 1e-9))]
    whole = decided(courses, RULES[name], 0.3, OPENS_AT)
    early = decided([c for c in courses if c.opened < 400_000], RULES[name], 0.3, OPENS_AT)
    assert [test for _, test in whole][: len(early)] == [test for _, test in early]


@pytest.mark.parametrize("name", RULES)
def test_a_burst_is_found_in_its_branch_by_the_level_of_its_second_and_of_the_background_nothing_changes(
    name: str,
) -> None:
    background = null(200, 5)
    tests = decided(background, RULES[name], 0.2, OPENS_AT)
    told = (mention("burst", day(50), "A", "negative"),)
    burst = Burst("A", Form(4, 3, "step"), "low", "negative", told)
    loud = course("A", burst.first + 60, (burst.first + 60, 5.0), (burst.first + 90, 1e-8))
    faint = course("A", burst.first + 60, (burst.first + 60, 11.0))
    found = found_in_branch(burst, [loud], tests, RULES[name], 0.2, OPENS_AT)
    assert [step.second for c in found for step in c.steps] == [burst.first + 90]
    assert found_in_branch(burst, [faint], tests, RULES[name], 0.2, OPENS_AT) == []
    assert tests == decided(background, RULES[name], 0.2, OPENS_AT)


@pytest.mark.parametrize("name", RULES)
def test_the_target_is_the_highest_that_allows_so_many_alarms(name: str) -> None:
    courses = [*null(100, 7), *(course(f"E{n}", n * 500_000, (n * 500_000, 10.0**-n)) for n in range(1, 12))]
    target = target_for(courses, RULES[name], OPENS_AT, 0, 10**9, allowed=5)
    assert len(found_among(decided(courses, RULES[name], target, OPENS_AT))) <= 5
    assert target > 0
    assert target_for(courses, RULES[name], OPENS_AT, 0, 10**9, allowed=0) < target
