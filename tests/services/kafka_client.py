"""What tests of the services need of a broker: a prefix of their own, and the topics as a stranger reads them."""

import time
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from processors.messages import Alert
from streams import kafka_clients
from streams.cloud_events import event_headers
from streams.codec import encode
from streams.settings import Settings, load_settings
from streams.stack.kafka import Kafka
from streams.topics_admin import create_topics
from tests.patience import PATIENCE


@dataclass(frozen=True)
class Prefix:
    """The topics of one prefix on a broker."""

    flags: dict[str, str]

    @property
    def settings(self) -> Settings:
        return load_settings(None, {}, self.flags)

    @property
    def arguments(self) -> list[str]:
        """The same for a command line."""
        return [f"--set={path}={value}" for path, value in self.flags.items()]

    def name(self, topic: str) -> str:
        return f"{self.settings.kafka.prefix}.{topic}"

    def records(self, topic: str) -> dict[int, list[Any]]:
        """Every committed record of ``<prefix>.<topic>``, by partition, up to the ends at the start."""
        name = self.name(topic)
        reader = KafkaConsumer(
            bootstrap_servers=self.flags["kafka.servers"], isolation_level="read_committed", metrics_enabled=False
        )
        try:
            places = [TopicPartition(name, partition) for partition in sorted(reader.partitions_for_topic(name) or ())]
            reader.assign(places)
            reader.seek_to_beginning(*places)
            ends = reader.end_offsets(places)
            found: dict[int, list[Any]] = {place.partition: [] for place in places}
            deadline = time.monotonic() + PATIENCE
            while any(reader.position(place) < ends[place] for place in places):
                assert time.monotonic() < deadline, f"{name} cannot be read to its end"
                for place, batch in reader.poll(timeout_ms=200).items():
                    found[place.partition] += batch
            return found
        finally:
            reader.close()

    def send(self, topic: str, value: bytes, partition: int = 0, **options: Any) -> None:
        """Write one record as an ordinary producer does."""
        with KafkaProducer(bootstrap_servers=self.flags["kafka.servers"]) as producer:
            producer.send(self.name(topic), value, partition=partition, **options).get(10)

    def ring(self, *alerts: Alert, partition: int = 0, commit: bool = True) -> None:
        """Write alerts as detect does: in one transaction, here or there one that is aborted."""
        producer = kafka_clients.producer(self.settings.kafka, transactional_id=f"{self.name('test')}-{partition}")
        producer.init_transactions()
        producer.begin_transaction()
        for alert in alerts:
            headers = event_headers(alert, self.settings.kafka.prefix)
            producer.send(self.name("alerts"), encode(alert), alert.incident.encode(), headers, partition)
        producer.flush()
        if commit:
            producer.commit_transaction()
        else:
            producer.abort_transaction()
        producer.close()


def new_prefix(kafka: Kafka, *, topics: bool = True, **more: str) -> Prefix:
    """A prefix that nobody else uses, with its topics: two partitions of each input, one of mentions."""
    flags = {
        "kafka.servers": kafka.address,
        "kafka.prefix": f"test-{uuid4().hex[:8]}",
        "kafka.news_partitions": "2",
        "kafka.social_partitions": "2",
        "kafka.mention_partitions": "1",
        **more,
    }
    prefix = Prefix(flags)
    if topics:
        create_topics(prefix.settings)
    return prefix
