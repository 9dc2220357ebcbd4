"""What enrich shows of itself to Prometheus."""

from collections.abc import Iterable
from time import time
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info

from processors.enrichment import ModelIdentity, Prepared
from streams.services import metrics
from streams.services.enrich_intake import Place
from streams.services.enrich_records import Reading, Written
from streams.services.resilience import Breaker

_DOCUMENTS: Final = (1, 4, 16, 64, 128, 256, 512, 1024, 2048, 4096)


class EnrichMetrics:
    """The metrics of one worker."""

    def __init__(self, registry: CollectorRegistry, models: Iterable[ModelIdentity]) -> None:
        self._documents = Counter("tocsin_documents", "Input documents by outcome", ["outcome"], registry=registry)
        self._dead = metrics.dead_letters(registry)
        self._batch = Histogram(
            "tocsin_batch_records", "Input records handled together", buckets=_DOCUMENTS, registry=registry
        )
        self._latency = metrics.latency(registry).labels("enrich")
        self._lag = metrics.lag(registry)
        self._holes = Counter(
            "tocsin_log_holes", "Offsets of input partitions that the log does not have", registry=registry
        )
        silence = Gauge(
            "tocsin_seconds_since_document", "Since the latest document of a source came", ["source"], registry=registry
        )
        self._silence = metrics.Silence(silence)
        self._breaker = metrics.breaker(registry)
        info = Info("tocsin_model", "The models that label", ["languages"], registry=registry)
        for model in models:
            stated = {"name": model.name, "version": model.version, "hash": model.hash}
            info.labels(" ".join(sorted(model.languages))).info(stated)

    def batch(self, documents: Iterable[tuple[Reading, Written]], records: int) -> None:
        """A batch of so many records is acknowledged, these documents and refused records among them."""
        now = time()
        self._batch.observe(records)
        for reading, written in documents:
            self._documents.labels(written.outcome).inc()
            self._latency.observe(max(0.0, now - reading.received / 1000))
            if written.outcome == "refused":
                self._dead.labels("enrich", written.reason).inc()
            if isinstance(reading.found, Prepared):
                self._silence.hear(reading.found.document.source, reading.received / 1000)

    def hole(self, place: Place, offsets: int) -> None:
        """The log has not so many offsets in a row."""
        self._holes.inc(offsets)

    def lag(self, place: Place, records: int) -> None:
        """So many records wait."""
        self._lag.labels(place[0], str(place[1])).set(records)

    def forget(self, place: Place) -> None:
        """The partition is another worker's now."""
        self._lag.remove(place[0], str(place[1]))

    def breaker(self, dependency: str, breaker: Breaker) -> None:
        """The breaker's state now."""
        self._breaker.labels(dependency).state(breaker.state)
