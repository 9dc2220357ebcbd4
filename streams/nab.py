"""The scoring of the Numenta Anomaly Benchmark (Lavin and Ahmad 2015, "Evaluating Real-time Anomaly Detection
Algorithms"): alarms of series against labelled windows, from the published definition.

Of the alarms in a window the first counts, by how early it is: almost 1 at the window's left edge, half way .85, at the
right edge 0. A missed window costs the weight of a false negative. Each alarm outside costs the weight of a false
positive: little shortly after a window, all of it three widths after one or before any. Rows of the probation at the
beginning (15 % of the rows, at most 750) do not count. The score is 100 for every window caught at its left edge without a
false alarm, 0 for a detector that never rings. The benchmark lets every detector have its best threshold; here the
threshold is the detector's own.
"""

import math
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

PROBATION_SHARE: Final = 0.15
PROBATION_ROWS: Final = 750


class Profile(NamedTuple):
    """What a false alarm and a missed window cost; a window caught at its left edge earns 1."""

    false_positive: float
    false_negative: float


STANDARD: Final = Profile(0.11, 1.0)
LOW_FALSE_POSITIVE: Final = Profile(0.22, 1.0)


class Outcome(NamedTuple):
    """How one series went: for each window what its first alarm earned, None where it was missed; the false alarms, and
    the sum of their weights, each at most 1."""

    caught: tuple[float | None, ...]
    false_alarms: int
    weight: float


def probation_rows(rows: int) -> int:
    """How many of the first rows do not count."""
    return min(math.floor(PROBATION_SHARE * rows), PROBATION_ROWS)


def judge(rows: int, alarms: Iterable[int], windows: Sequence[tuple[int, int]]) -> Outcome:
    """Judges the `alarms` (numbers of rows, from 0) of a series of so many `rows` against its `windows`: first and last
    row of each, in order, apart. A window that ends in the probation does not count."""
    probation = probation_rows(rows)
    counted = sorted(alarm for alarm in alarms if alarm >= probation)
    false = [alarm for alarm in counted if not any(first <= alarm <= last for first, last in windows)]
    caught = []
    for first, last in windows:
        if last >= probation:
            inside = next((alarm for alarm in counted if first <= alarm <= last), None)
            caught.append(None if inside is None else _earned(inside, first, last))
    return Outcome(tuple(caught), len(false), sum(_weight(alarm, windows) for alarm in false))


def nab_score(outcomes: Iterable[Outcome], profile: Profile) -> float:
    """The score of all series together. Raises ValueError where no window counts."""
    outcomes = list(outcomes)
    windows = [earned for outcome in outcomes for earned in outcome.caught]
    if not windows:
        raise ValueError("no labelled window lies behind the probation: there is nothing to score")
    raw = sum(-profile.false_negative if earned is None else earned for earned in windows)
    raw -= profile.false_positive * sum(outcome.weight for outcome in outcomes)
    never = -profile.false_negative * len(windows)
    return 100 * (raw - never) / (len(windows) - never)


def _earned(alarm: int, first: int, last: int) -> float:
    return _sigmoid(-(last - alarm + 1) / (last - first + 1)) / _sigmoid(-1.0)


def _weight(alarm: int, windows: Sequence[tuple[int, int]]) -> float:
    before = [(first, last) for first, last in windows if last < alarm]
    if not before:
        return 1.0
    first, last = before[-1]
    past = (alarm - last) / (last - first) if last > first else math.inf
    return 1.0 if past >= 3 else -_sigmoid(past)


def _sigmoid(position: float) -> float:
    """The benchmark's scaled sigmoid: from almost 1 at −1 through 0 at 0, a window's right edge, to almost −1 at 1."""
    return 2 / (1 + math.exp(5 * position)) - 1
