"""Rates and their intervals, delays, and the thresholds that a number of false alarms allows."""

import math
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from scipy.stats import chi2, norm

from streams.scorecard.bursts import Ring
from streams.scorecard.runs import Course, alarms

ALARMS_A_DAY: Final = (0.05, 0.1, 0.25, 0.5)
"""Background alarms a day, over all companies, that thresholds are chosen for."""


class Period(NamedTuple):
    """From `start` up to `end`."""

    start: datetime
    end: datetime

    @property
    def seconds(self) -> tuple[int, int]:
        """Its bounds in seconds since 1970."""
        return int(self.start.timestamp()), int(self.end.timestamp())


CHOSEN_ON: Final = Period(datetime(2014, 2, 1, tzinfo=UTC), datetime(2014, 9, 1, tzinfo=UTC))
"""Thresholds are chosen on this period: January is what the detector warms up on."""

REPORTED_ON: Final = Period(datetime(2014, 9, 1, tzinfo=UTC), datetime(2015, 1, 1, tzinfo=UTC))
"""And everything is reported on this one."""


def wilson(hits: int, trials: int, coverage: float = 0.95) -> tuple[float, float]:
    """The score interval of a rate (Wilson 1927); (0, 1) for no trials."""
    if not trials:
        return 0.0, 1.0
    z = float(norm.ppf((1 + coverage) / 2))
    share, spread = hits / trials, z * z / trials
    middle = (share + spread / 2) / (1 + spread)
    half = math.sqrt(share * (1 - share) * spread + spread * spread / 4) / (1 + spread)
    return max(0.0, middle - half), min(1.0, middle + half)


def poisson_upper(count: int, coverage: float = 0.95) -> float:
    """The one-sided upper bound of a Poisson mean of which `count` were seen (Garwood 1936)."""
    return float(chi2.ppf(coverage, 2 * count + 2)) / 2


def poisson_lower(count: int, coverage: float = 0.95) -> float:
    """The one-sided lower bound, likewise."""
    return float(chi2.ppf(1 - coverage, 2 * count)) / 2 if count else 0.0


def quantile(values: Sequence[float], share: float) -> float | None:
    """The least value that at least `share` of `values` do not exceed; None for none."""
    return sorted(values)[max(math.ceil(share * len(values)) - 1, 0)] if values else None


def threshold_for(courses: Sequence[Course], start: int, end: int, allowed: float, most: float) -> float:
    """The highest chance a year at which the sentiment alarms of [start, end) (seconds) are at most `allowed`; `most`,
    at which the detector opens incidents, where even all of them are no more than that.
    """
    asked = sorted({step.chance for c in courses if c.kind == "sentiment" for step in c.steps})
    low, high = -1, len(asked)  # asked[low] is allowed, asked[high] is not
    while high - low > 1:
        middle = (low + high) // 2
        if alarms_within(courses, asked[middle], start, end) <= allowed:
            low = middle
        else:
            high = middle
    if low == len(asked) - 1:
        return most
    return asked[low] if low >= 0 else 0.0


def alarms_within(courses: Iterable[Course], threshold: float, start: int, end: int) -> int:
    """How many sentiment alarms reach `threshold` in [start, end)."""
    return sum(start <= alarm.second < end for alarm in alarms(courses, threshold))


def rate(hits: int, trials: int) -> dict[str, Any]:
    """A rate with its 95 % interval, ready for JSON."""
    low, high = wilson(hits, trials)
    share = round(hits / trials, 4) if trials else None
    return {"hits": hits, "trials": trials, "rate": share, "interval_95": [round(low, 4), round(high, 4)]}


def scored(rings: Sequence[Ring | str | None]) -> dict[str, Any]:
    """Recall, delays and alarms of a cell's bursts; those of a company that rang before are set apart."""
    counted = [ring for ring in rings if ring != "before"]
    rung = [ring for ring in counted if isinstance(ring, Ring)]
    documents = [ring.documents for ring in rung]
    hours = [ring.seconds / 3600 for ring in rung]
    return {
        "recall": rate(len(rung), len(counted)),
        "rang_before": len(rings) - len(counted),
        "delay_documents": {"median": quantile(documents, 0.5), "p95": quantile(documents, 0.95)},
        "delay_hours": {"median": _rounded(quantile(hours, 0.5)), "p95": _rounded(quantile(hours, 0.95))},
        "alarms_per_incident": _rounded(sum(ring.alarms for ring in rung) / len(rung)) if rung else None,
        "alerts_per_incident": _rounded(sum(ring.events for ring in rung) / len(rung)) if rung else None,
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2)
