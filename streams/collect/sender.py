"""What collect writes, and what it reads of it again when it begins: documents once, whatever ends the process.

The state stands in a compacted topic of one partition. It is written after the documents that it tells of, and what it
does not tell of yet is read back from the topics themselves, where each record of collect's carries its mark. In numbered
steps, of which any may be the last:

1. Claim the mark of a document, send the document, and hear that every replica has it (`Sender.deliver`).
2. Keep the mark, and with it how far the document's partition is known (`Ledger.acknowledged`).
3. Now and then write what changed of the state, then how far the partitions are known (`Sender.checkpoint`).
4. At the next start read the state, and then each partition on from there to its end (`restored`): marks that are found
   are kept as in step 2, others were never written and their documents are sent when their source is looked at again.

Input topics are written by an ordinary producer, since Faust reads them: transactions, which would make steps 1 and 3 one,
are out of the question. What one process had sent when it was killed has to have reached the log before the next begins to
read: the lease makes the next one wait for a session of six seconds. A process that was frozen for longer and wakes up ends
itself before it sends anything new; what it had handed to its client may then stand on a topic twice, and counts once.
"""

import threading
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final, Self

from kafka import KafkaProducer, TopicPartition

from processors.errors import ConfigurationError
from processors.identity import partition_of
from processors.messages import DeadLetter, Kind
from streams.codec import encode
from streams.collect.declared import Source
from streams.collect.ledger import FEED_GENERATIONS, PUSH_GENERATIONS, Ledger
from streams.kafka_clients import broker_errors, lone_consumer, producer
from streams.log_reader import bounds, header_of, partitions_of, read_range
from streams.settings import Settings
from streams.topics import COLLECT_HEADER, Topics

MOST_RECORDS: Final = 10_000
MOST_BYTES: Final = 32 * 1024 * 1024
"""Sent but not yet acknowledged, at most."""

_FOREVER_MS: Final = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A record to send, and the mark by which it is known."""

    mark: str
    topic: str
    partition: int
    key: bytes
    value: bytes


class Outlets:
    """Where documents and dead letters go on the topics of one prefix."""

    def __init__(self, settings: Settings) -> None:
        topics = Topics(settings.kafka)
        self._inputs = topics.inputs
        self.letters = topics.name("deadletters")

    def document(self, mark: str, kind: Kind, key: str, value: bytes) -> Outgoing:
        """The record of a document of `kind`, or of what enrich is to refuse."""
        topic, count = self._inputs[kind]
        return Outgoing(mark, topic, partition_of(key, count), key.encode("utf-8", "surrogatepass"), value)

    def letter(self, mark: str, letter: DeadLetter) -> Outgoing:
        """The record of what is refused here and now."""
        return Outgoing(mark, self.letters, 0, letter.id.encode(), encode(letter))


class Sender:
    """Sends for the sources of `ledger`, and writes its state. One producer, which never gives a record up."""

    def __init__(self, settings: Settings, ledger: Ledger) -> None:
        self._ledger = ledger
        self._state = Topics(settings.kafka).name("collect")
        self._producer: KafkaProducer = producer(
            settings.kafka,
            batch_size=128 * 1024,
            delivery_timeout_ms=_FOREVER_MS,
            max_block_ms=_FOREVER_MS,
            metrics_enabled=False,
        )
        self._room = threading.Condition()
        self._records = self._bytes = 0
        self._written: deque[Any] = deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._producer.close(timeout=0)

    @property
    def has_room(self) -> bool:
        """Whether more may be sent now."""
        return self._records < MOST_RECORDS and self._bytes < MOST_BYTES

    def deliver(self, source: str, records: Sequence[Outgoing]) -> list[Outgoing]:
        """Send what of `records` was not sent before, and wait, without end, until Kafka has acknowledged all of them;
        gives those that were new. Raises RetryableError where one was given up."""
        new = [record for record in records if self._ledger.claim(source, record.mark) == "new"]
        for record in new:
            with self._room:
                while not self.has_room:
                    self._ledger.check()
                    self._room.wait(1.0)
            self.send(source, record)
        self._ledger.settled(source, [record.mark for record in records])
        return new

    def send(self, source: str, record: Outgoing) -> None:
        """Send a record whose mark is claimed; the ledger hears what comes of it."""
        size = len(record.value)
        with self._room:
            self._records += 1
            self._bytes += size

        def done(metadata: Any) -> None:
            self._ledger.acknowledged(source, record.mark, metadata.topic, metadata.partition, metadata.offset)
            self._less(size)

        def given_up(error: Exception) -> None:
            self._ledger.failed(error)
            self._less(size)

        header = (COLLECT_HEADER, f"{record.mark} {source}".encode())
        try:
            future = self._producer.send(record.topic, record.value, record.key, [header], record.partition)
        except Exception as error:
            given_up(error)
            raise
        future.add_callback(done)
        future.add_errback(given_up)

    def checkpoint(self, seconds: float = 0.0) -> None:
        """Write what changed of the state, unless what was written before is still under way; wait at most `seconds`."""
        while self._written and self._written[0].is_done:
            self._written.popleft()
        if self._written and not seconds:
            return
        for key, value in self._ledger.changes():
            future = self._producer.send(self._state, value, key.encode(), partition=0)
            future.add_errback(self._ledger.failed)
            self._written.append(future)
        if seconds:
            self._producer.flush(timeout=seconds)

    def _less(self, size: int) -> None:
        with self._room:
            self._records -= 1
            self._bytes -= size
            self._room.notify_all()


def restored(settings: Settings, sources: Iterable[Source]) -> Ledger:
    """What is known of `sources`: from the state, and from what the topics hold beyond it.

    Raises ConfigurationError where the state is none of ours, RetryableError where Kafka fails.
    """
    topics = Topics(settings.kafka)
    generations = {source.name: PUSH_GENERATIONS if source.push else FEED_GENERATIONS for source in sources}
    ledger = Ledger(generations)
    inputs = chain.from_iterable(partitions_of(name, count) for name, count in topics.inputs.values())
    places = [*inputs, TopicPartition(topics.name("deadletters"), 0)]
    with (
        broker_errors(settings.kafka, "reading what was collected"),
        lone_consumer(settings.kafka, isolation="read_uncommitted", fetch_max_wait_ms=50) as reader,
    ):
        state = TopicPartition(topics.name("collect"), 0)
        latest = {record.key: record.value for record in read_range(reader, state, *bounds(reader, state))}
        for key, value in latest.items():
            if key and value:
                _restore(ledger, key, value, state.topic)
        known = ledger.positions()
        for place in places:
            begin, end = bounds(reader, place)
            start = max(begin, known.get((place.topic, place.partition), end))
            for record in read_range(reader, place, start, end):
                mark, _, source = (header_of(record, COLLECT_HEADER) or b"").decode("utf-8", "replace").partition(" ")
                if mark:
                    ledger.acknowledged(source, mark, place.topic, place.partition, record.offset)
            ledger.begin_at({(place.topic, place.partition): end})
    return ledger


def _restore(ledger: Ledger, key: bytes, value: bytes, topic: str) -> None:
    try:
        ledger.restore(key.decode(), value)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigurationError(
            f"{topic} holds a record {key!a} that is no state of collect's ({error!a}): delete the topic and create it "
            "again, and collect begins anew; what it has sent before may then be sent again, and counts once"
        ) from None
