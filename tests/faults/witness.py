"""What the ledger judges, read from outside: topics as a stranger's consumer sees them, and the index over HTTP.

Plain kafka-python and urllib; nothing of Tocsin is imported, so that a fault in its clients cannot hide itself.
"""

import json
import urllib.error
import urllib.request
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition
from kafka.errors import KafkaError
from ledger import IndexedDocument, InputRecord, Place


@dataclass(frozen=True, slots=True)
class Record:
    """One committed record of a topic; `timestamp` is when the broker took it, in milliseconds since 1970."""

    place: Place
    key: bytes | None
    value: bytes | None
    headers: dict[str, bytes]
    timestamp: int


@dataclass(frozen=True, slots=True)
class Witness:
    """Reads one deployment: its brokers, its topics' prefix, its search index."""

    servers: str
    prefix: str
    index_url: str
    index_prefix: str

    def records(self, topic: str) -> Iterator[Record]:
        """Every committed record of ``<prefix>.<topic>``, partition by partition, up to the ends at the start."""
        name = f"{self.prefix}.{topic}"
        consumer = KafkaConsumer(
            bootstrap_servers=self.servers,
            isolation_level="read_committed",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_partition_fetch_bytes=8 * 1024 * 1024,
        )
        try:
            for partition in sorted(consumer.partitions_for_topic(name) or ()):
                place = TopicPartition(name, partition)
                consumer.assign([place])
                consumer.seek_to_beginning(place)
                end = consumer.end_offsets([place])[place]
                while consumer.position(place) < end:
                    for batch in consumer.poll(timeout_ms=1000).values():
                        for record in batch:
                            headers = {key: value for key, value in record.headers}
                            at = Place(name, partition, record.offset)
                            yield Record(at, record.key, record.value, headers, record.timestamp)
        finally:
            consumer.close()

    def inputs(self) -> list[InputRecord]:
        """The input records of both kinds, without the ticks."""
        return self.inputs_of(self.arrivals())

    def inputs_of(self, arrivals: list[Record]) -> list[InputRecord]:
        """Those of `arrivals` that are no ticks."""
        return [InputRecord(record.place, record.value) for record in arrivals if record.headers.get("type") != b"tick"]

    def arrivals(self) -> list[Record]:
        """The records of both inputs, ticks among them, in the order of each partition."""
        return [record for topic in ("news", "social") for record in self.records(topic)]

    def log(self) -> list[Record]:
        """The records of mentions and wide, in the order of each partition."""
        return [record for topic in ("mentions", "wide") for record in self.records(topic)]

    def clock(self) -> datetime:
        """The instant that every partition of the input has reached."""
        reached: dict[Place, datetime] = {}
        for topic in ("news", "social"):
            for record in self.records(topic):
                if record.headers.get("type") == b"tick":
                    at = datetime.fromisoformat(json.loads(record.value or b"")["at"])
                    reached[record.place._replace(offset=0)] = at
        return min(reached.values())

    def letters(self) -> list[dict[str, Any]]:
        """The values of the dead-letter topic."""
        return [json.loads(record.value or b"") for record in self.records("deadletters")]

    def by_partition(self, topic: str) -> dict[int, list[bytes]]:
        """The values of a topic in the order of each partition."""
        values: defaultdict[int, list[bytes]] = defaultdict(list)
        for record in self.records(topic):
            values[record.place.partition].append(record.value or b"")
        return dict(values)

    def indexed(self, alias: str) -> Iterator[IndexedDocument]:
        """Every hit of ``<index prefix>-<alias>``, after a refresh; none while there is no such alias."""
        name = f"{self.index_prefix}-{alias}"
        if not self._exists(name):
            return
        self._call(f"/{name}/_refresh")
        pit = self._call(f"/{name}/_pit?keep_alive=1m")["id"]
        after: list[Any] | None = None
        while True:
            query: dict[str, Any] = {"size": 2000, "pit": {"id": pit, "keep_alive": "1m"}, "sort": ["_shard_doc"]}
            if after is not None:
                query["search_after"] = after
            hits = self._call("/_search", query)["hits"]["hits"]
            if not hits:
                return
            for hit in hits:
                yield IndexedDocument(hit["_id"], hit["_index"], hit["_source"])
            after = hits[-1]["sort"]

    def ends(self, *topics: str) -> dict[tuple[str, int], int]:
        """The end of every partition of `topics`."""
        consumer = KafkaConsumer(bootstrap_servers=self.servers, isolation_level="read_uncommitted")
        try:
            names = [f"{self.prefix}.{topic}" for topic in topics]
            places = [TopicPartition(name, p) for name in names for p in consumer.partitions_for_topic(name) or ()]
            return {(place.topic, place.partition): end for place, end in consumer.end_offsets(places).items()}
        finally:
            consumer.close()

    def lag(self, service: str) -> dict[tuple[str, int], int]:
        """Records that the group of `service` has not acknowledged, by partition, transaction markers included."""
        admin = KafkaAdminClient(bootstrap_servers=self.servers)
        consumer = KafkaConsumer(bootstrap_servers=self.servers, isolation_level="read_uncommitted")
        try:
            group = f"{self.prefix}-{service}"
            committed = admin.list_group_offsets([group])[group]
            ends = consumer.end_offsets(list(committed))
            return {(place.topic, place.partition): ends[place] - offset.offset for place, offset in committed.items()}
        finally:
            consumer.close()
            admin.close()

    def committed(self, service: str) -> dict[tuple[str, int], int]:
        """The next record to read of each partition, as the group of `service` has acknowledged; nothing where nobody
        answers."""
        try:
            admin = KafkaAdminClient(bootstrap_servers=self.servers, bootstrap_timeout_ms=1000, request_timeout_ms=3000)
        except KafkaError:
            return {}
        try:
            found = admin.list_group_offsets([f"{self.prefix}-{service}"])[f"{self.prefix}-{service}"]
            return {(place.topic, place.partition): offset.offset for place, offset in found.items()}
        except KafkaError:
            return {}
        finally:
            admin.close()

    def _exists(self, alias: str) -> bool:
        try:
            with urllib.request.urlopen(f"{self.index_url}/_alias/{alias}", timeout=60):
                return True
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return False
            raise

    def _call(self, path: str, body: dict[str, Any] | None = None) -> Any:
        request = urllib.request.Request(
            self.index_url + path,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
            method="POST",
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)
