"""What detect shows of itself."""

import time
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from streams.partition_detector import PartitionDetector, Place
from streams.services import metrics
from streams.services.detect_partition import Committed, Saved

_SECONDS: Final = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)
_WAITS: Final = (0.05, 0.1, 0.25, 0.5, 1, 2, 3, 5, 10, 30, 60, 300, 3600)
_SIZES: Final = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)


class DetectMetrics:
    """Counters and gauges of one detect worker."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.records = Counter(
            "tocsin_detect_records",
            "Records of the log by what became of them; what is held counts once more when it is released, or applied early",
            ["log", "outcome"],
            registry=registry,
        )
        self.dead_letters = metrics.dead_letters(registry)
        self.alerts = Counter(
            "tocsin_alerts", "Alerts by kind, event and tier", ["kind", "event", "tier"], registry=registry
        )
        self.points = Counter("tocsin_series_points", "Closed buckets published", registry=registry)
        self.transaction = Histogram(
            "tocsin_transaction_seconds",
            "Time of a transaction, applying included",
            buckets=_SECONDS,
            registry=registry,
        )
        self.batch = Histogram("tocsin_batch_records", "Records in a transaction", buckets=_SIZES, registry=registry)
        self.save = Histogram(
            "tocsin_save_seconds", "Time of saving a partition's state", buckets=_SECONDS, registry=registry
        )
        self.state_bytes = Counter("tocsin_state_bytes", "Bytes of state written, keys left aside", registry=registry)
        self.wait = Histogram(
            "tocsin_alert_seconds",
            "From when the document that rang reached a stage to its alert",
            ["since"],
            buckets=_WAITS,
            registry=registry,
        )
        self.lag = Gauge("tocsin_lag_records", "Records that wait to be applied", ["partition"], registry=registry)
        self.held = Gauge(
            "tocsin_held_records", "Records that wait until the clock gets there", ["partition"], registry=registry
        )
        self.restore = Gauge(
            "tocsin_restore_seconds",
            "How long the latest taking over of a partition took",
            ["partition"],
            registry=registry,
        )
        self.series = Gauge("tocsin_series", "Series that are watched", ["partition"], registry=registry)
        self.warm = Gauge(
            "tocsin_warm_from_timestamp_seconds",
            "Before when nothing rings for want of history; 0 where there is enough, or no tick yet",
            ["partition"],
            registry=registry,
        )
        self.former = Gauge(
            "tocsin_state_former_pieces",
            "Pieces of state in the former release's form, which the next one will not read",
            ["partition"],
            registry=registry,
        )
        self.open = Gauge("tocsin_open_incidents", "Open incidents", ["partition", "kind"], registry=registry)
        self.missing = Gauge(
            "tocsin_log_missing_records", "Records missing from the log (holes), ever", ["partition"], registry=registry
        )
        silence = Gauge(
            "tocsin_source_silence_seconds",
            "Seconds since a document of the source was applied",
            ["source"],
            registry=registry,
        )
        self.silence = metrics.Silence(silence)

    def committed(self, place: Place, done: Committed) -> None:
        """Count one transaction."""
        for outcome, count in done.outcomes.items():
            self.records.labels(place.log, outcome).inc(count)
        for reason, count in done.reasons.items():
            self.dead_letters.labels("detect", reason).inc(count)
        for alert in done.alerts:
            self.alerts.labels(alert.kind, alert.event, alert.tier).inc()
        for stage, milliseconds in done.waited:
            self.wait.labels(stage).observe(milliseconds / 1000)
        for source in done.sources:
            self.silence.hear(source, time.time())
        self.points.inc(done.points)
        self.transaction.observe(done.seconds)
        self.batch.observe(done.records)

    def saved(self, saved: Saved) -> None:
        """Count one saving of the state."""
        self.save.observe(saved.seconds)
        self.state_bytes.inc(saved.size)

    def show(self, detector: PartitionDetector, lag: int | None) -> None:
        """Show how a partition stands; `lag` is None where it is not known yet."""
        place = str(detector.place)
        if lag is not None:
            self.lag.labels(place).set(lag)
        self.held.labels(place).set(detector.waiting)
        self.series.labels(place).set(detector.series)
        self.missing.labels(place).set(detector.missing)
        self.former.labels(place).set(detector.former)
        warm = detector.detector.warm_from
        self.warm.labels(place).set(warm.timestamp() if warm else 0)
        for kind, count in detector.open_incidents.items():
            self.open.labels(place, kind).set(count)

    def forget(self, detector: PartitionDetector) -> None:
        """Show nothing more of a partition that another worker has."""
        place = str(detector.place)
        for gauge in (self.lag, self.held, self.restore, self.series, self.missing, self.warm, self.former):
            gauge.remove(place)
        for kind in detector.open_incidents:
            self.open.remove(place, kind)
