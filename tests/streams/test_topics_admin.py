"""Topics are made once, corrected where that is safe, and refused where it is not."""

import json
from dataclasses import replace
from typing import Any

import pytest
from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType
from typer.testing import CliRunner

from processors.errors import ConfigurationError, RetryableError
from streams import cli
from streams.kafka_clients import producer
from streams.settings import Settings, load_settings
from streams.stack.kafka import Kafka
from streams.topics import Topics
from streams.topics_admin import check_topics, create_topics, faults_of, list_topics
from tests.services.kafka_client import Prefix, new_prefix


def altered(prefix: Prefix, topic: str, **configuration: str) -> None:
    """Someone changes the configuration of a topic."""
    client = KafkaAdminClient(bootstrap_servers=prefix.flags["kafka.servers"])
    named = {name.replace("_", "."): value for name, value in configuration.items()}
    client.alter_configs([ConfigResource(ConfigResourceType.TOPIC, prefix.name(topic), named)])
    client.close()


def with_settings(prefix: Prefix, **more: Any) -> Settings:
    return load_settings(None, {}, prefix.flags | {f"kafka.{name}": str(value) for name, value in more.items()})


def test_topics_are_created_once_as_they_should_be(kafka: Kafka) -> None:
    prefix = new_prefix(kafka, topics=False)
    with pytest.raises(ConfigurationError, match=r"missing: .*\.news, .*`tocsin topics create`"):
        check_topics(prefix.settings)
    created = create_topics(prefix.settings)
    assert {change.topic for change in created} == {spec.name for spec in Topics(prefix.settings.kafka).specs()}
    assert create_topics(prefix.settings) == []
    check_topics(prefix.settings)
    listed = list_topics(prefix.settings)
    assert all(state and state.partitions == spec.partitions and state.size == 0 for spec, state in listed)


def test_configuration_is_corrected_and_each_correction_told(kafka: Kafka) -> None:
    prefix = new_prefix(kafka)
    altered(prefix, "news", cleanup_policy="compact", message_timestamp_type="CreateTime")
    altered(prefix, "documents", max_message_bytes="1000")
    altered(prefix, "state", cleanup_policy="delete")
    with pytest.raises(ConfigurationError) as refusal:
        check_topics(prefix.settings)
    told = str(refusal.value).splitlines()
    for topic, what in (
        ("news", "cleanup.policy=compact"),
        ("news", "message.timestamp.type=CreateTime"),
        ("documents", "up to 1000 bytes"),
        ("state", "cleanup.policy=delete"),
    ):
        [line] = [line for line in told if prefix.name(topic) in line and what in line]
        assert "tocsin topics create" in line
    assert len(create_topics(prefix.settings)) == 4
    check_topics(prefix.settings)


def test_how_long_records_are_kept_follows_the_setting_but_stops_no_service(kafka: Kafka) -> None:
    prefix = new_prefix(kafka)
    settings = with_settings(prefix, input_days=3)
    check_topics(settings)
    changed = {change.topic for change in create_topics(settings)}
    assert changed == {prefix.name("news"), prefix.name("social"), prefix.name("canary")}


def test_another_number_of_partitions_is_refused_before_anything_is_changed(kafka: Kafka) -> None:
    prefix = new_prefix(kafka)
    settings = with_settings(prefix, news_partitions=3, input_days=1)
    for refuse in (create_topics, check_topics):
        with pytest.raises(ConfigurationError) as refusal:
            refuse(settings)
        assert f"{prefix.name('news')} has 2 partitions, 3 are set by kafka.news_partitions" in str(refusal.value)
    assert create_topics(prefix.settings) == [], "its retention was changed all the same"


def test_more_copies_than_brokers_are_refused(kafka: Kafka) -> None:
    prefix = new_prefix(kafka, topics=False)
    with pytest.raises(ConfigurationError, match="set kafka.replication"):
        create_topics(with_settings(prefix, replication=3))


def test_a_broker_that_is_away_may_come_back() -> None:
    settings = load_settings(None, {}, {"kafka.servers": "127.0.0.1:22899"})
    with pytest.raises(RetryableError, match="127.0.0.1:22899"):
        check_topics(settings)


def test_the_commands_tell_what_they_did_and_what_is_there(kafka: Kafka) -> None:
    prefix = new_prefix(kafka, topics=False)
    run = CliRunner().invoke
    assert "missing" in run(cli.app, ["topics", "list", *prefix.arguments]).stdout
    assert (
        f"{prefix.name('news')}: created with 2 partitions"
        in run(cli.app, ["topics", "create", *prefix.arguments]).stdout.splitlines()
    )
    assert run(cli.app, ["topics", "create", *prefix.arguments]).stdout == "All topics are as they should be.\n"
    listed = run(cli.app, ["topics", "list", "--json", *prefix.arguments]).stdout.splitlines()
    records = {record["topic"]: record for record in map(json.loads, listed)}
    assert records[prefix.name("news")]["partitions"] == 2
    assert all(record["exists"] and not record["faults"] for record in records.values())


def test_a_larger_limit_than_needed_is_no_fault(kafka: Kafka) -> None:
    prefix = new_prefix(kafka)
    [(spec, state)] = [(spec, state) for spec, state in list_topics(prefix.settings) if spec.name.endswith(".news")]
    assert state is not None
    larger = replace(state, configuration={**state.configuration, "max.message.bytes": "9999999"})
    assert faults_of(spec, larger) == []
    assert faults_of(spec, None) == []


def test_an_input_topic_that_somebody_writes_to_in_transactions_is_refused(kafka: Kafka) -> None:
    prefix = new_prefix(kafka)
    prefix.send("news", b"{}", partition=0)
    check_topics(prefix.settings)
    writer = producer(prefix.settings.kafka, transactional_id=prefix.name("stranger"))
    writer.init_transactions()
    writer.begin_transaction()
    writer.send(prefix.name("social"), b"{}", partition=1)
    writer.flush()
    refused = rf"{prefix.name('social')}, partition 1, is written in transactions.*transactional\.id"
    with pytest.raises(ConfigurationError, match=refused):
        check_topics(prefix.settings)  # while it is open
    writer.abort_transaction()
    with pytest.raises(ConfigurationError, match=refused):
        check_topics(prefix.settings)
    writer.close()
    reader = new_prefix(kafka)
    writer = producer(reader.settings.kafka, transactional_id=reader.name("detect"))
    writer.init_transactions()
    writer.begin_transaction()
    writer.send(reader.name("alerts"), b"{}", partition=0)
    writer.commit_transaction()
    writer.close()
    check_topics(reader.settings)  # our own are written in transactions
