"""A desk in the console: what it would have rung, and what of all that rings it hears."""

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final

from streams.desks import Desk
from streams.store import IncidentQuery, Store
from streams.web.brief import brief_of
from streams.web.present import Present

DAYS: Final = 30
_OPEN: Final = timedelta(days=30)
_LISTED: Final = 50


def desk_view(store: Store, watched: Sequence[str], budget: float, present: Present) -> dict[str, Any]:
    """What a desk with that watch-list and budget would have rung in the last 30 days before `present`.

    Each incident counts once, if its latest event passes: a close tells it at its height. `noise` is how many are
    expected by chance alone.
    """
    desk = Desk("", frozenset(watched), budget)
    until = present.at + timedelta(microseconds=1)
    since = until - timedelta(days=DAYS)
    query = IncidentQuery(series=tuple(watched), since=since, until=until, limit=1000)
    heard = [alert for alert in store.incidents(query) if desk.watches(alert)] if watched else []
    passed = [alert for alert in heard if desk.passes(alert)]
    days = Counter(alert.opened_at.date().isoformat() for alert in passed)
    return {
        "days": DAYS,
        "chance_per_year": desk.threshold,
        "noise": budget * DAYS,
        "incidents": len(heard),
        "passed": len(passed),
        "by_day": dict(sorted(days.items())),
        "by_tier": dict(Counter(alert.tier for alert in passed)),
        "list": [brief_of(alert) for alert in passed[:_LISTED]],
    }


def passing_view(store: Store, watched: Sequence[str], budget: float, present: Present) -> dict[str, Any]:
    """Ids of the incidents, open at `present`, that ring a desk with that watch-list and budget."""
    desk = Desk("", frozenset(watched), budget)
    until = present.at + timedelta(microseconds=1)
    query = IncidentQuery(series=tuple(watched), open_only=True, since=until - _OPEN, until=until, limit=1000)
    found = store.incidents(query) if watched else []
    return {"incidents": [alert.incident for alert in found if desk.passes(alert)]}
