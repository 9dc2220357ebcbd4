"""Event time: the clock that only ticks move, and the buckets that it closes."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Clock:
    """The time that a detector has reached: the minimum over all origins that it must hear from.

    `heard` maps each origin to its latest tick. Until every one of `origins` has ticked, `now` is None and
    no time passes. Of incidents that open up to `silent_until` nothing is told. Immutable: `advance` returns a new clock.
    """

    origins: frozenset[str]
    heard: tuple[tuple[str, datetime], ...] = ()
    silent_until: datetime | None = None

    now: datetime | None = field(init=False, repr=False, compare=False)
    """The minimum over the origins, in UTC; None while one of them has not been heard. Asked with every record."""

    def __post_init__(self) -> None:
        is_heard = len(self.heard) >= len(self.origins)
        object.__setattr__(self, "now", min([at for _, at in self.heard], default=None) if is_heard else None)

    def standing(self, at: datetime) -> "Clock":
        """A clock that stands at an instant, and is as silent."""
        return Clock(frozenset({""}), (("", at),), self.silent_until)

    def advance(self, origin: str, at: datetime, silent_until: datetime | None = None) -> "Clock":
        """The clock after `origin` ticked at `at`. A time before the latest of the origin, or of silence, changes nothing.

        Raises ValueError for an origin that the clock does not know: the partition count of a prefix is fixed.
        """
        if origin not in self.origins:
            raise ValueError(f"tick from unknown origin {origin!r}; known: {', '.join(sorted(self.origins))}")
        heard = dict(self.heard)
        if origin in heard and heard[origin] >= at and silent_until is None:
            return self
        heard[origin] = max(at, heard.get(origin, at))
        if self.silent_until is not None:
            silent_until = max(self.silent_until, silent_until or self.silent_until)
        return Clock(self.origins, tuple(sorted(heard.items())), silent_until)


def bucket_start(at: datetime, length: timedelta) -> datetime:
    """The start of the bucket of `length` that `at` falls into; buckets are aligned to 1970-01-01T00:00Z."""
    return at - (at - EPOCH) % length
