"""A producer whose broker is away waits for it without keeping a core busy; kafka-python alone does not.

The real broker and the real client.
"""

import time
from uuid import uuid4

from streams import kafka_clients
from streams.service_settings import KafkaSettings
from streams.stack.kafka import Kafka

AWAY_SECONDS = 5.0
BUSY_SHARE = 0.015
"""Of one core, at most: measured .001, and .036 without the mend, with a single record that waits; with thousands .6."""


def test_a_producer_sleeps_while_its_broker_is_away_and_sends_when_it_is_back(kafka: Kafka) -> None:
    topic = f"rest-{uuid4().hex[:8]}"
    settings = KafkaSettings(servers=(kafka.address,), prefix=topic)
    with kafka_clients.admin(settings) as admin:
        admin.create_topics({topic: {"num_partitions": 1, "replication_factor": 1}})
    producer = kafka_clients.producer(settings)
    producer.send(topic, b"before").get(timeout=30)
    kafka.stop()
    try:
        waiting = producer.send(topic, b"away")
        time.sleep(1)  # the connection is found closed
        began = time.process_time()
        time.sleep(AWAY_SECONDS)
        busy = (time.process_time() - began) / AWAY_SECONDS
    finally:
        kafka.start()
    assert waiting.get(timeout=60).offset == 1
    producer.close()
    assert busy < BUSY_SHARE
