"""`tocsin run detect`: mentions and wide records to alerts and series, exactly once.

One consumer group over both logs; each of their partitions is in the hands of one worker at a time, with a transactional
id of its own that fences whoever had it before. Any doubt ends the process: the next start reads what is true.
"""

import gc
import time
from collections.abc import Iterable
from threading import Event
from typing import Any, Final

from kafka import ConsumerRebalanceListener, KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from processors.errors import RetryableError
from streams import kafka_clients
from streams.partition_detector import Place
from streams.services.dealer import Dealer
from streams.services.detect_metrics import DetectMetrics
from streams.services.detect_partition import OwnedPartition
from streams.services.detect_takeover import readers, take_over
from streams.services.detect_watchdog import Watchdog
from streams.services.monitor import Monitor
from streams.services.standstill import Standstill
from streams.settings import Settings
from streams.topics import Topics
from streams.topics_admin import check_topics

_POLL_MS: Final = 200
_FETCH_BYTES: Final = 64 * 1024
_FETCH_WAIT_MS: Final = 100
"""The broker holds an answer until there is so much, or for so long: few records come in few transactions."""

_IDLE_SECONDS: Final = 10.0
"""Without a record for this long, the broker is asked whether there really is none."""

_ALLOCATIONS: Final = 20_000
"""Between two collections of young garbage; most of what a record leaves behind is freed at once anyway."""


def run(settings: Settings, monitor: Monitor, stop: Event) -> None:
    """Detect until `stop` is set; see `runner.Service`."""
    check_topics(settings)
    gc.set_threshold(_ALLOCATIONS, 20, 20)
    watchdog = Watchdog(settings.detect.watchdog)
    watchdog.start()
    try:
        Worker(settings, monitor, watchdog).run(stop)
    except KafkaError as error:
        raise RetryableError(
            f"Kafka: {kafka_clients.named(error)}; nothing is certain of the transaction in hand: "
            "the next start reads what became of it"
        ) from error
    finally:
        watchdog.stop()


class Worker:
    """One member of the group, and the partitions that it has."""

    def __init__(self, settings: Settings, monitor: Monitor, watchdog: Watchdog) -> None:
        self._settings = settings
        self._progress = monitor.progress
        self._watchdog = watchdog
        self._metrics = DetectMetrics(monitor.registry)
        self._places = {TopicPartition(place.topic, place.partition): place for place in places(settings)}
        self._owned: dict[TopicPartition, OwnedPartition] = {}
        self._assignments = _Assignments()
        self._standstill = Standstill()
        self._latest = time.monotonic()

    def run(self, stop: Event) -> None:
        """Poll, apply, commit; leave the group at the end."""
        detect = self._settings.detect
        consumer = kafka_clients.consumer(
            self._settings.kafka,
            group=Topics(self._settings.kafka).group("detect"),
            session_timeout_ms=int(detect.session * 1000),
            heartbeat_interval_ms=int(detect.session * 1000 / 3),
            partition_assignment_strategy=(Dealer(self._places),),
            fetch_min_bytes=_FETCH_BYTES,
            fetch_max_wait_ms=_FETCH_WAIT_MS,
            metrics_enabled=False,
        )
        consumer.subscribe(sorted({place.topic for place in self._places.values()}), listener=self._assignments)
        while not stop.is_set():
            polled = consumer.poll(timeout_ms=_POLL_MS, max_records=detect.batch_size)
            self._watchdog.beat()
            if self._assignments.changed:
                self._exchange(consumer, stop)  # and this poll's records are thrown away: they were asked for too early
            elif polled:
                self._apply(consumer, polled)
            elif time.monotonic() - self._latest > _IDLE_SECONDS:
                self._ask(consumer)
            else:
                self._progress.made()
            self._save()
        self._release()
        consumer.close(autocommit=False, timeout_ms=5_000)

    def _apply(self, consumer: KafkaConsumer, polled: dict[TopicPartition, list[Any]]) -> None:
        for partition, records in polled.items():
            owned = self._owned[partition]
            for done in owned.transact(records):
                self._watchdog.beat()
                self._metrics.committed(owned.place, done)
            end = consumer.highwater(partition)
            self._metrics.show(owned.detector, None if end is None else end - owned.offset)
        self._got_on()

    def _save(self) -> None:
        """Save the state of one partition whose turn it is; of one only, so that none waits for all the others."""
        detect = self._settings.detect
        for owned in self._owned.values():
            if owned.is_due(detect.save_interval, detect.save_records):
                self._metrics.saved(owned.save())
                self._watchdog.beat()
                return

    def _exchange(self, consumer: KafkaConsumer, stop: Event) -> None:
        """Let go of every partition, and take over those that are assigned now."""
        self._release()
        assigned = self._assignments.take()
        with readers(self._settings) as reading:
            for partition in sorted(assigned):
                if stop.is_set() or self._assignments.changed:
                    return
                place = self._places[partition]
                self._progress.waits_for(f"the state of {place}")
                started = time.monotonic()
                owned = take_over(place, self._settings, consumer, reading, self._watchdog.beat)
                self._owned[partition] = owned
                self._metrics.show(owned.detector, None)
                self._metrics.restore.labels(str(place)).set(time.monotonic() - started)
        gc.collect()
        gc.freeze()  # the state lives long: no need to look through it again and again
        self._got_on()

    def _release(self) -> None:
        for owned in self._owned.values():
            saved = owned.give_up()
            self._watchdog.beat()
            if saved is not None:
                self._metrics.saved(saved)
            self._metrics.forget(owned.detector)
        self._owned.clear()
        gc.unfreeze()

    def _ask(self, consumer: KafkaConsumer) -> None:
        """Whether nothing comes because there is nothing, or because no broker answers."""
        try:
            ends = consumer.end_offsets(list(self._places), timeout_ms=_POLL_MS * 10)
            positions = kafka_clients.positions(consumer, consumer.assignment(), _POLL_MS * 10)  # revoked ones too
        except KafkaError:
            self._progress.waits_for(f"Kafka at {', '.join(self._settings.kafka.servers)}")
            return
        for partition, owned in self._owned.items():
            self._metrics.show(owned.detector, ends[partition] - owned.offset)
        if self._standstill.look(time.monotonic(), positions, ends, joining=kafka_clients.is_joining(consumer)):
            self._got_on()

    def _got_on(self) -> None:
        self._latest = time.monotonic()
        self._progress.made()


class _Assignments(ConsumerRebalanceListener):  # type: ignore[misc]
    """Remembers what the group decided; nothing is done inside of `poll`, which heartbeats depend on."""

    def __init__(self) -> None:
        self.changed = False
        self._assigned: frozenset[TopicPartition] = frozenset()

    def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """The worker has nothing from here on, until it is assigned something."""
        self._assign(())

    def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """The worker has these, and no others."""
        self._assign(assigned)

    def take(self) -> frozenset[TopicPartition]:
        """What is assigned now; asked after `changed` was seen."""
        self.changed = False
        return self._assigned

    def _assign(self, partitions: Iterable[TopicPartition]) -> None:
        self._assigned = frozenset(partitions)
        self.changed = True  # last: calls come from another thread


def places(settings: Settings) -> list[Place]:
    """Every partition of the log that is detected on."""
    topics = Topics(settings.kafka)
    mentions = topics.name("mentions")
    return [
        *(Place("mentions", partition, mentions) for partition in range(settings.kafka.mention_partitions)),
        Place("wide", 0, topics.name("wide")),
    ]
