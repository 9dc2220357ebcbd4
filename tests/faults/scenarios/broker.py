"""Kafka killed, away at the start, without one of its topics."""

import time
from typing import Final

from kafka import KafkaAdminClient
from matrix import scenario
from trial import SERVICES, Trial

NOBODY: Final = "127.0.0.1:9"
"""The port of discard: nothing listens there."""


@scenario(4, "A broker that is killed and comes back costs nothing, and every service gets on by itself.")
def broker_kills(trial: Trial) -> None:
    with trial.load(30):
        for _ in range(1 if trial.quick else 5):
            trial.pause(1, 5)
            trial.hit("kill -9 of the broker")
            trial.stack.kafka.kill()
            trial.stack.up({"kafka"})
            trial.over()
            for service in SERVICES:
                trial.recovered(service)


@scenario(4, "Without a broker each service says which one does not answer, ends, and works once it is there.")
def broker_unreachable(trial: Trial) -> None:
    reachable = trial.deployment.settings
    trial.deployment.settings = {**reachable, "kafka.servers": NOBODY}
    for service in SERVICES:
        trial.deployment.start(service)
        trial.ended(service, 1, f"no Kafka broker answers at {NOBODY}")
        trial.done["broker unreachable at the start"] += 1
    trial.deployment.settings = reachable
    with trial.load(documents=3500):
        trial.pause(5, 6)


@scenario(4, "Where a topic is missing, each service ends at its start with the topic's name and what to do.")
def topic_missing(trial: Trial) -> None:
    missing = f"{trial.witness.prefix}.wide"
    delete(trial, missing)
    for service in SERVICES:
        trial.deployment.start(service)
        trial.ended(service, 2, f"missing: {missing}; run `tocsin topics create`")
        trial.done["topic missing at the start"] += 1
    trial.deployment.command("topics", "create")
    with trial.load(documents=3500):
        trial.pause(5, 6)


@scenario(4, "A topic that is deleted meanwhile stops the services that use it, with its name and what to do.")
def topic_deleted(trial: Trial) -> None:
    with trial.load(documents=3500):
        trial.pause(5, 6)
    trial.judge()
    deleted = f"{trial.witness.prefix}.mentions"
    trial.deployment.start(*SERVICES)
    trial.deployment.wait_until_ready()
    feed = trial.feed(trial.documents(2000), 20)
    before = trial.count("documents")
    trial.until(lambda: trial.count("documents") > before, "there is load")
    began = time.monotonic()
    delete(trial, deleted)
    trial.done["topic deleted meanwhile"] += 1
    try:
        for service in ("enrich", "detect"):
            trial.gives_up(service, f"missing: {deleted}; run `tocsin topics create`", seconds=240)
            trial.notes.append(f"{service} gave up {time.monotonic() - began:.0f} s after the topic was deleted")
    finally:
        feed.kill()
        feed.wait()


def delete(trial: Trial, topic: str) -> None:
    """Delete a topic, and wait until nobody sees it any more."""
    admin = KafkaAdminClient(bootstrap_servers=trial.stack.kafka.address)
    try:
        admin.delete_topics([topic])
        trial.until(lambda: topic not in admin.list_topics(), f"{topic} is deleted")
    finally:
        admin.close()
