"""A producer whose broker is away waits for it without keeping a core busy; kafka-python alone does not.

The real broker, frozen, and the real client.
"""

import os
import signal
import time
from uuid import uuid4

import psutil

from streams import kafka_clients
from streams.service_settings import KafkaSettings
from streams.stack.kafka import Kafka

RECORDS = 5_000
AWAY_SECONDS = 5.0
BUSY_SHARE = 0.1
"""Of one core, at most: measured .007, and .48 without the mend."""


def test_a_producer_sleeps_while_its_broker_is_frozen_and_sends_when_it_goes_on(kafka: Kafka) -> None:
    topic = f"rest-{uuid4().hex[:8]}"
    settings = KafkaSettings(servers=(kafka.address,), prefix=topic)
    with kafka_clients.admin(settings) as admin:
        admin.create_topics({topic: {"num_partitions": 1, "replication_factor": 1}})
    producer = kafka_clients.producer(settings, request_timeout_ms=1_000)
    producer.send(topic, b"before").get(timeout=30)
    broker = _listens_at(int(kafka.address.rpartition(":")[2]))
    os.kill(broker, signal.SIGSTOP)
    try:
        waiting = [producer.send(topic, b"away") for _ in range(RECORDS)]
        time.sleep(2)  # the connection is given up
        began = time.process_time()
        time.sleep(AWAY_SECONDS)
        busy = (time.process_time() - began) / AWAY_SECONDS
    finally:
        os.kill(broker, signal.SIGCONT)
    assert [one.get(timeout=60).offset for one in waiting] == list(range(1, RECORDS + 1))
    producer.close()
    assert busy < BUSY_SHARE


def _listens_at(port: int) -> int:
    sockets = psutil.net_connections("tcp")
    [pid] = {one.pid for one in sockets if one.status == psutil.CONN_LISTEN and one.laddr.port == port and one.pid}
    return pid
