"""The page *Now*: what rings, what is unusual where, what arrives."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from processors.identity import format_instant
from processors.messages import TIERS, Alert, Tier
from processors.series import MARKET
from streams.store import IncidentQuery, SeriesTotal, Store, Volume
from streams.web.brief import brief_of, surprise_of
from streams.web.present import Present
from streams.web.reactions import Reactions

PULSE_HOURS: Final = 24
_ROWS: Final = 12
_COLUMNS: Final = 8
_OPEN_DAYS: Final = 30
_CLOSED_HOURS: Final = 24
_CLOSED: Final = 12
_SLOT: Final = timedelta(minutes=15)
_MINUTE: Final = timedelta(minutes=1)
_LATELY: Final = 15


@dataclass
class _Cell:
    """One series of the pulse."""

    total: SeriesTotal | None = None
    surprise: float = 0.0
    tier: Tier | None = None
    incident: str | None = None

    @property
    def documents(self) -> int:
        return self.total.negative + self.total.neutral + self.total.positive if self.total else 0

    @property
    def rank(self) -> tuple[int, float, int]:
        """By open incident, then surprise, then negative documents."""
        return (
            TIERS.index(self.tier) + 1 if self.tier else 0,
            round(self.surprise, 1),
            self.total.negative if self.total else 0,
        )

    def record(self) -> dict[str, Any]:
        return {
            "surprise": round(self.surprise, 2),
            "negative": self.total.negative if self.total else 0,
            "documents": self.documents,
            "tier": self.tier,
            "incident": self.incident,
        }


@dataclass(frozen=True, slots=True)
class _Pulse:
    """The cells by series."""

    cells: dict[str, _Cell] = field(default_factory=dict)

    def of(self, series: str) -> _Cell:
        return self.cells.setdefault(series, _Cell())


def now_view(store: Store, present: Present, reactions: Reactions, wall: datetime | None = None) -> dict[str, Any]:
    """Everything that the page shows at `present`; JSON-ready. Mutes are judged at `wall` (now if None)."""
    wall = wall or datetime.now(UTC)
    at = present.at + timedelta(microseconds=1)  # what happened at the very moment is shown
    open_ones = store.incidents(
        IncidentQuery(open_only=True, since=at - timedelta(days=_OPEN_DAYS), until=at, limit=500)
    )
    recent = store.incidents(IncidentQuery(since=at - timedelta(hours=_CLOSED_HOURS), until=at, limit=500))
    closed = [alert for alert in recent if alert.event == "close" and alert.continued_by is None]
    since = at - timedelta(hours=PULSE_HOURS)
    return {
        "at": format_instant(present.at),
        "latest": format_instant(present.latest) if present.latest else None,
        "live": present.live,
        "incidents": [_incident(alert, reactions, wall) for alert in _ranked(open_ones)],
        "closed": [_incident(alert, reactions, wall) for alert in closed[:_CLOSED]],
        "closed_count": len(closed),
        "pulse": _pulse(store, since, at, open_ones, recent),
        "volume": _volume(store, since, at),
        "sources": _sources(store, since, open_ones),
    }


def _ranked(alerts: Iterable[Alert]) -> list[Alert]:
    """The loudest first: by tier, then by how rarely chance rings so."""
    return sorted(alerts, key=lambda alert: (-TIERS.index(alert.tier), alert.chance_per_year, alert.id))


def _incident(alert: Alert, reactions: Reactions, wall: datetime) -> dict[str, Any]:
    handling = reactions.of(alert.incident)
    muted = reactions.muted_until(alert.series, wall)
    return {
        **brief_of(alert),
        "acknowledged": handling.acknowledged.by if handling.acknowledged else None,
        "assignee": handling.assignee,
        "judgements": len(handling.judgements),
        "muted_until": format_instant(muted) if muted else None,
    }


def _pulse(
    store: Store, since: datetime, until: datetime, open_ones: Sequence[Alert], recent: Sequence[Alert]
) -> dict[str, Any]:
    pulse = _Pulse()
    for total in store.totals(("company", "company-topic", "topic", "market"), since, until):
        cell = pulse.of(total.series)
        cell.total, cell.surprise = total, total.surprise
    for alert in recent:
        if alert.event != "close":
            cell = pulse.of(alert.series)
            cell.surprise = max(cell.surprise, surprise_of(alert))
    for alert in reversed(_ranked(open_ones)):  # the loudest last: it stays
        if alert.kind != "no-data":
            cell = pulse.of(alert.series)
            cell.tier, cell.incident = alert.tier, alert.incident
    by_company = _by_company(pulse)
    companies = sorted(by_company, key=lambda company: _row_rank(by_company[company]), reverse=True)[:_ROWS]
    topics = _columns(pulse, [by_company[company] for company in companies])
    return {
        "hours": PULSE_HOURS,
        "topics": topics,
        "all": {
            "total": pulse.of(MARKET).record(),
            "cells": [pulse.of(f"topic:{topic}").record() for topic in topics],
        },
        "rows": [
            {
                "company": company,
                "total": by_company[company][""].record() if "" in by_company[company] else _Cell().record(),
                "cells": [
                    by_company[company][topic].record() if topic in by_company[company] else None for topic in topics
                ],
            }
            for company in companies
        ],
    }


def _by_company(pulse: _Pulse) -> dict[str, dict[str, _Cell]]:
    """By company, its cells by topic; its own under the empty name. Companies that nobody wrote of are left out."""
    found: dict[str, dict[str, _Cell]] = {}
    for series, cell in pulse.cells.items():
        kind, _, name = series.partition(":")
        if kind in ("company", "company-topic") and (cell.documents or cell.tier):
            company, _, topic = name.partition("/")
            found.setdefault(company, {})[topic] = cell
    return found


def _row_rank(cells: Mapping[str, _Cell]) -> tuple[tuple[int, float, int], int]:
    return max(cell.rank for cell in cells.values()), sum(cell.documents for cell in cells.values())


def _columns(pulse: _Pulse, rows: Sequence[Mapping[str, _Cell]]) -> list[str]:
    """The topics that stand out, in the order in which they do, those of the rows before others."""
    ranks: dict[str, tuple[int, float, int]] = {}
    for row in rows:
        for topic, cell in row.items():
            if topic:
                ranks[topic] = max(ranks.get(topic, (0, 0.0, 0)), cell.rank)
    return sorted(ranks, key=lambda topic: (ranks[topic], pulse.of(f"topic:{topic}").rank, topic), reverse=True)[
        :_COLUMNS
    ]


def _volume(store: Store, since: datetime, until: datetime) -> dict[str, Any]:
    start = datetime.fromtimestamp(since.timestamp() // _SLOT.total_seconds() * _SLOT.total_seconds(), UTC)
    counted = {volume.start: volume for volume in store.volume(start, until, _SLOT)}
    slots = []
    while start < until:
        volume = counted.get(start)
        slots.append([volume.negative, volume.neutral, volume.positive, volume.unlabelled] if volume else [0, 0, 0, 0])
        start += _SLOT
    latest = store.volume(until - _LATELY * _MINUTE, until, _MINUTE)
    return {
        "minutes": _SLOT // timedelta(minutes=1),
        "start": format_instant(start - _SLOT * len(slots)),
        "slots": slots,
        "per_minute": round(sum(map(_documents, latest)) / _LATELY, 1),
    }


def _documents(volume: Volume) -> int:
    return volume.negative + volume.neutral + volume.positive + volume.unlabelled


def _sources(store: Store, since: datetime, open_ones: Sequence[Alert]) -> list[dict[str, Any]]:
    silent = {alert.source: alert.incident for alert in open_ones if alert.kind == "no-data"}
    return [
        {
            "source": state.source,
            "latest": format_instant(state.latest),
            "documents": state.documents,
            "silent": silent.get(state.source),
        }
        for state in store.sources(since)
    ]
