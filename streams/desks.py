"""A desk: which series somebody watches, how many false alarms a day they put up with, and what of all that rings they hear.

An alert passes when its `chance_per_year` is at most 365·N / number of series: with at most N false alarms a day expected in
all, however the series depend on each other and whatever rings at the same time. The topics of a company count as one
series: what is told of one is the chance that any of them rings.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from processors.messages import TIERS, Alert, IncidentKind, Tier

DAYS_A_YEAR: Final = 365
SURGES: Final[frozenset[IncidentKind]] = frozenset({"sentiment", "volume"})
_NIGHTS_IN_A_ROW: Final = 16


@dataclass(frozen=True, slots=True)
class Quiet:
    """When a desk is left alone: each day from `begin` to `end` (of the next day, where that is earlier) on the clocks of
    `zone`, and on whole `days` of the week (Monday is 0). What reaches the tier `through` rings all the same."""

    zone: ZoneInfo
    begin: time | None = None
    end: time | None = None
    days: frozenset[int] = frozenset()
    through: Tier | None = None

    def until(self, now: datetime) -> datetime | None:
        """When the quiet that `now` (aware) lies in ends, in UTC; None where it lies in none."""
        at = now
        for _ in range(_NIGHTS_IN_A_ROW):
            over = max((end for start, end in self._around(at) if start <= at < end), default=None)
            if over is None:
                break
            at = over
        return None if at == now else at

    def _around(self, at: datetime) -> Iterable[tuple[datetime, datetime]]:
        """Spans of quiet that begin on the day of `at` or the day before, on the clocks of the zone."""
        today = at.astimezone(self.zone).date()
        for day in (today - timedelta(days=1), today):
            if day.weekday() in self.days:
                yield self._instant(day, time()), self._instant(day + timedelta(days=1), time())
            if self.begin is not None and self.end is not None:
                ends = day if self.end > self.begin else day + timedelta(days=1)
                yield self._instant(day, self.begin), self._instant(ends, self.end)

    def _instant(self, day: date, at: time) -> datetime:
        return datetime.combine(day, at, self.zone).astimezone(UTC)


@dataclass(frozen=True, slots=True)
class Desk:
    """One desk. `budget` is its false alarms a day; `channels` names where it is told."""

    name: str
    series: frozenset[str]
    budget: float
    least: Tier = "watch"
    kinds: frozenset[IncidentKind] = SURGES
    quiet: Quiet | None = None
    channels: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """How many series share the budget, a company's topics as one; a source's silence is one beside its surges."""
        alike = {name.partition("/")[0] if name.startswith("company-topic:") else name for name in self.series}
        surges = len(alike) if self.kinds & SURGES else 0
        silences = sum(name.startswith("source:") for name in self.series) if "no-data" in self.kinds else 0
        return surges + silences

    @property
    def threshold(self) -> float:
        """The highest `chance_per_year` that passes."""
        return DAYS_A_YEAR * self.budget / max(self.size, 1)

    def watches(self, alert: Alert) -> bool:
        """Whether it is about something that the desk watches, however loud."""
        return alert.series in self.series and alert.kind in self.kinds

    def passes(self, alert: Alert) -> bool:
        """Whether it rings the desk."""
        loud = TIERS.index(alert.tier) >= TIERS.index(self.least)
        return loud and self.watches(alert) and alert.chance_per_year <= self.threshold

    def quiet_until(self, alert: Alert, now: datetime) -> datetime | None:
        """How long what rings at `now` has to wait; None where the desk is told at once."""
        if self.quiet is None:
            return None
        through = self.quiet.through
        if through is not None and TIERS.index(alert.tier) >= TIERS.index(through):
            return None
        return self.quiet.until(now)


@dataclass
class Rung:
    """What one desk would have rung: the first event of each incident that passes, by time. `watched` counts the incidents
    of what it watches, `by_day` those that ring by UTC day, `held` those that its quiet hours would hold back."""

    desk: Desk
    alerts: list[Alert] = field(default_factory=list)
    watched: int = 0
    held: int = 0

    @property
    def by_day(self) -> Counter[date]:
        """How many incidents rang on each day."""
        return Counter(alert.at.date() for alert in self.alerts)


def simulate(desk: Desk, alerts: Iterable[Alert], since: datetime) -> Rung:
    """What `desk` would have rung from `since` on, of `alerts` in any order; those before tell what rang already."""
    rung = Rung(desk)
    watched: set[str] = set()
    rang: set[str] = set()
    for alert in sorted(alerts, key=lambda alert: (alert.at, alert.incident, alert.sequence)):
        if not desk.watches(alert):
            continue
        if alert.at >= since:
            watched.add(alert.incident)
        if alert.event == "close":
            rang.add(alert.incident)  # what is over rings nobody for the first time
        elif alert.incident not in rang and desk.passes(alert):
            rang.add(alert.incident)
            if alert.at >= since:
                rung.alerts.append(alert)
                rung.held += desk.quiet_until(alert, alert.at) is not None
    rung.watched = len(watched)
    return rung
