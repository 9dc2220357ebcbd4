"""What a store of results can do, whichever database stands behind it.

Writing has create semantics: the same identity or id again changes nothing and is not counted, so that
whoever writes may repeat a batch after any failure. The one exception are series points, of which a later
revision replaces the former. Nothing is written of a batch in which a record has no JSON form.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol

from processors.labels import SentimentLabel, TopicLabel
from processors.messages import (
    Alert,
    DeadLetter,
    Feedback,
    IncidentKind,
    LabelledDocument,
    LabelStatus,
    SeriesKind,
    SeriesPoint,
    Tier,
)
from streams.observer import Observer

MOST_FEEDBACK: Final = 10_000
MOST_SERIES: Final = 10_000
MOST_INCIDENTS: Final = 1_000


@dataclass(frozen=True, slots=True)
class DocumentQuery:
    """Which documents to find: all conditions that are given must hold; newest first.

    `words` must all occur in title or text, case and accents aside. Of `companies` and of `sources` any one
    suffices; empty means any. `since` is inclusive, `until` exclusive. `limit` ≥ 1 caps the answer; `after` is the last
    document of an answer, whose continuation is asked for.
    """

    words: str = ""
    companies: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    sentiment: SentimentLabel | None = None
    topic: TopicLabel | None = None
    status: LabelStatus | None = None
    since: datetime | None = None
    until: datetime | None = None
    limit: int = 50
    after: LabelledDocument | None = None


@dataclass(frozen=True, slots=True)
class AlertQuery:
    """Which alerts to find: all conditions that are given must hold; newest first.

    `id_prefix` is how the alert's id begins. `since` is inclusive, `until` exclusive. `limit` ≥ 1 caps the answer;
    `after` is the last alert of an answer, whose continuation is asked for.
    """

    id_prefix: str = ""
    incident: str | None = None
    series: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    limit: int = 100
    after: Alert | None = None


@dataclass(frozen=True, slots=True)
class IncidentQuery:
    """Which incidents to find, as they stood at `until` (now if None): all conditions that are given must hold.

    `since` is when the incident's latest event happened at the earliest. Of `series` and of `tiers` any one suffices;
    empty means any. `limit` ≥ 1, at most 1000, caps the answer; `after` is the last of an answer, whose continuation is
    asked for.
    """

    series: tuple[str, ...] = ()
    tiers: tuple[Tier, ...] = ()
    kind: IncidentKind | None = None
    open_only: bool = False
    since: datetime | None = None
    until: datetime | None = None
    limit: int = 100
    after: Alert | None = None


@dataclass(frozen=True, slots=True)
class SeriesTotal:
    """One series over a range: sums of its points, the highest surprise among them."""

    series: str
    kind: SeriesKind
    negative: int
    neutral: int
    positive: int
    novel_negative: float
    expected: float
    surprise: float


@dataclass(frozen=True, slots=True)
class Volume:
    """How many documents were published in the interval that begins at `start`."""

    start: datetime
    negative: int
    neutral: int
    positive: int
    unlabelled: int


@dataclass(frozen=True, slots=True)
class SourceState:
    """A source: when it published its latest document, and how many documents since the instant asked for."""

    source: str
    latest: datetime
    documents: int


@dataclass(frozen=True, slots=True)
class Counts:
    """How much a store holds. `sentiments` counts labelled documents by label; `dead_letters` counts by reason."""

    documents: int
    sentiments: Mapping[SentimentLabel, int]
    unlabelled: int
    late: int
    points: int
    alerts: int
    incidents: int
    dead_letters: Mapping[str, int]


class Store(Protocol):
    """A store of what a run found out. Raises RetryableError when the database is away or busy for long."""

    def write_documents(self, documents: Sequence[LabelledDocument]) -> int:
        """Store documents by identity, the first wins; returns how many were new."""

    def write_points(self, points: Sequence[SeriesPoint]) -> int:
        """Store points by series and start, the highest revision wins; returns how many were new or replaced."""

    def write_alerts(self, alerts: Sequence[Alert]) -> int:
        """Store alerts by id; returns how many were new."""

    def write_dead_letters(self, letters: Sequence[DeadLetter]) -> int:
        """Store dead letters by id; returns how many were new."""

    def write_feedback(self, feedback: Sequence[Feedback]) -> int:
        """Store feedback by id; returns how much was new."""

    def document(self, identity: str) -> LabelledDocument | None:
        """The document of that identity."""

    def search(self, query: DocumentQuery) -> list[LabelledDocument]:
        """The documents that `query` asks for."""

    def alerts(self, query: AlertQuery) -> list[Alert]:
        """The alerts that `query` asks for."""

    def incidents(self, query: IncidentQuery) -> list[Alert]:
        """The latest event of each incident that `query` asks for, newest first."""

    def feedback(self, incident: str | None = None, since: datetime | None = None) -> list[Feedback]:
        """Feedback on `incident`, or on any, given at `since` or later, oldest first; the latest 10,000."""

    def points(self, series: str, since: datetime | None = None, until: datetime | None = None) -> list[SeriesPoint]:
        """The points of one series that start in [since, until), in time order."""

    def totals(self, kinds: Sequence[SeriesKind], since: datetime, until: datetime) -> list[SeriesTotal]:
        """Every series of `kinds` (at most 10,000) that has points that start in [since, until), by name."""

    def series(self, kinds: Sequence[SeriesKind]) -> list[str]:
        """The names of the series of `kinds` that have points, at most 10,000, in order."""

    def volume(self, since: datetime, until: datetime, interval: timedelta) -> list[Volume]:
        """Documents published in [since, until), in time order; intervals (of whole seconds, aligned to 1970) without
        any are left out."""

    def sources(self, since: datetime) -> list[SourceState]:
        """Every source (at most 1,000), by name."""

    def span(self) -> tuple[datetime, datetime] | None:
        """When the earliest and the latest document were published; None where there is none."""

    def dead_letters(self, reason: str | None = None, limit: int = 100) -> list[DeadLetter]:
        """Dead letters of `reason`, or of any, in the order of arrival."""

    def counts(self) -> Counts:
        """How much there is of everything."""

    def close(self) -> None:
        """Release the database. The store is of no use afterwards."""


class StoreWriter(Observer):
    """Writes all that a run tells into a store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def documents(self, batch: Sequence[LabelledDocument]) -> None:
        """Store them."""
        self._store.write_documents(batch)

    def alerts(self, batch: Sequence[Alert]) -> None:
        """Store them."""
        self._store.write_alerts(batch)

    def points(self, batch: Sequence[SeriesPoint]) -> None:
        """Store them."""
        self._store.write_points(batch)

    def dead_letters(self, batch: Sequence[DeadLetter]) -> None:
        """Store them."""
        self._store.write_dead_letters(batch)
