"""How far each service is behind: per consumer group and partition, read from the broker alone."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from kafka import KafkaAdminClient, TopicPartition
from kafka.admin import OffsetSpec

from streams.log_reader import partitions_of
from streams.topics import Topics

READS: Final[Mapping[str, tuple[str, ...]]] = {
    "enrich": ("news", "social"),
    "detect": ("mentions", "wide"),
    "index": ("documents", "series", "alerts", "deadletters"),
    "deliver": ("alerts", "deadletters", "feedback"),
}
"""The topics that each service's group reads."""

_TRANSACTIONAL: Final = frozenset({"series", "alerts"})
"""Written in transactions only: each leaves a marker behind, an offset that no reader ever sees or acknowledges."""


@dataclass(frozen=True, slots=True)
class PartitionLag:
    """How far `service` is behind in one partition of `topic` (short name). `committed` is None before its first
    commit, when all that is kept waits."""

    service: str
    topic: str
    partition: int
    committed: int | None
    end: int
    lag: int


def lags(client: KafkaAdminClient, topics: Topics) -> list[PartitionLag]:
    """The lag of every service in every partition that it reads; Kafka's errors are raised as they are."""
    counts = {spec.name: spec.partitions for spec in topics.specs()}
    places = {
        (service, topic): partitions_of(topics.name(topic), counts[topics.name(topic)])
        for service, read in READS.items()
        for topic in read
    }
    all_places = [place for group in places.values() for place in group]
    ends = client.list_partition_offsets(dict.fromkeys(all_places, OffsetSpec.LATEST))
    begins = client.list_partition_offsets(dict.fromkeys(all_places, OffsetSpec.EARLIEST))
    committed = {service: _committed(client, topics.group(service)) for service in READS}
    return [
        _lag(service, topic, place, committed[service].get(place), begins[place].offset, ends[place].offset)
        for (service, topic), group in places.items()
        for place in group
    ]


def _lag(service: str, topic: str, place: TopicPartition, committed: int | None, begin: int, end: int) -> PartitionLag:
    waiting = max(0, end - max(begin, committed or 0))
    if topic in _TRANSACTIONAL and waiting == 1:
        waiting = 0
    return PartitionLag(service, topic, place.partition, committed, end, waiting)


def _committed(client: KafkaAdminClient, group: str) -> dict[TopicPartition, int]:
    found = client.list_group_offsets([group])[group]
    return {place: entry.offset for place, entry in found.items() if entry.offset >= 0}
