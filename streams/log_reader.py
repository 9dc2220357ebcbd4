"""Reading a part of one partition, forwards or from its end, without a consumer group."""

from collections.abc import Iterator
from time import monotonic
from typing import Final

from kafka import KafkaConsumer, TopicPartition
from kafka.consumer.fetcher import ConsumerRecord

from processors.errors import PoisonError, RetryableError
from processors.messages import Tick
from streams.codec import decode
from streams.topics import TICK, TYPE_HEADER

PATIENCE: Final = 20.0
"""Seconds without any answer after which reading is given up."""

_FIRST_STEP: Final = 200
_LONGEST_STEP: Final = 10_000
"""Records read at once while looking backwards; it doubles."""


def header_of(record: ConsumerRecord, name: str) -> bytes | None:
    """The first header called `name`."""
    for key, value in record.headers:
        if key == name:
            return None if value is None else bytes(value)
    return None


def tick_of(record: ConsumerRecord) -> Tick | None:
    """The tick that the record is, if it is a sound one."""
    if header_of(record, TYPE_HEADER) != TICK:
        return None
    try:
        return decode(Tick, record.value or b"")
    except PoisonError:
        return None


def bounds(consumer: KafkaConsumer, place: TopicPartition) -> tuple[int, int]:
    """The first offset that is kept, and the one that the next record will have."""
    return consumer.beginning_offsets([place])[place], consumer.end_offsets([place])[place]


def read_range(consumer: KafkaConsumer, place: TopicPartition, start: int, end: int) -> Iterator[ConsumerRecord]:
    """The records with offsets from `start` (inclusive) to `end` (exclusive) that are there, in order.

    `consumer` belongs to no group; what it was assigned before is forgotten. Raises RetryableError where the broker
    gives nothing for 20 s.
    """
    consumer.assign([place])
    consumer.seek(place, start)
    answered = monotonic()
    position = start
    while position < end:
        for record in consumer.poll(timeout_ms=500).get(place, ()):
            if record.offset < end:
                yield record
        if (reached := consumer.position(place)) > position:
            position, answered = reached, monotonic()
        elif monotonic() - answered > PATIENCE:
            raise RetryableError(
                f"{place.topic}, partition {place.partition}: nothing came from offset {position} for {PATIENCE:.0f} s"
            )


def backwards(consumer: KafkaConsumer, place: TopicPartition) -> Iterator[ConsumerRecord]:
    """The records of a partition from its end to its beginning, read in steps. Errors as in `read_range`."""
    begin, end = bounds(consumer, place)
    step = _FIRST_STEP
    while end > begin:
        start = max(begin, end - step)
        yield from reversed(list(read_range(consumer, place, start, end)))
        end, step = start, min(2 * step, _LONGEST_STEP)


def partitions_of(topic: str, count: int) -> list[TopicPartition]:
    """All partitions of a topic."""
    return [TopicPartition(topic, partition) for partition in range(count)]
