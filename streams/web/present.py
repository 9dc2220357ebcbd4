"""Which moment the console shows: the wall clock's, or, of history, the end of what there is."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Final

from streams.store import Store

_HISTORY: Final = timedelta(days=1)
"""Where the latest document is older than this, or in the future, what is shown is history or an invented time."""

_STILL_SECONDS: Final = 30.0
"""History whose end has not moved for so long is not being replayed, or stands still."""


@dataclass(frozen=True, slots=True)
class Present:
    """`at` is the moment shown, `earliest` and `latest` those of the documents; `live` where `at` is the wall clock's."""

    at: datetime
    earliest: datetime | None
    latest: datetime | None
    live: bool

    @property
    def days(self) -> int:
        """Days since the first document, those that have begun."""
        return 0 if self.earliest is None else (self.at - self.earliest).days + 1


def present_of(store: Store, wall: datetime | None = None) -> Present:
    """The moment to show of `store` when it is `wall` (aware)."""
    wall = wall or datetime.now(UTC)
    span = store.span()
    if span is None:
        return Present(wall, None, None, True)
    earliest, latest = span
    live = wall - _HISTORY <= latest <= wall + timedelta(minutes=10)
    return Present(wall if live else latest, earliest, latest, live)


class Motion:
    """Whether history is being replayed: then its end moves from one look to the next."""

    def __init__(self) -> None:
        self._latest: datetime | None = None
        self._looked = self._moved = float("-inf")

    def of(self, present: Present) -> bool:
        """Whether it has moved lately, as of this look."""
        now = monotonic()
        if present.latest != self._latest and now - self._looked < _STILL_SECONDS:
            self._moved = now
        self._looked, self._latest = now, present.latest
        return not present.live and now - self._moved < _STILL_SECONDS
