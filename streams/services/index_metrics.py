"""What index shows of itself."""

from collections.abc import Iterable
from time import time
from typing import Final

from kafka import TopicPartition
from prometheus_client import CollectorRegistry, Counter, Histogram

from streams.services import metrics
from streams.services.index_batch import Entry
from streams.services.resilience import Breaker

_SECONDS: Final = (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 300, 1800)
_SIZES: Final = (1, 4, 16, 64, 128, 256, 512, 1024, 2048, 4096, 10_000)


class IndexMetrics:
    """The metrics of one worker."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._records = Counter(
            "tocsin_indexed", "Records by what became of them in the index", ["kind", "outcome"], registry=registry
        )
        self._dead = metrics.dead_letters(registry)
        self._batch = Histogram("tocsin_batch_records", "Records handled together", buckets=_SIZES, registry=registry)
        self._index_lag = Histogram(
            "tocsin_index_lag_seconds",
            "From when a record was appended to its topic to its acknowledgement by the index",
            ["kind"],
            buckets=_SECONDS,
            registry=registry,
        )
        self._latency = metrics.latency(registry).labels("index")
        self._lag = metrics.lag(registry)
        self._breaker = metrics.breaker(registry)

    def done(self, entries: Iterable[Entry]) -> None:
        """These are written, were there already or are refused, and acknowledged."""
        now = 1000 * time()
        count = 0
        for entry in entries:
            count += 1
            self._records.labels(entry.kind, entry.result.outcome).inc()
            if entry.result.outcome != "refused":
                self._index_lag.labels(entry.kind).observe(max(0.0, now - entry.record.timestamp) / 1000)
                if (received := entry.received) is not None:
                    self._latency.observe(max(0.0, now - received) / 1000)
        self._batch.observe(count)

    def dead(self, reason: str) -> None:
        """A record was refused, and its dead letter acknowledged."""
        self._dead.labels("index", reason).inc()

    def lag(self, place: TopicPartition, records: int) -> None:
        """So many records wait."""
        self._lag.labels(place.topic, str(place.partition)).set(records)

    def forget(self) -> None:
        """Other workers may have the partitions now."""
        self._lag.clear()

    def breaker(self, breaker: Breaker) -> None:
        """Its state now."""
        self._breaker.labels("elasticsearch").state(breaker.state)
