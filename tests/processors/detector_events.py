"""Mentions, wide records and a partition to try a detector with: what it looks at is given, the rest is plain."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from processors.clock import Clock
from processors.detection import DetectionSettings, DetectorSettings
from processors.detector import Detector
from processors.labels import SentimentLabel, TopicLabel
from processors.messages import (
    Alert,
    DocumentSummary,
    Kind,
    Mention,
    Sentiment,
    SeriesPoint,
    Tick,
    Topic,
    Unlabelled,
    Versions,
    WideRecord,
)
from processors.signatures import signature_of

START = datetime(2026, 1, 5, tzinfo=UTC)  # a Monday
VERSIONS = Versions("minilm", "1", "aa", "bb", "cc")
SENTIMENTS: dict[SentimentLabel, Sentiment] = {
    "negative": Sentiment("negative", 1.0, 0.0, 0.0),
    "neutral": Sentiment("neutral", 0.05, 0.9, 0.05),
    "positive": Sentiment("positive", 0.04, 0.06, 0.9),
}
EARLY = DetectorSettings(DetectionSettings(warm_up_days=5, share_minimum=50))
DAYS = 14  # of ordinary history
NOON = 24 * DAYS + 12.0  # of the day after, in hours


def words(name: str) -> str:
    """A text of its own for every name."""
    digest = hashlib.sha256(name.encode()).hexdigest()
    return " ".join(f"w{digest[i : i + 5]}" for i in range(0, 60, 5))


def document(
    name: str,
    hours: float,
    label: SentimentLabel = "neutral",
    *,
    text: str | None = None,
    author: str | None = None,
    source: str = "twitter",
    kind: Kind = "social",
    topic: TopicLabel = "earnings",
    late: bool = False,
    versions: Versions = VERSIONS,
) -> DocumentSummary:
    """The document `source/name`, published `hours` after START, by an author of its own unless one is given."""
    excerpt = words(name) if text is None else text
    return DocumentSummary(
        identity=f"{source}/{name}",
        source=source,
        kind=kind,
        published_at=START + timedelta(hours=hours),
        sentiment=SENTIMENTS[label],
        topic=Topic(topic, 0.9),
        excerpt=excerpt,
        signature=signature_of(excerpt),
        author=author or f"author of {name}",
        reach=300,
        repost_of=None,
        url=None,
        language="en",
        late=late,
        versions=versions,
    )


def mention(document: DocumentSummary, company: str = "ACME", companies: int = 1) -> Mention:
    """One company in a document."""
    return Mention(company, "Technology", "America/New_York", companies, document)


def wide(document: DocumentSummary, companies: tuple[str, ...] = ("ACME",)) -> WideRecord:
    """The document for the wide series."""
    return WideRecord(companies, ("Technology",), document)


def history(days: int, company: str = "ACME", daily: int = 10, negatives: int = 1) -> list[Mention]:
    """Ordinary days: `daily` stories spread over each day, the first `negatives` of them negative."""
    return [
        mention(
            document(
                f"{company}-{day}-{i}",
                24 * day + 24 * (i * 7 % daily + 0.5) / daily,
                "negative" if i < negatives else "neutral",
                topic="earnings" if i % 2 else "dividend",
            ),
            company,
        )
        for day in range(days)
        for i in range(daily)
    ]


class Partition:
    """A detector with its clock, and all that came of it."""

    def __init__(self, settings: DetectorSettings = EARLY) -> None:
        self.settings = settings
        self.detector = Detector(settings)
        self.clock = Clock(frozenset({""}))
        self.alerts: list[Alert] = []
        self.points: list[SeriesPoint] = []
        self.changed: set[str] = set()

    def apply(self, *events: Mention | WideRecord | Unlabelled | Tick) -> list[Alert]:
        """Apply events as they are; the alerts they raised."""
        raised: list[Alert] = []
        for event in events:
            if isinstance(event, Tick):
                self.clock = self.clock.advance(event.origin, event.at, event.silent_until)
            outcomes = self.detector.apply(event, self.clock)
            raised += outcomes.alerts
            self.points += outcomes.points
            self.changed |= outcomes.changed
        self.alerts += raised
        return raised

    def tick(self, hours: float) -> list[Alert]:
        """Let time pass until `hours` after START."""
        return self.apply(Tick(START + timedelta(hours=hours)))

    def feed(self, records: Iterable[Mention | WideRecord]) -> list[Alert]:
        """Apply records in order of time, with a tick before each that says so."""
        raised: list[Alert] = []
        for record in sorted(records, key=lambda r: (r.document.published_at, r.document.identity)):
            raised += self.apply(Tick(record.document.published_at))
            raised += self.apply(record)
        return raised

    def state(self) -> dict[str, bytes]:
        """All pieces."""
        return {key: content for key, content in self.detector.pieces() if content is not None}

    def restored(self) -> "Partition":
        """Another partition that goes on from this one's serialised state."""
        other = Partition(self.settings)
        other.detector = Detector.restore(self.settings, self.state())
        other.clock = self.clock
        return other

    def final_points(self) -> dict[tuple[str, datetime], SeriesPoint]:
        """The latest revision of every bucket that holds anything, without its revision number."""
        last: dict[tuple[str, datetime], SeriesPoint] = {}
        for point in self.points:
            before = last.get((point.series, point.start))
            assert before is None or point.revision > before.revision
            last[point.series, point.start] = point
        return {key: replace(p, revision=0) for key, p in last.items() if p.negative + p.neutral + p.positive}


def burst(number: int, hours: float, within: float = 2.0, label: SentimentLabel = "negative") -> list[Mention]:
    """`number` stories by as many authors, evenly over `within` hours from `hours` after START."""
    return [mention(document(f"burst-{hours}-{i}", hours + within * i / number, label)) for i in range(number)]


def counts(points: Iterable[SeriesPoint]) -> list[tuple[int, int, int, int, int]]:
    """What points count."""
    return [(p.negative, p.neutral, p.positive, p.stories, p.novel_negative) for p in points]


def events_of(alerts: Sequence[Alert], kind: str = "sentiment") -> list[str]:
    """The life of the incidents of a kind, of companies only."""
    return [alert.event for alert in alerts if alert.kind == kind and alert.series_kind == "company"]
