"""What a run has told so far, in the form in which people want to see it: pure bookkeeping, no terminal."""

from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from heapq import heappop, heappush
from math import log10
from time import perf_counter
from typing import Final

from processors.labels import SentimentLabel
from processors.messages import TIERS, Alert, DeadLetter, Document, LabelledDocument, SeriesPoint, Tier
from streams.observer import Observer

WINDOW: Final = timedelta(hours=24)
_RATE_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class Row:
    """Sentiment about one company or topic over the last 24 h of event time. `surprise` (−log10 of chance) is the
    highest of its closed buckets and alarms in that time, 0 where there were none; `tier` that of an open incident."""

    name: str
    negative: int
    neutral: int
    positive: int
    surprise: float
    tier: Tier | None = None

    @property
    def total(self) -> int:
        """All of them."""
        return self.negative + self.neutral + self.positive


@dataclass
class Board(Observer):
    """Everything that the live view shows. `seconds` is a monotonic clock (wall time, for rates only)."""

    seconds: Callable[[], float] = perf_counter
    now: datetime | None = None
    done: int = 0
    total: int | None = None
    unlabelled: int = 0
    late: int = 0
    repeated: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    incidents: dict[str, Alert] = field(default_factory=dict)
    """The latest event of each incident, in the order in which they opened."""

    def __post_init__(self) -> None:
        self.started = self.seconds()
        self.first_alarm: float | None = None
        self._progress: deque[tuple[float, int]] = deque([(self.started, 0)])
        self._recent: list[tuple[datetime, str, SentimentLabel]] = []  # a heap: the oldest first
        self._counts: Counter[tuple[str, SentimentLabel]] = Counter()
        self._surprise: dict[str, list[tuple[datetime, float]]] = {}

    def documents(self, batch: Sequence[LabelledDocument]) -> None:
        """Count sentiment by company and topic; late documents only as late."""
        for document in batch:
            self.late += document.late
            if document.sentiment is None or document.topic is None:
                self.unlabelled += 1
            elif not document.late:
                names = {f"company:{link.company}" for link in document.companies}
                for name in (*sorted(names), f"topic:{document.topic.label}"):
                    heappush(self._recent, (document.published_at, name, document.sentiment.label))
                    self._counts[name, document.sentiment.label] += 1

    def duplicates(self, batch: Sequence[Document]) -> None:
        """Count."""
        self.repeated += len(batch)

    def alerts(self, batch: Sequence[Alert]) -> None:
        """Keep the latest event of each incident, and its surprise."""
        for alert in batch:
            self.incidents[alert.incident] = alert
            if alert.count and alert.event != "close":
                self._surprised(alert.series, alert.at, -log10(max(alert.count.chance, 1e-300)))
        if self.first_alarm is None:
            self.first_alarm = self.seconds() - self.started

    def points(self, batch: Sequence[SeriesPoint]) -> None:
        """Keep the surprise of companies and topics."""
        for point in batch:
            self._surprised(point.series, point.end, point.surprise)

    def dead_letters(self, batch: Sequence[DeadLetter]) -> None:
        """Count by reason."""
        self.refused.update(letter.reason for letter in batch)

    def clock(self, now: datetime) -> None:
        """Move on."""
        self.now = now

    def progress(self, done: int, total: int | None) -> None:
        """Move on."""
        self.done, self.total = done, total
        self._progress.append((self.seconds(), done))
        while len(self._progress) > 2 and self._progress[0][0] < self._progress[-1][0] - _RATE_SECONDS:
            self._progress.popleft()

    @property
    def elapsed(self) -> float:
        """Seconds since the run began."""
        return self.seconds() - self.started

    @property
    def rate(self) -> float:
        """Records per second over the last seconds."""
        (before, done_before), (after, done) = self._progress[0], self._progress[-1]
        return (done - done_before) / (after - before) if after > before else 0.0

    def rows(self, kind: str) -> list[Row]:
        """The series of `kind` (``company`` or ``topic``) of the last 24 h, the most surprising first, those
        with an open incident before all others."""
        self._forget()
        names = {name for (name, _), count in self._counts.items() if count and name.startswith(f"{kind}:")}
        tiers = {alert.series: alert.tier for alert in self.incidents.values() if alert.event != "close"}
        rows = [
            Row(
                name.partition(":")[2],
                self._counts[name, "negative"],
                self._counts[name, "neutral"],
                self._counts[name, "positive"],
                max((surprise for _, surprise in self._surprise.get(name, ())), default=0.0),
                tiers.get(name),
            )
            for name in names
        ]
        return sorted(
            rows, key=lambda row: (row.tier is None, -round(row.surprise, 1), -row.negative, -row.total, row.name)
        )

    def ranked_incidents(self) -> list[Alert]:
        """The latest event of each incident: open before closed, by tier, the newest first."""
        return sorted(
            self.incidents.values(),
            key=lambda alert: (alert.event == "close", -TIERS.index(alert.tier), -alert.at.timestamp()),
        )

    def _surprised(self, series: str, at: datetime, surprise: float) -> None:
        if series.startswith(("company:", "topic:")):
            heappush(self._surprise.setdefault(series, []), (at, surprise))

    def _forget(self) -> None:
        if self.now is None:
            return
        horizon = self.now - WINDOW
        while self._recent and self._recent[0][0] < horizon:
            _, name, label = heappop(self._recent)
            self._counts[name, label] -= 1
        for points in self._surprise.values():
            while points and points[0][0] < horizon:
                heappop(points)
