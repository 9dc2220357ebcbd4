"""Online control of the false discovery rate over the stream of incidents: what could stand in place of a threshold.

Every incident is a hypothesis, tested in the order in which incidents open. Its p-value at any moment is the lowest chance a
year that it has reached, over that at which incidents open: chance opens at most so many, and makes at most so many
of them as unlikely. It is watched while it is open, and found as soon as its p-value is at most its level. A level is
given when an incident opens and follows from what was known by then: tests overlap, so an earlier one that is not found
yet counts as not found (Zrnic, Ramdas and Jordan 2021, Asynchronous online testing of multiple hypotheses).

- LORD++ (Ramdas, Yang, Wainwright and Jordan 2017, Online control of the false discovery rate with decaying memory).
- SAFFRON (Ramdas, Zrnic, Wainwright and Jordan 2018), which spends nothing on candidates, with the decaying memory of
  Rebjock, Kurt, Januschowski and Callot 2021 (Online false discovery rate control for anomaly detection in time series):
  what was found long ago counts less, and levels never die out.
"""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final, NamedTuple

from scipy.special import zeta

from streams.scorecard.bursts import Burst
from streams.scorecard.measures import alarms_within
from streams.scorecard.runs import Course, Step

CANDIDATE: Final = 0.5
"""The p-value up to which SAFFRON calls a test a candidate."""

_MEMORY: Final = 0.99  # per test: about the last hundred count
_TARGETS: Final = [10.0 ** (power / 20) for power in range(-100, 1)]
_LORD_SCALE: Final = 0.07720838  # makes the sequence of Javanmard and Montanari 2018 sum to 1


class Decision(NamedTuple):
    """One incident as it was tested: the second at which it opened, its level, and the seconds at which it was found and
    known to be a candidate, if ever."""

    opened: int
    level: float
    found: int | None
    candidate: int | None


Rule = Callable[[float, int, Sequence[Decision]], float]
"""The level of a test that opens at a second, for a target rate and the tests that opened before, in order."""


def lord(target: float, second: int, before: Sequence[Decision]) -> float:
    """LORD++: half of the target to begin with, all of it again with every find but the first, which brings the rest."""
    number, first = len(before) + 1, target / 2
    level = _lord_share(number) * first
    for count, known in enumerate(_finds(second, before)):
        level += (target - first if count == 0 else target) * _lord_share(number - known)
    return level


def saffron(target: float, second: int, before: Sequence[Decision]) -> float:
    """SAFFRON with decaying memory: never less than a test's part of the target while memory lasts."""
    number = len(before) + 1
    # Up to each test, how many of those before were no candidates, as far as is known.
    spent = [0]
    for test in before:
        spent.append(spent[-1] + (test.candidate is None or test.candidate > second))
    level = max(_saffron_share(spent[-1] + 1), 1 - _MEMORY)
    for known in _finds(second, before):
        level += _MEMORY ** (number - known) * _saffron_share(spent[-1] - spent[known] + 1)
    return min(CANDIDATE, (1 - CANDIDATE) * target * level)


RULES: Final[Mapping[str, Rule]] = {"LORD++": lord, "SAFFRON with decaying memory": saffron}


def decided(courses: Sequence[Course], rule: Rule, target: float, opens_at: float) -> list[tuple[Course, Decision]]:
    """Every sentiment incident among `courses` with its test, in order of opening; they open at `opens_at` a year."""
    done: list[Decision] = []
    ordered = sorted((c for c in courses if c.kind == "sentiment" and c.steps), key=lambda c: (c.opened, c.series))
    for course in ordered:
        done.append(_test(course, rule(target, course.opened, done), opens_at))
    return list(zip(ordered, done, strict=True))


def found_among(tests: Sequence[tuple[Course, Decision]]) -> list[Course]:
    """The incidents that were found, each as one that begins to count when it was."""
    return [
        replace(course, steps=[Step(test.found, course.chance)]) for course, test in tests if test.found is not None
    ]


def found_in_branch(
    burst: Burst,
    branch: Sequence[Course],
    tests: Sequence[tuple[Course, Decision]],
    rule: Rule,
    target: float,
    opens_at: float,
) -> list[Course]:
    """The incidents of a burst's company that were found in its branch (`branch`), which leaves the background, tested in
    `tests`, with the burst's first document."""
    mine = [course for course in branch if course.kind == "sentiment" and course.steps]
    known = {(course.series, course.opened): test for course, test in tests}
    others = [test for course, test in tests if course.opened < burst.first or course.company != burst.company]
    found = []
    for course in sorted(mine, key=lambda course: (course.opened, course.series)):
        if course.opened < burst.first and (course.series, course.opened) in known:
            level = known[course.series, course.opened].level
        else:
            level = rule(target, course.opened, others[: bisect_left(others, (course.opened,))])
        test = _test(course, level, opens_at)
        if course.opened >= burst.first:
            others.insert(bisect_left(others, (course.opened,)), test)
        found.append((course, test))
    return found_among(found)


def target_for(courses: Sequence[Course], rule: Rule, opens_at: float, start: int, end: int, allowed: float) -> float:
    """The highest target rate at which at most `allowed` alarms are found in [start, end); 0 where there is none."""
    low, high = -1, len(_TARGETS)
    while high - low > 1:
        middle = (low + high) // 2
        found = found_among(decided(courses, rule, _TARGETS[middle], opens_at))
        if alarms_within(found, math.inf, start, end) <= allowed:
            low = middle
        else:
            high = middle
    return _TARGETS[low] if low >= 0 else 0.0


def _test(course: Course, level: float, opens_at: float) -> Decision:
    return Decision(course.opened, level, course.reached(level * opens_at), course.reached(CANDIDATE * opens_at))


def _finds(second: int, before: Sequence[Decision]) -> list[int]:
    """For each find that is known at `second`, in order, how many tests had been opened when it was made."""
    opened = [test.opened for test in before]
    seconds = sorted(test.found for test in before if test.found is not None and test.found <= second)
    return [bisect_right(opened, at) for at in seconds]


def _lord_share(number: int) -> float:
    return _LORD_SCALE * math.log(max(number, 2)) / (number * math.exp(math.sqrt(math.log(number))))


def _saffron_share(number: int) -> float:
    return float(number**-1.6 / _ZETA)


_ZETA: Final = float(zeta(1.6))
