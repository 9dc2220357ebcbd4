"""enrich's own connections to Kafka beside Faust's: what writes, and what looks things up in the log.

Faust's producer takes each record by itself, with a future, a sensor and a task (see `kafka_batches`).
"""

from collections.abc import AsyncIterator, Iterable
from datetime import datetime
from typing import Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

from processors.errors import PoisonError, RetryableError
from processors.messages import Tick
from streams.codec import decode
from streams.kafka_clients import LARGEST, named
from streams.service_settings import KafkaSettings
from streams.services.enrich_intake import Place
from streams.services.kafka_batches import BATCH_BYTES, Record, connection, write
from streams.topics import TICK, TYPE_HEADER

PATIENCE_MS: Final = 60_000
"""How long a broker may be away: Kafka's own client asks again until then. Longer than one takes to start."""

LOOK_BACK: Final = 100_000
"""Records that are searched for the last tick: clocks tick every few seconds, in every partition."""

_FIRST_LOOK: Final = 500


class Publisher:
    """Writes records, and returns when every replica has them. Make it within an event loop."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._producer = AIOKafkaProducer(
            **connection(settings, "enrich"),
            acks="all",
            enable_idempotence=True,
            max_batch_size=BATCH_BYTES,
            max_request_size=2 * LARGEST,
            request_timeout_ms=PATIENCE_MS,
        )

    async def start(self) -> None:
        """Connect."""
        await self._producer.start()

    async def stop(self) -> None:
        """Disconnect."""
        await self._producer.stop()

    async def publish(self, records: Iterable[Record]) -> None:
        """Write `records`, those of one partition in their order. Raises RetryableError where the broker has not taken
        one of them: which of the others it has is not known."""
        try:
            await write(self._producer, records)
        except KafkaError as error:
            raise RetryableError(f"Kafka did not take what enrich wrote ({named(error)})") from error


class InputLog:
    """Looks things up in the input topics, without joining the group that reads them."""

    def __init__(self, settings: KafkaSettings, group: str) -> None:
        self._consumer = AIOKafkaConsumer(
            **connection(settings, "enrich"),
            group_id=group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_partition_fetch_bytes=LARGEST,
            fetch_max_wait_ms=100,
        )

    async def start(self) -> None:
        """Connect."""
        await self._consumer.start()

    async def stop(self) -> None:
        """Disconnect."""
        await self._consumer.stop()

    async def committed(self, place: Place) -> int | None:
        """Where the group has to begin; None where it never was."""
        partition = self._assigned(place)
        offset: int | None = await self._consumer.committed(partition)
        return offset

    async def first(self, place: Place, offset: int) -> int:
        """The offset of the first record at or after `offset`; waits until there is one."""
        partition = self._assigned(place)
        self._consumer.seek(partition, offset)
        record = await self._consumer.getone(partition)
        first: int = record.offset
        return first

    async def last_tick(self, place: Place, before: int) -> datetime | None:
        """The time of the last tick before that offset; None where none of the last `LOOK_BACK` records is one.

        It looks at a short stretch first, then at ever longer ones before it.
        """
        partition = self._assigned(place)
        start = (await self._consumer.beginning_offsets([partition]))[partition]
        end, width = before, _FIRST_LOOK
        while end > max(start, before - LOOK_BACK):
            begin = max(start, end - width)
            latest = None
            async for tick in self._ticks(partition, begin, end):
                latest = tick.at
            if latest is not None:
                return latest
            end, width = begin, 2 * width
        return None

    async def _ticks(self, partition: TopicPartition, begin: int, end: int) -> AsyncIterator[Tick]:
        self._consumer.seek(partition, begin)
        while await self._consumer.position(partition) < end:
            for record in (await self._consumer.getmany(partition, timeout_ms=1000)).get(partition, ()):
                if record.offset < end and (TYPE_HEADER, TICK) in record.headers:
                    try:
                        yield decode(Tick, record.value or b"")
                    except PoisonError:
                        continue  # it became a dead letter when it was read

    def _assigned(self, place: Place) -> TopicPartition:
        partition = TopicPartition(*place)
        self._consumer.assign([partition])
        return partition
