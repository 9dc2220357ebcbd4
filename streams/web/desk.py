"""A desk: which series somebody watches, and how many false alarms a day they put up with.

An incident passes when `chance_per_year` ≤ 365·N / number of series: with at most N false alarms a day expected in all,
however the series depend on each other.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final

from streams.store import IncidentQuery, Store
from streams.web.brief import brief_of
from streams.web.present import Present

DAYS: Final = 30
_LISTED: Final = 50


def threshold(budget: float, series: int) -> float:
    """The highest `chance_per_year` that passes: `budget` false alarms a day over `series` ≥ 1 series."""
    return 365 * budget / series


def desk_view(store: Store, watched: Sequence[str], budget: float, present: Present) -> dict[str, Any]:
    """What a desk with that watch-list and budget would have rung in the last 30 days before `present`.

    Each incident counts once, if its loudest event passes. `noise` is how many are expected by chance alone.
    """
    limit = threshold(budget, max(len(watched), 1))
    until = present.at + timedelta(microseconds=1)
    since = until - timedelta(days=DAYS)
    query = IncidentQuery(series=tuple(watched), since=since, until=until, limit=1000)
    heard = [alert for alert in store.incidents(query) if alert.kind != "no-data"] if watched else []
    passed = [alert for alert in heard if alert.chance_per_year <= limit]
    days = Counter(alert.opened_at.date().isoformat() for alert in passed)
    return {
        "days": DAYS,
        "chance_per_year": limit,
        "noise": budget * DAYS,
        "incidents": len(heard),
        "passed": len(passed),
        "by_day": dict(sorted(days.items())),
        "by_tier": dict(Counter(alert.tier for alert in passed)),
        "list": [brief_of(alert) for alert in passed[:_LISTED]],
    }
