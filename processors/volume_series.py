"""How surprising the height of a volume series is: a score for each row from that row and those before it.

A volume series is counts at instants, such as texts about a company each five minutes. Four steps, one setting for all:

1. **Height.** The counts of the last two hours are summed; twice the square root of a Poisson count has a standard
   deviation of about one whatever its mean (Bartlett 1936), so heights of a quiet and of a loud series are alike.
   The height is that root less its median over the two weeks before: the level, which follows shifts in days and
   which a surge cannot raise.
2. **Tail.** Above a high threshold the excess of almost any distribution is generalised Pareto (Pickands 1975;
   peaks over threshold: Davison and Smith 1990). The threshold is the upper quartile of the heights of four weeks. Their
   mean excess over it gives an exponential tail, and the scatter of an estimate from n clusters makes its
   predictive distribution generalised Pareto of shape 1/n (the Lomax law: an exponential mixed over a gamma): a
   series known for days is judged with more reserve than one known for weeks.
3. **Chance.** Heights come in clusters, and a cluster is one event: runs that stay above the threshold, or return
   to it within a window's length, count once (the runs estimator: Smith and Weissman 1994). The rate of clusters times
   the tail is how often a year chance brings about a row this high. It is never told as rarer than Poisson noise alone
   would make it.
4. **Incident.** The row that reaches the stated rate rings. For a day after it nothing rings: one alarm for one event,
   and a reminder each day that it lasts.

Nothing that rang is left out of the history: what happens often is no alarm.
"""

import math
from bisect import bisect_left, insort
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Final, NamedTuple

import numpy as np
from annotated_types import Ge, Gt, Lt
from numpy.typing import NDArray
from scipy.special import ndtr

from processors.parameters import parameter
from processors.surprise import HOURS_PER_YEAR

Array = NDArray[np.float64]

HOUR: Final = 3600.0
DAY: Final = 24 * HOUR
YEAR: Final = HOURS_PER_YEAR * HOUR
ALARM: Final = 0.5
"""A row with at least this score rings."""

_UNSETTLED: Final = DAY / 2
"""Heights against a level of less than half a day make no tail."""

_LOUDEST: Final = 0.99999  # half of it, told of a row inside an incident, stays below ALARM with six decimals


@dataclass(frozen=True, slots=True)
class VolumeSettings:
    """What a volume series is judged by."""

    alarms_per_year: Annotated[float, Gt(0)] = parameter(
        18.0, "false alarms of one series that chance is allowed", unit="1/year"
    )
    looks: Annotated[float, Gt(0)] = parameter(
        1.5, "allowance for looking at each row: measured on null series, as of the core's counts"
    )
    window_hours: Annotated[float, Gt(0)] = parameter(2.0, "length of the sums", unit="h")
    level_days: Annotated[float, Gt(0)] = parameter(14.0, "the level is the median over this long", unit="d")
    memory_days: Annotated[float, Gt(0)] = parameter(28.0, "heights of this long make the tail", unit="d")
    threshold: Annotated[float, Ge(0.5), Lt(1)] = parameter(0.75, "quantile of the heights where the tail begins")
    incident_hours: Annotated[float, Ge(0)] = parameter(24.0, "an alarm is followed by none for this long", unit="h")
    warm_up_days: Annotated[float, Ge(0)] = parameter(3.0, "history before anything rings", unit="d")
    refit_hours: Annotated[float, Gt(0)] = parameter(6.0, "the tail is fitted anew this often", unit="h")


class Tail(NamedTuple):
    """What chance makes of heights: `clusters` of them, `per_year`, rise above `threshold`, by `excess` in the mean."""

    threshold: float
    excess: float
    clusters: int
    per_year: float

    def chance(self, height: Array) -> Array:
        """How often a year chance brings about a cluster that reaches `height`; infinite far below the threshold."""
        if not self.clusters:
            return np.zeros_like(height)
        base = np.maximum(1 + (height - self.threshold) / (self.clusters * self.excess), 0.0)
        with np.errstate(divide="ignore"):
            return np.asarray(self.per_year * base**-self.clusters, float)


def volume_scores(seconds: Array, values: Array, settings: VolumeSettings | None = None) -> Array:
    """The score of each row, 0 to 1, rounded to six decimals; it rings from `ALARM` on.

    `seconds` are instants in any fixed time zone, never falling; `values` are counts since the row before, finite and
    not negative. The score of a row depends on nothing that comes later. It is r / (r + c): r is the stated rate of
    false alarms, c how often a year chance brings about a row this high. Rows within an incident after the one that
    rang tell half of it; rows of the warm-up tell 0.
    """
    settings = settings or VolumeSettings()
    rate, scores, rang = settings.alarms_per_year, np.zeros(len(values)), list[int]()
    heights = volume_heights(seconds, values, settings)
    noise = HOURS_PER_YEAR / settings.window_hours * ndtr(-heights)
    silence, until = settings.incident_hours * HOUR, -math.inf
    for first, after, tail in _tails(seconds, heights, settings):
        chance = settings.looks * np.maximum(tail.chance(heights[first:after]), noise[first:after])
        told = np.round(np.minimum(rate / (rate + chance), _LOUDEST), 6)
        for row in (first + np.flatnonzero(told >= ALARM)).tolist():
            if seconds[row] > until:
                until = seconds[row] + silence
                rang.append(row)
        scores[first:after] = told
    for row in rang:
        inside = slice(row + 1, np.searchsorted(seconds, seconds[row] + silence, side="right"))
        scores[inside] = np.round(scores[inside] / 2, 6)
    return scores


def volume_heights(seconds: Array, values: Array, settings: VolumeSettings) -> Array:
    """How far each row's sum stands above its level, in standard deviations of Poisson noise; 0 for the first row."""
    total = np.concatenate(([0.0], np.cumsum(values)))
    starts = np.searchsorted(seconds, seconds - settings.window_hours * HOUR, side="right")
    roots = 2 * np.sqrt(np.maximum(total[1:] - total[starts], 0.0))
    return np.asarray(roots - _medians_before(seconds, roots, settings.level_days * DAY), float)


def _medians_before(seconds: Array, roots: Array, span: float) -> Array:
    """The median of the rows before each row and at most `span` older; the row itself where there is none."""
    medians, ordered = roots.copy(), list[float]()
    at, listed = roots.tolist(), np.searchsorted(seconds, seconds - span, side="left").tolist()
    oldest = 0
    for row, start in enumerate(listed):
        if row:
            insort(ordered, at[row - 1])
        for gone in range(oldest, start):
            del ordered[bisect_left(ordered, at[gone])]
        oldest = start
        if ordered:
            medians[row] = (ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2
    return medians


def _tails(seconds: Array, heights: Array, settings: VolumeSettings) -> Iterator[tuple[int, int, Tail]]:
    """The tail for the rows from one number to before another, fitted on rows before them; none during the warm-up."""
    if not len(seconds):
        return
    window = settings.window_hours * HOUR
    spans = np.minimum(np.diff(seconds, prepend=seconds[0]), window)  # a gap is no time without clusters
    settled = int(np.searchsorted(seconds, seconds[0] + _UNSETTLED))
    period = np.floor((seconds - seconds[0] - settings.warm_up_days * DAY) / (settings.refit_hours * HOUR))
    firsts = np.flatnonzero((period >= 0) & (np.diff(period, prepend=-1) > 0)).tolist()
    for first, after in pairwise([*firsts, len(seconds)]):
        start = int(np.searchsorted(seconds, seconds[first] - settings.memory_days * DAY))
        known = slice(max(start, settled), first)
        yield first, after, _tail(seconds[known], heights[known], spans[known].sum() / YEAR, window, settings.threshold)


def _tail(seconds: Array, heights: Array, years: float, window: float, quantile: float) -> Tail:
    """The tail of the `heights` seen in so many `years`."""
    if not len(heights):
        return Tail(0.0, 0.0, 0, 0.0)
    rank = int(quantile * (len(heights) - 1))
    threshold = float(np.partition(heights, rank)[rank])
    above = heights > threshold
    if not above.any():
        return Tail(threshold, 0.0, 0, 0.0)
    clusters = 1 + int((np.diff(seconds[above]) > window).sum())
    return Tail(threshold, float((heights[above] - threshold).mean()), clusters, clusters / max(years, window / YEAR))
