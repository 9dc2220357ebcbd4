"""What collect shows of itself to Prometheus. Sources are declared, so their names may be labels."""

from collections.abc import Iterable
from time import time
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from streams.collect.declared import Source
from streams.collect.look import Looked
from streams.services.metrics import Silence

_SECONDS: Final = (0.01, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)
_DELAYS: Final = (10, 60, 300, 900, 3600, 6 * 3600, 24 * 3600, 7 * 24 * 3600)


class CollectMetrics:
    """The metrics of one process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.leading = Gauge(
            "tocsin_collect_leading", "1 where this process collects, 0 where it stands by", registry=registry
        )
        self.under_way = Gauge(
            "tocsin_collect_under_way", "Records sent that Kafka has not acknowledged yet", registry=registry
        )
        self.held_back = Gauge(
            "tocsin_collect_held_back", "1 while so much waits for enrich that nothing is taken", registry=registry
        )
        self._looks = Counter(
            "tocsin_source_looks", "Looks at feeds and files by what they met", ["source", "outcome"], registry=registry
        )
        self._documents = Counter(
            "tocsin_source_documents",
            "What sources gave, by what became of it",
            ["source", "outcome"],
            registry=registry,
        )
        self._times = Counter(
            "tocsin_source_times", "Items sent, by where their time comes from", ["source", "origin"], registry=registry
        )
        self._fetch = Histogram(
            "tocsin_fetch_seconds", "How long a look at a feed took", buckets=_SECONDS, registry=registry
        )
        self._delay = Histogram(
            "tocsin_source_delay_seconds",
            "From the time that an item tells to Kafka's acknowledgement",
            ["source"],
            buckets=_DELAYS,
            registry=registry,
        )
        self._behind = Gauge(
            "tocsin_source_behind_bytes", "Bytes of a file that were not read yet", ["source"], registry=registry
        )
        self._pushed = Counter(
            "tocsin_pushed",
            "Pushed documents by what became of them, and requests put off",
            ["outcome"],
            registry=registry,
        )
        self._answer = Histogram(
            "tocsin_push_seconds", "How long a push took to be acknowledged", buckets=_SECONDS, registry=registry
        )
        silence = Gauge(
            "tocsin_source_seconds_since_document",
            "Since a source last gave something new, or since the start",
            ["source"],
            registry=registry,
        )
        unread = Gauge(
            "tocsin_source_seconds_since_read",
            "Since a feed was last read well, or since the start",
            ["source"],
            registry=registry,
        )
        self._silence = Silence(silence, most=None)
        self._unread = Silence(unread, most=None)

    def begin(self, sources: Iterable[Source]) -> None:
        """This process collects from now on; before, it has nothing to tell of sources."""
        self.leading.set(1)
        for source in sources:
            self._silence.hear(source.name, time())
            if source.way == "feed":
                self._unread.hear(source.name, time())

    def looked(self, source: Source, looked: Looked, seconds: float) -> None:
        """A look at a feed is over."""
        name = source.name
        self._fetch.observe(seconds)
        self._looks.labels(name, looked.outcome).inc()
        if looked.outcome in ("read", "broken", "unchanged"):
            self._unread.hear(name, time())
        for outcome in ("sent", "refused", "undated"):
            if count := getattr(looked, outcome):
                self._documents.labels(name, outcome).inc(count)
        for origin, count in looked.times.items():
            self._times.labels(name, origin).inc(count)
        for delay in looked.delays:
            self._delay.labels(name).observe(delay)
        if looked.sent:
            self._silence.hear(name, time())

    def read_lines(self, source: Source, sent: int, refused: int, behind: int) -> None:
        """Lines of a file are acknowledged."""
        self._looks.labels(source.name, "read").inc()
        self._behind.labels(source.name).set(behind)
        for outcome, count in (("sent", sent), ("refused", refused)):
            if count:
                self._documents.labels(source.name, outcome).inc(count)
        if sent:
            self._silence.hear(source.name, time())

    def stumbled(self, source: Source, outcome: str) -> None:
        """A look at a file met something."""
        self._looks.labels(source.name, outcome).inc()

    def pushed(self, outcome: str, source: str = "") -> None:
        """A pushed document was accepted, refused or known; or a request put off."""
        self._pushed.labels(outcome).inc()
        if outcome == "accepted":
            self._silence.hear(source, time())

    def answered(self, seconds: float) -> None:
        """A push was acknowledged, or given up."""
        self._answer.observe(seconds)
