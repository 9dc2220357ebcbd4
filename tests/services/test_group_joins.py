"""A member that has to join its group again while its polls are short does so to the end; kafka-python alone forgets to.

The real broker and the real client: the topic grows under the leader of a group, which joins again for that alone.
"""

import time
from collections.abc import Iterable, Iterator
from uuid import uuid4

import pytest
from kafka import ConsumerRebalanceListener, KafkaConsumer, KafkaProducer, TopicPartition

from processors.errors import RetryableError
from streams import kafka_clients
from streams.service_settings import KafkaSettings
from streams.services.standstill import STANDSTILL_SECONDS, Standstill
from streams.stack.kafka import Kafka
from tests.patience import PATIENCE

LONG_MS, SHORT_MS = 500, 1
FORGOTTEN_SECONDS = 5
"""More than a session: a member that has not joined by then is none."""


class Listener(ConsumerRebalanceListener):  # type: ignore[misc]
    """As a service has one: to it partitions are revoked while a join lasts."""

    def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        pass

    def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        pass


@pytest.fixture
def settings(kafka: Kafka) -> KafkaSettings:
    return KafkaSettings(servers=(kafka.address,), prefix=f"joins-{uuid4().hex[:8]}")


@pytest.fixture
def consumer(settings: KafkaSettings) -> Iterator[KafkaConsumer]:
    """The leader of a group, and its only member; it has the one partition of its topic."""
    with kafka_clients.admin(settings) as admin:
        admin.create_topics({settings.prefix: {"num_partitions": 1, "replication_factor": 1}})
    made = kafka_clients.consumer(
        settings,
        group=settings.prefix,
        session_timeout_ms=3_000,
        heartbeat_interval_ms=1_000,
        metadata_max_age_ms=200,
        metrics_enabled=False,
    )
    made.subscribe([settings.prefix], listener=Listener())
    until_assigned(made, 1, LONG_MS)
    yield made
    made.close(autocommit=False)


def grow(settings: KafkaSettings) -> None:
    with kafka_clients.admin(settings) as admin:
        admin.create_partitions({settings.prefix: 2})


def write(settings: KafkaSettings, partition: int = 0) -> None:
    producer: KafkaProducer = kafka_clients.producer(settings)
    producer.send(settings.prefix, b"waits", partition=partition).get(PATIENCE)
    producer.close()


def until_assigned(consumer: KafkaConsumer, count: int, poll_ms: int, seconds: float = PATIENCE) -> None:
    deadline = time.monotonic() + seconds
    while len(consumer.assignment()) < count:
        assert time.monotonic() < deadline, f"{consumer.assignment()} after {seconds:.0f} s"
        consumer.poll(timeout_ms=poll_ms)


def test_a_member_whose_polls_are_too_short_for_a_join_joins_all_the_same_and_reads_on(
    consumer: KafkaConsumer, settings: KafkaSettings
) -> None:
    grow(settings)
    until_assigned(consumer, 2, SHORT_MS)
    write(settings)
    deadline = time.monotonic() + PATIENCE
    while not (polled := consumer.poll(timeout_ms=SHORT_MS)):
        assert time.monotonic() < deadline
    assert [record.value for records in polled.values() for record in records] == [b"waits"]


def test_a_member_that_waits_for_a_busy_one_is_joining_and_does_not_count_as_standing_still(
    consumer: KafkaConsumer, settings: KafkaSettings
) -> None:
    grow(settings)
    busy, late = (
        kafka_clients.consumer(settings, group=settings.prefix, session_timeout_ms=6_000, metrics_enabled=False)
        for _ in range(2)
    )
    try:
        busy.subscribe([settings.prefix], listener=Listener())
        deadline = time.monotonic() + PATIENCE
        while len(consumer.assignment()) != 1 or len(busy.assignment()) != 1:
            assert time.monotonic() < deadline
            consumer.poll(timeout_ms=LONG_MS)
            busy.poll(timeout_ms=LONG_MS)
        assert not kafka_clients.is_joining(consumer)
        [place] = consumer.assignment()
        write(settings, place.partition)

        late.subscribe([settings.prefix], listener=Listener())  # and the busy one does not come
        while not kafka_clients.is_joining(consumer):
            assert time.monotonic() < deadline
            late.poll(timeout_ms=LONG_MS)
            consumer.poll(timeout_ms=LONG_MS)
        standstill = Standstill()
        for now in range(0, 300, 5):
            assert not consumer.poll() and kafka_clients.is_joining(consumer)
            waiting = {place: 0}, {place: 1}
            standstill.look(now, *waiting, joining=kafka_clients.is_joining(consumer))
    finally:
        for member in (busy, late):
            member.close(autocommit=False)


def test_kafka_python_alone_forgets_the_join_for_good_which_the_standstill_notices(
    consumer: KafkaConsumer, settings: KafkaSettings
) -> None:
    """Fails once the client has no need of `kafka_clients._finish_joins` any more: then that can go, and this."""
    del consumer._coordinator.need_rejoin
    grow(settings)
    forgotten = time.monotonic() + FORGOTTEN_SECONDS
    with pytest.raises(AssertionError, match="after 5 s"):
        until_assigned(consumer, 2, SHORT_MS, FORGOTTEN_SECONDS)
    assert time.monotonic() >= forgotten

    write(settings)
    assert not consumer.poll(timeout_ms=LONG_MS), "longer polls do not mend it: it knows of no join any more"
    place = TopicPartition(settings.prefix, 0)
    standstill = Standstill()
    with pytest.raises(RetryableError, match="1 records wait"):
        for now in range(0, int(STANDSTILL_SECONDS) + 10, 5):
            assert not consumer.poll()
            standstill.look(now, kafka_clients.positions(consumer, [place], LONG_MS), consumer.end_offsets([place]))
