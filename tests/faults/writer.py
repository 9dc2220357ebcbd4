"""Writes to the topics of a trial past Tocsin: what strangers, other clocks and operators write."""

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from kafka import KafkaAdminClient, KafkaProducer
from witness import Record, Witness

LARGEST: Final = 2 * 1024 * 1024
TICK: Final = [("type", b"tick")]
INPUTS: Final = ("news", "social")


@dataclass
class Writer:
    """Sends records to the topics of one prefix, and counts them."""

    producer: KafkaProducer
    witness: Witness
    count: int = 0

    def send(
        self,
        topic: str,
        value: bytes | None,
        partition: int = 0,
        *,
        key: bytes | None = None,
        headers: Iterable[tuple[str, bytes]] = (),
    ) -> None:
        """Any record."""
        self.producer.send(f"{self.witness.prefix}.{topic}", value, key, list(headers), partition)
        self.count += 1

    def document(self, topic: str, partition: int, **fields: Any) -> None:
        """A document in JSON; fields that are None are left out."""
        content = {"source": "stranger", "text": "Boeing halts deliveries", **fields}
        self.send(
            topic, json.dumps({name: item for name, item in content.items() if item is not None}).encode(), partition
        )

    def tick(self, at: datetime, topic: str, partition: int) -> None:
        """A clock says that it is `at` (UTC)."""
        value = json.dumps({"at": at.isoformat().replace("+00:00", "Z"), "origin": "", "schema": 1}).encode()
        self.send(topic, value, partition, headers=TICK)

    def again(self, record: Record) -> None:
        """The same record once more, in its partition."""
        topic = record.place.topic.removeprefix(f"{self.witness.prefix}.")
        self.send(topic, record.value, record.place.partition, key=record.key, headers=record.headers.items())

    def flush(self) -> None:
        """All is acknowledged."""
        self.producer.flush(60)


@contextmanager
def writing(witness: Witness) -> Iterator[Writer]:
    """A writer; everything is acknowledged at the end of the block."""
    with KafkaProducer(bootstrap_servers=witness.servers, max_request_size=LARGEST) as producer:
        writer = Writer(producer, witness)
        yield writer
        writer.flush()


@contextmanager
def administering(witness: Witness) -> Iterator[KafkaAdminClient]:
    """A client for what operators do to topics and groups."""
    admin = KafkaAdminClient(bootstrap_servers=witness.servers)
    try:
        yield admin
    finally:
        admin.close()
