"""Event time: the clock that only ticks move, and the buckets that it closes."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Clock:
    """The time that a detector has reached: the minimum over all origins that it must hear from.

    `heard` maps each origin to its latest tick. Until every one of `origins` has ticked, `now` is None and
    no time passes. Immutable: `advance` returns a new clock.
    """

    origins: frozenset[str]
    heard: tuple[tuple[str, datetime], ...] = ()

    @property
    def now(self) -> datetime | None:
        """The minimum over the origins, in UTC; None while one of them has not been heard."""
        if len(self.heard) < len(self.origins):
            return None
        return min([at for _, at in self.heard])

    @classmethod
    def standing(cls, at: datetime) -> "Clock":
        """A clock that stands at an instant."""
        return cls(frozenset({""}), (("", at),))

    def advance(self, origin: str, at: datetime) -> "Clock":
        """The clock after `origin` ticked at `at`. An earlier tick than one heard changes nothing.

        Raises ValueError for an origin that the clock does not know: the partition count of a prefix is fixed.
        """
        if origin not in self.origins:
            raise ValueError(f"tick from unknown origin {origin!r}; known: {', '.join(sorted(self.origins))}")
        heard = dict(self.heard)
        if origin in heard and heard[origin] >= at:
            return self
        heard[origin] = at
        return Clock(self.origins, tuple(sorted(heard.items())))


def bucket_start(at: datetime, length: timedelta) -> datetime:
    """The start of the bucket of `length` that `at` falls into; buckets are aligned to 1970-01-01T00:00Z."""
    return at - (at - EPOCH) % length
