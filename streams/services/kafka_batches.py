"""The producer on the event loop: all records of one partition that are written together are one call.

The clients' own way, a future and a look at the metadata for each record, takes most of the time of a service that writes
much: fifteen times as long.
"""

import asyncio
import ssl
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

from aiokafka import AIOKafkaProducer

from streams.service_settings import KafkaSettings

BATCH_BYTES: Final = 512 * 1024
"""Records of one partition that travel together; a larger record travels alone."""

Headers = tuple[tuple[str, bytes], ...]


class Record(NamedTuple):
    """One record to write; without a value it deletes what is compacted under its key."""

    topic: str
    partition: int
    key: bytes
    value: bytes | None
    headers: Headers


def ssl_context(settings: KafkaSettings) -> ssl.SSLContext | None:
    """For a protocol with TLS; None for one without."""
    if settings.security not in ("SSL", "SASL_SSL"):
        return None
    return ssl.create_default_context(cafile=settings.ca_file or None)


def connection(settings: KafkaSettings, service: str) -> dict[str, Any]:
    """What aiokafka has to know to reach the brokers."""
    options: dict[str, Any] = {
        "bootstrap_servers": list(settings.servers),
        "client_id": f"{settings.prefix}-{service}",
        "security_protocol": settings.security,
        "ssl_context": ssl_context(settings),
    }
    if settings.security.startswith("SASL"):
        options["sasl_mechanism"] = settings.sasl_mechanism
        options["sasl_plain_username"] = settings.username
        options["sasl_plain_password"] = settings.password
    return options


async def write(producer: AIOKafkaProducer, records: Iterable[Record]) -> None:
    """Write `records`, those of one partition in their order; returns when the brokers have them all.

    Raises aiokafka's KafkaError where they do not take one: which of the others they have is not known.
    """
    by_partition: dict[tuple[str, int], list[Record]] = defaultdict(list)
    for record in records:
        by_partition[record.topic, record.partition].append(record)
    await asyncio.gather(*(_write(producer, *place, group) for place, group in by_partition.items()))


async def _write(producer: AIOKafkaProducer, topic: str, partition: int, records: Sequence[Record]) -> None:
    written = []
    batch = producer.create_batch()
    for record in records:
        fields = {"key": record.key, "value": record.value, "headers": list(record.headers), "timestamp": None}
        if batch.append(**fields) is None:
            written.append(await producer.send_batch(batch, topic, partition=partition))
            batch = producer.create_batch()
            batch.append(**fields)
    written.append(await producer.send_batch(batch, topic, partition=partition))
    await asyncio.gather(*written)
