"""Transactions under an id that one process at a time can commit for."""

import asyncio
import logging
from collections.abc import Coroutine, Mapping, Sequence
from typing import Final

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError, ProducerFenced

from processors.errors import FatalError, RetryableError
from streams.kafka_clients import LARGEST, named
from streams.service_settings import KafkaSettings
from streams.services.kafka_batches import BATCH_BYTES, Record, connection, write

_LOG: Final = logging.getLogger("tocsin.detect")

_LONGEST_MS: Final = 15_000
"""After which the broker aborts what is left open."""

_RETRY_MS: Final = 20
"""Back-to-back transactions wait for each other's end: the default of 100 is always too long."""


class FencedError(FatalError):
    """Another process has the id now, and this one can commit nothing more."""


class Transactions:
    """Transactions under one id, for use in one thread. After an exception nothing is certain.

    Nothing here has a time-out of its own, where brokers are away or do not answer: it takes a watchdog.
    """

    def __init__(self, settings: KafkaSettings, transactional_id: str) -> None:
        """Fence whoever had `transactional_id` before: what they have open is resolved, and they can commit nothing more.

        Raises RetryableError.
        """
        self._settings = settings
        self._id = transactional_id
        self._runner = asyncio.Runner()
        # What goes wrong shows in the call that it concerns; a process that fails leaves the rest behind on purpose.
        self._runner.get_loop().set_exception_handler(lambda _, context: _LOG.debug("%s", context["message"]))
        self._run(self._begin())

    def commit(self, records: Sequence[Record], offsets: Mapping[tuple[str, int], int], group: str) -> None:
        """Make `records`, and the `offsets` of `group` by topic and partition, true at once.

        Raises FencedError where another process has the id; RetryableError, with which it may yet have come true.
        """
        places = {TopicPartition(*place): offset for place, offset in offsets.items()}
        self._run(self._commit(records, places, group))

    def close(self) -> None:
        """Let the id go; nothing is in hand between two transactions."""
        self._run(self._producer.stop())
        self._runner.close()

    async def _begin(self) -> None:
        self._producer = AIOKafkaProducer(
            **connection(self._settings, "detect"),
            transactional_id=self._id,
            transaction_timeout_ms=_LONGEST_MS,
            retry_backoff_ms=_RETRY_MS,
            request_timeout_ms=_LONGEST_MS,
            max_batch_size=BATCH_BYTES,
            max_request_size=2 * LARGEST,
        )
        await self._producer.start()

    async def _commit(self, records: Sequence[Record], offsets: Mapping[TopicPartition, int], group: str) -> None:
        producer = self._producer
        # 1. Begin.
        await producer.begin_transaction()
        # 2. The records, until all are acknowledged: a commit reports success although one was refused.
        await write(producer, records)
        # 3. The offsets. Not beside 2.: brokers refuse records, for a while, of a transaction that something joins.
        if offsets:
            await producer.send_offsets_to_transaction(offsets, group)
        # 4. All of it becomes true at once.
        await producer.commit_transaction()

    def _run(self, work: Coroutine[None, None, None]) -> None:
        try:
            self._runner.run(work)
        except ProducerFenced as error:
            raise FencedError(f"another process has taken over what {self._id} commits for") from error
        except (KafkaError, OSError) as error:
            raise RetryableError(
                f"Kafka: {named(error)}; nothing is certain of the transaction in hand: "
                "the next start reads what became of it"
            ) from error
