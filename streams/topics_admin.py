"""The topics of a prefix on the broker: made, corrected, checked and listed.

What a topic keeps and how it stamps records may be corrected at any time. Its number of partitions may not: keys would
move to other partitions, and every detector's state with them.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from time import monotonic, sleep
from typing import Final

from kafka import KafkaAdminClient, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.errors import (
    InvalidReplicationFactorError,
    NoError,
    RetriableError,
    TopicAlreadyExistsError,
    UnknownTopicOrPartitionError,
    for_code,
)

from processors.errors import ConfigurationError, FatalError
from streams.kafka_clients import admin, broker_errors
from streams.service_settings import KafkaSettings
from streams.settings import Settings
from streams.terminal import counted
from streams.topics import Topics, TopicSpec

CREATE: Final = "`tocsin topics create`"

_SECONDS_TO_APPEAR: Final = 15
_LOOK_SECONDS: Final = 0.2


@dataclass(frozen=True, slots=True)
class TopicState:
    """One topic as the broker has it; `size` is bytes on disk of all copies, None where the broker does not tell."""

    name: str
    partitions: int
    configuration: Mapping[str, str]
    size: int | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that was done: the topic, and what became of it in words."""

    topic: str
    what: str


def create_topics(settings: Settings) -> list[Change]:
    """Create the topics of the prefix that are missing and correct the configuration of the others.

    Doing it again changes nothing. Raises ConfigurationError, before anything is changed, where a topic has another
    number of partitions than the settings say, or where the broker refuses them; RetryableError where none answers.
    """
    kafka = settings.kafka
    with admin(kafka) as client, broker_errors(kafka, "creating topics"):
        found = _describe(client, Topics(kafka))
        pairs = [(spec, found.get(spec.name)) for spec in Topics(kafka).specs()]
        _refuse([fault for spec, state in pairs if state for fault in _partition_faults(spec, state)])
        changes = _create(client, [spec for spec, state in pairs if state is None], kafka)
        changes += _correct(client, [(spec, state) for spec, state in pairs if state])
    return changes


def check_topics(settings: Settings) -> None:
    """See that every topic is as the services need it; called by each of them at its start.

    Raises ConfigurationError naming each topic that is missing or wrong, what is wrong and how to mend it;
    RetryableError where no broker answers.
    """
    kafka = settings.kafka
    with admin(kafka) as client, broker_errors(kafka, "describing topics"):
        found = _describe(client, Topics(kafka))
        transactional = _transactional(client, Topics(kafka), found)
    missing = [spec.name for spec in Topics(kafka).specs() if spec.name not in found]
    faults = [f"missing: {', '.join(missing)}; run {CREATE}, or set kafka.prefix"] if missing else []
    faults += [fault for spec in Topics(kafka).specs() for fault in faults_of(spec, found.get(spec.name))]
    _refuse(
        faults
        + [
            f"the topic {place.topic}, partition {place.partition}, is written in transactions, of which enrich would read what "
            "is aborted: write to it with an ordinary producer, one without transactional.id; then use another kafka.prefix, "
            "or wait until the broker has forgotten the producer (producer.id.expiration.ms, a day)"
            for place in transactional
        ]
    )


def list_topics(settings: Settings) -> list[tuple[TopicSpec, TopicState | None]]:
    """Every topic of the prefix: as it should be, and as the broker has it (None where it has none), with its size.

    Raises RetryableError where no broker answers.
    """
    kafka = settings.kafka
    with admin(kafka) as client, broker_errors(kafka, "describing topics"):
        found = _describe(client, Topics(kafka), sizes=True)
    return [(spec, found.get(spec.name)) for spec in Topics(kafka).specs()]


def faults_of(spec: TopicSpec, state: TopicState | None) -> list[str]:
    """What of `state` no service can work with, each with its mend; nothing where the topic is missing. How long a
    topic keeps records is not among it: an operator may choose."""
    return [*_partition_faults(spec, state), *_configuration_faults(spec, state)] if state else []


def _partition_faults(spec: TopicSpec, state: TopicState) -> Iterator[str]:
    if state.partitions != spec.partitions:
        yield (
            f"the topic {spec.name} has {state.partitions} partitions, {spec.partitions} are set by {spec.counted_by}: "
            "the number is fixed for the life of a prefix; set it as it is, or begin anew with another kafka.prefix"
        )


def _configuration_faults(spec: TopicSpec, state: TopicState) -> Iterator[str]:
    has = state.configuration
    needed = spec.configuration
    for name, why in (
        ("cleanup.policy", "records of the log would vanish" if spec.days else "it would lose state, or grow forever"),
        ("message.timestamp.type", "the broker's clock has to stamp every record"),
    ):
        if has.get(name) != needed[name]:
            yield f"the topic {spec.name} has {name}={has.get(name)}, {needed[name]} is needed, for {why}: run {CREATE}"
    name = "max.message.bytes"
    if int(has.get(name, 0)) < int(needed[name]):
        yield f"the topic {spec.name} takes records up to {has.get(name)} bytes, {needed[name]} are needed: run {CREATE}"


def _refuse(faults: Sequence[str]) -> None:
    if faults:
        raise ConfigurationError("\n".join(faults))


def _create(client: KafkaAdminClient, specs: Sequence[TopicSpec], kafka: KafkaSettings) -> list[Change]:
    if not specs:
        return []
    wanted = {
        spec.name: {
            "num_partitions": spec.partitions,
            "replication_factor": kafka.replication,
            "configs": spec.configuration,
        }
        for spec in specs
    }
    answer = client.create_topics(wanted, raise_errors=False)
    created = set()
    for topic in answer["topics"]:
        error = for_code(topic["error_code"])
        if error is NoError:
            created.add(topic["name"])
        elif error is InvalidReplicationFactorError:
            raise ConfigurationError(
                f"the broker cannot keep {kafka.replication} copies of {topic['name']} ({topic['error_message']}): "
                "set kafka.replication to at most the number of brokers"
            )
        elif error is not TopicAlreadyExistsError:  # another who creates them at the same time is welcome
            raise error(f"{topic['name']}: {topic['error_message']}")
    client.wait_for_topics(list(wanted), timeout_ms=_SECONDS_TO_APPEAR * 1000)
    return [
        Change(spec.name, f"created with {counted(spec.partitions, 'partition')}")
        for spec in specs
        if spec.name in created
    ]


def _correct(client: KafkaAdminClient, pairs: Sequence[tuple[TopicSpec, TopicState]]) -> list[Change]:
    resources, changes = [], []
    for spec, state in pairs:
        wrong = {name: value for name, value in spec.configuration.items() if state.configuration.get(name) != value}
        if wrong:
            resources.append(ConfigResource(ConfigResourceType.TOPIC, spec.name, wrong))
            changes += [
                Change(spec.name, f"{name} corrected from {state.configuration.get(name)} to {value}")
                for name, value in wrong.items()
            ]
    if resources:
        for name, result in client.alter_configs(resources)["topic"].items():
            if result != "OK":
                raise FatalError(f"the broker does not correct the topic {name}: {result}")
    return changes


def _describe(client: KafkaAdminClient, topics: Topics, *, sizes: bool = False) -> dict[str, TopicState]:
    """The topics of the prefix that the broker has, by name."""
    specs = {spec.name: spec for spec in topics.specs()}
    partitions = {}
    for topic in client.describe_topics(list(specs)):
        error = for_code(topic["error_code"])
        if error is NoError:
            partitions[topic["name"]] = len(topic["partitions"])
        elif error is not UnknownTopicOrPartitionError:
            raise error(topic["name"])
    if not partitions:
        return {}
    resources = [
        ConfigResource(ConfigResourceType.TOPIC, name, dict.fromkeys(specs[name].configuration)) for name in partitions
    ]
    configurations = client.describe_configs(resources, config_filter="all")["topic"]
    measured = _sizes(client, list(partitions)) if sizes else {}
    return {
        name: TopicState(
            name,
            count,
            {key: entry["value"] for key, entry in configurations[name].items()},
            measured.get(name),
        )
        for name, count in partitions.items()
    }


def _transactional(client: KafkaAdminClient, topics: Topics, found: Mapping[str, TopicState]) -> list[TopicPartition]:
    """The partitions of the inputs that somebody has written to in transactions, as far back as the broker remembers."""
    places = [
        TopicPartition(name, partition)
        for name, _ in topics.inputs.values()
        if name in found
        for partition in range(found[name].partitions)
    ]
    until = monotonic() + _SECONDS_TO_APPEAR
    states = {}
    while places:
        try:
            states = client.describe_producers(places)
            break
        except RetriableError:  # its partitions have no leader yet, right after they were made
            if monotonic() > until:
                raise
            sleep(_LOOK_SECONDS)
    return sorted(
        place
        for place, state in states.items()
        if any(
            one.coordinator_epoch >= 0 or one.current_transaction_start_offset >= 0 for one in state.active_producers
        )
    )


def _sizes(client: KafkaAdminClient, names: list[str]) -> dict[str, int]:
    sizes = dict.fromkeys(names, 0)
    for broker in client.describe_log_dirs(names):
        for folder in broker["log_dirs"]:
            for topic in folder["topics"]:
                sizes[topic["name"]] += sum(partition["partition_size"] for partition in topic["partitions"])
    return sizes
