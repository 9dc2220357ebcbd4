"""`tocsin run index`: documents, series, alerts and dead letters into Elasticsearch.

At least once: a record is acknowledged to Kafka when Elasticsearch has acknowledged it, and writing again changes
nothing. While Elasticsearch is away one batch is kept and the partitions rest, but the worker stays in its group.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from threading import Event
from time import monotonic
from typing import Any, Final

from kafka import ConsumerRebalanceListener, KafkaConsumer, KafkaProducer, OffsetAndMetadata, TopicPartition
from kafka.errors import (
    CommitFailedError,
    IllegalGenerationError,
    KafkaError,
    RebalanceInProgressError,
    UnknownMemberIdError,
)

from processors.errors import RetryableError
from streams import kafka_clients
from streams.codec import encode
from streams.elastic_bulk import Limits, Result
from streams.elastic_client import connect
from streams.elastic_indices import IndexKind, Indices, install
from streams.elastic_writes import Writer
from streams.log_reader import partitions_of
from streams.services.dealer import Dealer
from streams.services.index_batch import MESSAGES, Entry, read, settle
from streams.services.index_metrics import IndexMetrics
from streams.services.monitor import Monitor
from streams.services.resilience import Breaker, waits
from streams.services.standstill import Standstill
from streams.settings import Settings
from streams.topics import Topics
from streams.topics_admin import check_topics

Polled = Mapping[TopicPartition, Sequence[Any]]
"""Records by partition, as the consumer gives them."""

_POLL_MS: Final = 200
_SESSION_MS: Final = 10_000
"""A worker that is silent for this long loses its partitions."""

_COMMIT_MS: Final = 60_000
_ACKNOWLEDGED_SECONDS: Final = 60.0
_LAG_SECONDS: Final = 5.0
"""Between two looks at the ends of the partitions."""

_NOT_OURS: Final = (CommitFailedError, RebalanceInProgressError, IllegalGenerationError, UnknownMemberIdError)

log = logging.getLogger("tocsin.index")


def run(settings: Settings, monitor: Monitor, stop: Event) -> None:
    """Index until `stop` is set; see `runner.Service`."""
    check_topics(settings)
    try:
        Worker(settings, monitor, stop).run()
    except KafkaError as error:
        raise RetryableError(
            f"Kafka: {kafka_clients.named(error)}; what was not acknowledged is read again at the next start"
        ) from error


class Worker:
    """One member of the group."""

    def __init__(self, settings: Settings, monitor: Monitor, stop: Event) -> None:
        self._settings = settings
        self._stop = stop
        self._progress = monitor.progress
        self._metrics = IndexMetrics(monitor.registry)
        self._indices = Indices(settings.elasticsearch)
        self._client = connect(settings.elasticsearch)
        self._writer = Writer(
            self._client, self._indices, Limits(settings.index.batch_size, settings.index.batch_bytes)
        )
        self._prepared = False
        self._breaker = Breaker()
        self._metrics.breaker(self._breaker)
        topics = Topics(settings.kafka)
        self._dead_letters = topics.name("deadletters")
        self._kinds: dict[str, IndexKind] = {topics.name(kind): kind for kind in MESSAGES}
        self._assignments = _Assignments()
        self._standstill = Standstill()
        places = [
            place
            for spec in topics.specs()
            if spec.name in self._kinds
            for place in partitions_of(spec.name, spec.partitions)
        ]
        self._consumer: KafkaConsumer = kafka_clients.consumer(
            settings.kafka,
            group=topics.group("index"),
            max_poll_records=settings.index.batch_size,
            fetch_max_bytes=settings.index.batch_bytes,
            session_timeout_ms=_SESSION_MS,
            heartbeat_interval_ms=_SESSION_MS // 3,
            partition_assignment_strategy=(Dealer(places),),
            metrics_enabled=False,
        )

    def run(self) -> None:
        """Poll and index; leave the group at the end."""
        with suppress(RetryableError):  # whatever is wrong with the settings is told now
            self._prepare()
        self._consumer.subscribe(sorted(self._kinds), listener=self._assignments)
        looked = monotonic()
        while not self._stop.is_set():
            polled = self._consumer.poll(timeout_ms=_POLL_MS)
            if self._assignments.take():
                self._metrics.forget()
            if polled:
                self._index(polled)
            if monotonic() - looked > _LAG_SECONDS:
                self._look()
                looked = monotonic()
        self._consumer.close(autocommit=False, timeout_ms=5_000)
        self._client.close()

    def _index(self, polled: Polled) -> None:
        """The commit path: in this order nothing is lost, and what is done twice changes nothing."""
        # 1. Write, until every record is written, was there already or is refused.
        entries = [self._read(record) for records in polled.values() for record in records]
        if not self._write(entries):
            self._give_back(polled)
            return
        # 2. Tell of what was refused, and have that acknowledged.
        self._tell(entries)
        # 3. Acknowledge all of it to Kafka.
        offsets = {place: OffsetAndMetadata(records[-1].offset + 1, "", -1) for place, records in polled.items()}
        try:
            self._consumer.commit(offsets, timeout_ms=_COMMIT_MS)
        except _NOT_OURS as error:
            log.info("partitions went to another worker, which reads the batch again: %s", error)
        self._metrics.done(entries)
        self._progress.made()

    def _read(self, record: Any) -> Entry:
        return read(self._kinds[record.topic], record, self._indices)

    def _write(self, entries: Sequence[Entry]) -> bool:
        """Whether all of `entries` are settled; not so when told to stop, or when partitions changed hands."""
        pending = [entry for entry in entries if entry.result.outcome == "retry"]
        seconds = waits(self._settings.services)
        while pending:
            before = len(pending)
            pending = settle(pending, self._try(pending))
            now = monotonic()
            if len(pending) < before:
                self._breaker.succeeded()
                seconds = waits(self._settings.services)
            elif pending and self._breaker.failed(now):
                log.warning("%s; what is read waits, and is written when it answers", pending[0].result.why)
            self._metrics.breaker(self._breaker)
            if pending and not self._rest(pending[0].result.why, max(next(seconds), self._breaker.wait(now))):
                return False
        return True

    def _try(self, pending: Sequence[Entry]) -> list[Result]:
        try:
            self._prepare()
            results = self._writer.write([entry.action for entry in pending if entry.action])
        except RetryableError as error:
            results = [Result("retry", str(error))] * len(pending)
        if any(result.outcome == "retry" for result in results):
            self._prepared = False  # what comes back may be another cluster, without our templates
        return results

    def _prepare(self) -> None:
        if not self._prepared:
            install(self._client, self._indices)
            self._prepared = True

    def _rest(self, why: str, seconds: float) -> bool:
        """Wait as a member of the group that reads nothing; whether the batch in hand is still ours afterwards."""
        log.info("waiting %.1f s: %s", seconds, why)
        self._progress.waits_for(why)
        consumer = self._consumer
        until = monotonic() + seconds
        consumer.pause(*consumer.assignment())
        try:
            while (left := until - monotonic()) > 0:
                strays = consumer.poll(timeout_ms=min(_POLL_MS, int(1000 * left) + 1))
                if strays:  # of partitions that came while we waited
                    self._give_back(strays)
                if self._stop.is_set() or self._assignments.changed:
                    return False
        finally:
            consumer.resume(*consumer.paused())
        return True

    def _give_back(self, polled: Polled) -> None:
        """Read these again, as far as the partitions are still ours."""
        ours = self._consumer.assignment()
        for place, records in polled.items():
            if place in ours:
                self._consumer.seek(place, records[0].offset)

    def _tell(self, entries: Sequence[Entry]) -> None:
        sent = []
        for entry in _refused(entries):
            letter = entry.letter()
            if letter is None:
                record = entry.record
                log.error("%s/%d/%d is not indexed: %s", record.topic, record.partition, record.offset, entry.error)
                continue
            sent.append(
                (self._producer.send(self._dead_letters, encode(letter), letter.id.encode(), partition=0), letter)
            )
        for future, letter in sent:
            future.get(timeout=_ACKNOWLEDGED_SECONDS)
            self._metrics.dead(letter.reason)

    @cached_property
    def _producer(self) -> KafkaProducer:
        return kafka_clients.producer(self._settings.kafka)

    def _look(self) -> None:
        """How much waits; and whether nothing comes because there is nothing, or because no broker answers."""
        places = list(self._consumer.assignment())
        try:
            ends = self._consumer.end_offsets(places, timeout_ms=10 * _POLL_MS) if places else {}
            positions = kafka_clients.positions(self._consumer, ends, 10 * _POLL_MS)
        except KafkaError:
            self._progress.waits_for(f"Kafka at {', '.join(self._settings.kafka.servers)}")
            return
        for place, end in ends.items():
            self._metrics.lag(place, end - positions[place])
        if self._standstill.look(monotonic(), positions, ends, joining=kafka_clients.is_joining(self._consumer)):
            self._progress.made()


class _Assignments(ConsumerRebalanceListener):  # type: ignore[misc]
    """Whether partitions came or went since the last time it was asked; set while the consumer polls."""

    def __init__(self) -> None:
        self.changed = False

    def take(self) -> bool:
        """Whether they did; asked again, no."""
        changed, self.changed = self.changed, False
        return changed

    def on_partitions_revoked(self, revoked: Sequence[TopicPartition]) -> None:
        """They may be another's from now on."""
        self.changed = True

    def on_partitions_assigned(self, assigned: Sequence[TopicPartition]) -> None:
        """They are read from where the group is."""
        self.changed = True


def _refused(entries: Sequence[Entry]) -> Iterator[Entry]:
    return (entry for entry in entries if entry.result.outcome == "refused")
