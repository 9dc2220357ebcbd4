"""Which moment the console shows: the wall clock's, or, of history, the end of what there is."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from streams.store import Store

_HISTORY: Final = timedelta(days=1)
"""Where the latest document is older than this, or in the future, what is shown is history or an invented time."""


@dataclass(frozen=True, slots=True)
class Present:
    """`at` is the moment shown, `latest` the latest document's; `live` where `at` is the wall clock's."""

    at: datetime
    latest: datetime | None
    live: bool


def present_of(store: Store, wall: datetime | None = None) -> Present:
    """The moment to show of `store` when it is `wall` (aware)."""
    wall = wall or datetime.now(UTC)
    latest = store.latest()
    if latest is None or wall - _HISTORY <= latest <= wall + timedelta(minutes=10):
        return Present(wall, latest, True)
    return Present(latest, latest, False)
