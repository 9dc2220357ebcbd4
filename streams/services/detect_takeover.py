"""Taking a partition over from whoever had it: fence, read what is true, judge, save it as one's own, go on from there.

The order of the steps is what makes it exact. After the fence nobody else can commit for the partition any more, so that
what is read afterwards is final; the end of the state is asked before the state is read, so that all of it is. The state
is saved before anything is published: settings that were adopted are on record from the first record on that they judge.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from kafka import KafkaConsumer, TopicPartition

from streams import kafka_clients
from streams.log_reader import backwards, bounds, header_of, read_range
from streams.partition_detector import LogRecord, Place
from streams.services.detect_partition import CAUSE_HEADER, OwnedPartition, log_record
from streams.services.detect_start import Found, start
from streams.services.detect_transactions import Transactions
from streams.settings import Settings
from streams.topics import Topics

_BATCH: Final = 5_000
_FETCH_BYTES: Final = 16 * 1024 * 1024
Beat = Callable[[], None]
"""Told that something got on."""


@dataclass(frozen=True, slots=True)
class Readers:
    """Two consumers outside of the group: of what is committed, and of where logs really end."""

    committed: KafkaConsumer
    ends: KafkaConsumer

    def close(self) -> None:
        """Let both go."""
        self.committed.close()
        self.ends.close()


@contextmanager
def readers(settings: Settings) -> Iterator[Readers]:
    """Readers for one round of taking over."""
    kafka = settings.kafka
    committed = kafka_clients.consumer(
        kafka, max_poll_records=_BATCH, max_partition_fetch_bytes=_FETCH_BYTES, metrics_enabled=False
    )
    both = Readers(committed, kafka_clients.consumer(kafka, isolation="read_uncommitted", metrics_enabled=False))
    try:
        yield both
    finally:
        both.close()


def take_over(
    place: Place, settings: Settings, consumer: KafkaConsumer, reading: Readers, beat: Beat
) -> OwnedPartition:
    """Make this process the only one that can commit for `place`, and go on where the former owner stood.

    `consumer`, of the group, is set to the first record to apply. Raises ConfigurationError where the state is not
    sound (see `detect_start`).
    """
    topics = Topics(settings.kafka)
    log = TopicPartition(place.topic, place.partition)
    output = topics.wide_output if place.log == "wide" else place.partition
    state = TopicPartition(topics.name("state"), output)

    # 1. Fence: whatever the former owner had open is resolved, and it can commit nothing more.
    transactional_id = f"{topics.group('detect')}-{place.log}-{place.partition}"
    transactions = Transactions(settings.kafka, transactional_id)
    beat()
    # 2. What the group has committed, and what the log holds.
    committed = consumer.committed(log)
    log_start, log_end = bounds(reading.ends, log)
    # 3. Where the state ends: markers of transactions included, hence as a reader of what is not committed.
    _, end = bounds(reading.ends, state)
    # 4. The state up to there, the last of each key.
    pieces: dict[str, bytes] = {}
    for record in read_range(reading.committed, state, 0, end):
        beat()
        key = record.key.decode("utf-8", "surrogatepass")
        if record.value is None:
            pieces.pop(key, None)
        else:
            pieces[key] = record.value
    # 5. Judge it, restore it, apply again what was published after it was saved.
    published = [last_cause(TopicPartition(topics.name(name), output), reading) for name in ("alerts", "series")]
    found = Found(
        log_start=log_start,
        log_end=log_end,
        committed=committed,
        published=max((cause + 1 for cause in published if cause is not None), default=None),
        pieces=pieces,
    )

    def read(first: int, last: int) -> Iterator[LogRecord]:
        for record in read_range(reading.committed, log, first, last):
            beat()
            yield log_record(record)

    begun = start(
        place,
        found,
        settings.detector,
        topics.origins,
        read,
        adopt=settings.detect.adopt_settings,
        rebuild=settings.detect.rebuild,
        beat=beat,
    )
    beat()
    # 6. What is not sound goes; what was restored, or begun, is the state from here on.
    owned = OwnedPartition(begun.detector, transactions, topics, output, beat)
    owned.delete(begun.stale)
    owned.save()
    # 7. Go on at the first record of which nothing is published.
    consumer.seek(log, owned.offset)
    return owned


def last_cause(partition: TopicPartition, reading: Readers) -> int | None:
    """The offset of the input record that the last record of a topic of results came of; None where there is none."""
    for record in backwards(reading.committed, partition):
        cause = header_of(record, CAUSE_HEADER)
        if cause is not None:
            return int(cause)
    return None
