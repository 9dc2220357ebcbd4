"""The week's shape: how much of a series' activity falls on each hour of the week, in its own time zone."""

from array import array
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
from numpy.typing import NDArray

from processors.errors import PoisonError

HOUR: Final = 3600
DAY: Final = 24
WEEK: Final = 168
_EPOCH_HOUR: Final = 72  # 1970-01-01 was a Thursday; a week begins on Monday at 0:00
_HOUR_OF_WEEK: Final = np.arange(WEEK)
_HOUR_OF_DAY_TYPE: Final = _HOUR_OF_WEEK % DAY + np.where(_HOUR_OF_WEEK >= 5 * DAY, DAY, 0)


class Profile:
    """Relative activity by hour of the week, mean one; integrates itself over any span."""

    __slots__ = ("_cumulative", "_hourly", "shape")

    def __init__(self, shape: NDArray[np.float64]) -> None:
        """From 168 non-negative numbers with a positive sum, Monday 0:00 first, local time."""
        self.shape = shape * (WEEK / shape.sum())
        self._hourly: array[float] = array("d", self.shape)  # compact: every company has a profile
        self._cumulative: array[float] = array("d", [0.0, *np.cumsum(self.shape)])
        self._cumulative[WEEK] = float(WEEK)

    def exposure(self, start: float, end: float, offset: int) -> float:
        """The integral over [start, end), in weighted hours.

        `start` and `end` are seconds since 1970 UTC, `offset` the local time's lead over UTC in seconds.
        """
        return self._until(end + offset) - self._until(start + offset)

    def _until(self, local: float) -> float:
        weeks, hours = divmod(local / HOUR + _EPOCH_HOUR, WEEK)
        hour = min(int(hours), WEEK - 1)
        return weeks * WEEK + self._cumulative[hour] + (hours - hour) * self._hourly[hour]

    def refined(self, counts: NDArray[np.float64], prior: float) -> "Profile":
        """This profile, bent towards `counts` (168 numbers) where they support it.

        Two steps of gamma-Poisson shrinkage: hour of day by workday or weekend, then hour of week. In each, a
        cell's weight is multiplied by (observed + prior) / (expected + prior), the posterior mean of its ratio.
        """
        shape = self.shape
        for cells in (_HOUR_OF_DAY_TYPE, _HOUR_OF_WEEK):
            observed = np.bincount(cells, counts)
            expected = np.bincount(cells, shape) * (counts.sum() / WEEK)
            shape = shape * ((observed + prior) / (expected + prior))[cells]
            shape = shape * (WEEK / shape.sum())
        return Profile(shape)


FLAT: Final = Profile(np.ones(WEEK))


def slot_of(second: int, offset: int) -> int:
    """The local hour of the week, 0 … 167, of a UTC second."""
    return ((second + offset) // HOUR + _EPOCH_HOUR) % WEEK


@lru_cache(maxsize=4096)
def utc_offset(time_zone: str, hour: int) -> int:
    """Seconds by which the IANA `time_zone` leads UTC at the `hour` since 1970.

    Raises PoisonError (``unknown-time-zone``) for a zone that the time zone database does not know.
    """
    try:
        moment = datetime.fromtimestamp(hour * HOUR, UTC).astimezone(ZoneInfo(time_zone))
    except (ZoneInfoNotFoundError, ValueError, OSError, OverflowError) as error:
        raise PoisonError(
            "unknown-time-zone", f"time zone {time_zone!r} is not known: mend it in the company master"
        ) from error
    offset = moment.utcoffset()
    return int(offset.total_seconds()) if offset else 0
