"""`tocsin run clock`: time passes even when nobody writes, and a canary shows that the bell works.

Ticks are aligned to their interval, so that two clocks on one prefix say the same; each clock only goes forward, and
never behind what stands in the log already. A round of ticks is acknowledged before the next is written: what waited for
Kafka is dropped, not sent late.
"""

import logging
import threading
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Final, Self

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from prometheus_client import CollectorRegistry, Counter, Gauge

from processors.clock import bucket_start
from processors.errors import ConfigurationError, PoisonError, RetryableError
from processors.identity import format_instant, partition_of
from processors.messages import Canary, Tick
from streams.codec import decode, encode
from streams.feed_lease import feed_runs
from streams.kafka_clients import broker_errors, consumer, lone_consumer, producer
from streams.log_reader import backwards, bounds, partitions_of, tick_of
from streams.services.clock_canary import MISSED, CanaryWatch
from streams.services.monitor import Monitor
from streams.services.resilience import waits
from streams.settings import Settings
from streams.topics import TICK, TYPE_HEADER, Topics
from streams.topics_admin import check_topics

ROUND_SECONDS: Final = 10.0
"""Longest wait until the ticks of one round are acknowledged."""

LOOK_SECONDS: Final = 1.0
"""Between two looks at whether a canary is due or came back: an interval of canaries may be shorter than that of ticks."""

AHEAD: Final = timedelta(minutes=1)
"""A log whose time is further ahead than this is no matter of two computers' clocks."""

_LOOK_BACK: Final = 20
"""Records looked at for the latest canary that came back before the start, transaction markers among them."""

log = logging.getLogger(__name__)


class ClockMetrics:
    """What the clock shows of itself."""

    def __init__(self, registry: CollectorRegistry, watch: CanaryWatch | None) -> None:
        self.ticks = Counter("tocsin_ticks", "Ticks acknowledged, over all partitions", registry=registry)
        self.tick = Gauge("tocsin_tick_timestamp_seconds", "The instant that was last ticked", registry=registry)
        if watch is None:
            return
        seconds = Gauge("tocsin_canary_seconds", "Age of the latest canary that came back", registry=registry)
        seconds.set_function(lambda: watch.seconds(_now()))
        self.round_trip = Gauge(
            "tocsin_canary_round_trip_seconds", "How long the latest canary was under way", registry=registry
        )
        self.round_trip.set_function(lambda: float("nan") if watch.round_trip is None else watch.round_trip)


def run(settings: Settings, monitor: Monitor, stop: threading.Event) -> None:
    """Tick until `stop` is set. Raises ConfigurationError where the topics are not, or no longer, as they should be, or where
    the log's time lies in the future. While Kafka is away the clock is not ready, and goes on when it is back."""
    interval = timedelta(seconds=settings.clock.canary_seconds)
    watch = CanaryWatch(interval, _now()) if interval else None
    metrics = ClockMetrics(monitor.registry, watch)
    pauses = waits(settings.services)
    while not stop.is_set():
        try:
            check_topics(settings)  # again after each failure: what does not answer may be a topic that is gone
            with broker_errors(settings.kafka, "ticking"), _Clock(settings, metrics, watch) as clock:
                pauses = waits(settings.services)
                clock.tick_until(stop, monitor)
        except RetryableError as error:
            monitor.progress.waits_for("Kafka")
            log.warning("%s", error)
            stop.wait(next(pauses))


class _Clock:
    """One connection to Kafka, for as long as it works."""

    def __init__(self, settings: Settings, metrics: ClockMetrics, watch: CanaryWatch | None) -> None:
        self._topics = Topics(settings.kafka)
        self._every = timedelta(seconds=settings.clock.tick_seconds)
        self._metrics = metrics
        self._watch = watch
        self._places = list(chain.from_iterable(partitions_of(*topic) for topic in self._topics.inputs.values()))
        self._latest = self._latest_tick(settings)
        self._producer: KafkaProducer = producer(settings.kafka, delivery_timeout_ms=9_000, request_timeout_ms=4_000)
        self._returns = _returns(settings, self._topics) if watch else None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._producer.close(timeout=0)
        if self._returns:
            self._returns.close()

    def tick_until(self, stop: threading.Event, monitor: Monitor) -> None:
        """Tick, send canaries, and see which come back."""
        while not stop.is_set():
            now = _now()
            at = bucket_start(now, self._every)
            if self._latest is None or at > self._latest:
                self._tick(at)
            if self._watch:
                self._send_canary(self._watch, now)
                self._see_canaries(self._watch)
            if self._watch and self._watch.missing(_now()):
                monitor.progress.stuck(f"a canary: none came back for {MISSED} intervals")
            else:
                monitor.progress.made()
            stop.wait(min(max(0.0, (at + self._every - _now()).total_seconds()), LOOK_SECONDS))

    def _tick(self, at: datetime) -> None:
        value = encode(Tick(at))
        sent = [
            self._producer.send(place.topic, value, headers=[(TYPE_HEADER, TICK)], partition=place.partition)
            for place in self._places
        ]
        for future in sent:
            future.get(timeout=ROUND_SECONDS)
        self._latest = at
        self._metrics.ticks.inc(len(sent))
        self._metrics.tick.set(at.timestamp())

    def _send_canary(self, watch: CanaryWatch, now: datetime) -> None:
        document = watch.due(now)
        if document is None:
            return
        name, count = self._topics.inputs[document.kind]
        key = document.identity
        sent = self._producer.send(name, encode(document), key=key.encode(), partition=partition_of(key, count))
        sent.get(timeout=ROUND_SECONDS)
        watch.sent = document.id

    def _see_canaries(self, watch: CanaryWatch) -> None:
        if self._returns is None:
            return
        for records in self._returns.poll(timeout_ms=100).values():
            for record in records:
                try:
                    canary = decode(Canary, record.value or b"")
                except PoisonError as error:
                    log.warning("%s, offset %d is no canary: %s", record.topic, record.offset, error)
                    continue
                watch.returned(canary, datetime.fromtimestamp(record.timestamp / 1000, UTC))

    def _latest_tick(self, settings: Settings) -> datetime | None:
        """The latest tick in the log. Raises ConfigurationError where another clock than time's own runs there."""
        if feed_runs(settings):
            raise ConfigurationError(
                f"a feed is writing history to the prefix {settings.kafka.prefix} and is its clock: wait until it is done, or "
                "use another kafka.prefix"
            )
        latest: datetime | None = None
        with lone_consumer(settings.kafka, fetch_max_wait_ms=50, isolation="read_uncommitted") as reader:
            for place in self._places:
                found = next((tick for record in backwards(reader, place) if (tick := tick_of(record))), None)
                if found is None:
                    continue
                latest = found.at if latest is None else max(latest, found.at)
        if latest and latest > _now() + AHEAD:
            raise ConfigurationError(
                f"time on the prefix {settings.kafka.prefix} has already reached {format_instant(latest)}: set this "
                "computer's clock, or use another kafka.prefix"
            )
        return latest


def _returns(settings: Settings, topics: Topics) -> KafkaConsumer:
    """A consumer of the canaries that came back, the latest before now included."""
    reader = consumer(settings.kafka, metrics_enabled=False, fetch_max_wait_ms=100)
    place = TopicPartition(topics.name("canary"), 0)
    begin, end = bounds(reader, place)
    reader.assign([place])
    reader.seek(place, max(begin, end - _LOOK_BACK))
    return reader


def _now() -> datetime:
    return datetime.now(UTC)
