"""The page of one incident: everything that it told, what was usual around it, what people did about it."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from processors.identity import format_instant
from processors.messages import Alert, SeriesPoint
from streams.store import AlertQuery, IncidentQuery, Store
from streams.web.brief import brief_of
from streams.web.plain import plain
from streams.web.reactions import Reactions

_BEFORE: Final = timedelta(hours=48)
_AFTER: Final = timedelta(hours=12)
_LONGEST: Final = timedelta(days=21)
_NEAR: Final = timedelta(hours=24)
_RELATED: Final = 8


def incident_view(
    store: Store, incident: str, reactions: Reactions, wall: datetime | None = None
) -> dict[str, Any] | None:
    """Everything of `incident`, JSON-ready: its events (oldest first), the points around them, which incident goes on with
    it, related ones, and how it was handled. None where there is no such incident. Mutes are judged at `wall` (now if None)."""
    events = store.alerts(AlertQuery(incident=incident, limit=500))[::-1]
    if not events:
        return None
    latest, first = events[-1], events[0]
    window = timedelta(hours=max(event.window_hours for event in events))
    end = latest.at + _AFTER
    start = max(first.window_end - max(_BEFORE, 2 * window), end - _LONGEST)
    muted = reactions.muted_until(latest.series, wall or datetime.now(UTC))
    return {
        "incident": incident,
        "events": [plain(event) for event in events],
        "points": [point_of(point) for point in store.points(latest.series, start, end)],
        "continued": _continued(store, latest),
        "related": [brief_of(alert) for alert in _related(store, events)],
        "handling": reactions.of(incident).record(),
        "muted_until": format_instant(muted) if muted else None,
    }


def point_of(point: SeriesPoint) -> list[Any]:
    """A point as the charts take it: start, negative, neutral, positive, new negative stories, expected, low, high,
    surprise."""
    counts = [point.negative, point.neutral, point.positive]
    numbers = [point.novel_negative, point.expected, point.expected_low, point.expected_high, point.surprise]
    return [format_instant(point.start), *counts, *(round(value, 3) for value in numbers)]


def _continued(store: Store, latest: Alert) -> dict[str, Any] | None:
    """The incident that tells the same from `latest` on, in brief."""
    found = store.alerts(AlertQuery(incident=latest.continued_by, limit=1)) if latest.continued_by else []
    return brief_of(found[0]) if found else None


def _related(store: Store, events: Sequence[Alert]) -> list[Alert]:
    """Other incidents of about the same time that rest on the same texts or are about the same company; those that
    share the most first."""
    latest = events[-1]
    texts = {document.identity for event in events for document in event.evidence}
    query = IncidentQuery(since=events[0].opened_at - _NEAR, until=latest.at + _NEAR, limit=500)
    found = []
    for other in store.incidents(query):
        if other.incident == latest.incident:
            continue
        shared = len(texts & {document.identity for document in other.evidence})
        if shared or (latest.company and other.company == latest.company):
            found.append((shared, other))
    found.sort(key=lambda pair: (-pair[0], -pair[1].at.timestamp()))
    return [other for _, other in found[:_RELATED]]
