"""Kafka clients as Tocsin uses them: connection, safety and time-outs in one place.

Whoever reads a topic that is written in transactions must not see what was aborted: consumers here are
``read_committed`` unless told otherwise.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final, Literal

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import AuthorizationError, KafkaError, KafkaTimeoutError

from processors.errors import ConfigurationError, RetryableError
from streams.codec import MAX_MESSAGE_BYTES
from streams.service_settings import KafkaSettings
from streams.topics import OVERHEAD_BYTES

BOOTSTRAP_MS: Final = 5_000
CONNECTING_MS: Final = 20
LARGEST: Final = MAX_MESSAGE_BYTES + OVERHEAD_BYTES


def producer(settings: KafkaSettings, **options: Any) -> KafkaProducer:
    """A producer that waits for all replicas and, by default, neither loses nor doubles within its session.

    Keys and values are bytes. `options` are those of kafka-python. Raises RetryableError where no broker answers.
    """
    defaults: dict[str, Any] = {
        "acks": "all",
        "allow_auto_create_topics": False,
        "linger_ms": 5,
        "max_request_size": LARGEST,
        "delivery_timeout_ms": 60_000,
        "request_timeout_ms": 15_000,
    }
    made: KafkaProducer = _reached(settings, lambda: KafkaProducer(**_connection(settings), **(defaults | options)))
    _wait_for_brokers(made)
    return made


def consumer(
    settings: KafkaSettings,
    *,
    group: str | None = None,
    isolation: Literal["read_committed", "read_uncommitted"] = "read_committed",
    **options: Any,
) -> KafkaConsumer:
    """A consumer that begins at the earliest record and commits only when told to.

    `options` are those of kafka-python. Raises RetryableError where no broker answers.
    """
    defaults: dict[str, Any] = {
        "group_id": group,
        "isolation_level": isolation,
        "auto_offset_reset": "earliest",
        "enable_auto_commit": False,
        "allow_auto_create_topics": False,
        "max_partition_fetch_bytes": LARGEST,
    }
    made: KafkaConsumer = _reached(settings, lambda: KafkaConsumer(**(_connection(settings) | defaults | options)))
    if group is not None:
        _finish_joins(made)
    return made


@contextmanager
def lone_consumer(settings: KafkaSettings, **options: Any) -> Iterator[KafkaConsumer]:
    """A consumer outside of any group, without metrics, closed at the end; `options` and errors as of `consumer`."""
    reader = consumer(settings, metrics_enabled=False, **options)
    try:
        yield reader
    finally:
        reader.close()


def positions(consumer: KafkaConsumer, places: Iterable[TopicPartition], timeout_ms: int) -> dict[TopicPartition, int]:
    """The offset of the next record of each of its partitions. Raises KafkaError where one is not known in time."""
    found = {place: consumer.position(place, timeout_ms=timeout_ms) for place in places}
    if unknown := [place for place, position in found.items() if position is None]:
        raise KafkaTimeoutError(f"no position in {', '.join(map(str, unknown))}")
    return found


def is_joining(consumer: KafkaConsumer) -> bool:
    """Whether `consumer` waits for its share of what its group reads: until every member has come, however busy one is."""
    return bool(consumer._coordinator.rejoining)


@contextmanager
def admin(settings: KafkaSettings) -> Iterator[KafkaAdminClient]:
    """An administration client, closed at the end. Raises RetryableError where no broker answers."""
    client = _reached(settings, lambda: KafkaAdminClient(**_connection(settings)))
    try:
        yield client
    finally:
        client.close()


@contextmanager
def broker_errors(settings: KafkaSettings, doing: str) -> Iterator[None]:
    """Tell what Kafka refuses within as our own errors: ConfigurationError where a right is missing, else
    RetryableError. `doing` is what was tried, as in ``reading the alerts``."""
    try:
        yield
    except AuthorizationError as error:
        raise ConfigurationError(
            f"Kafka forbids {doing} ({type(error).__name__}): give {settings.username or 'this client'} the right to"
        ) from error
    except (KafkaError, OSError) as error:
        raise RetryableError(f"Kafka at {', '.join(settings.servers)} failed while {doing} ({named(error)})") from error


def named(error: Exception) -> str:
    """What happened, after the name of its kind, which the errors of Kafka's clients begin with by themselves."""
    told, kind = str(error), type(error).__name__
    return told if told.startswith(kind) else f"{kind}: {told}"


def _finish_joins(consumer: KafkaConsumer) -> None:
    """Have `consumer` go on joining its group until it has joined, once it began to.

    The client asks itself at each poll whether it has to join, and forgets a join under way when the answer has turned to
    no. So it does where a leader joins again only because it learned of partitions, as it does at nearly every start into
    an empty group: once the group has answered it knows them, and has no share yet. If a poll's time is up just then,
    heartbeats stay off and the partitions revoked for good, while `poll` turns round and round without a word. Seen in
    kafka-python 3.0.12, and no later one is out; 2.3.3 asks in the same way. This can go once
    ``tests/services/test_group_joins.py`` finds that the client needs it no more.
    """
    coordinator = consumer._coordinator
    needs_to = coordinator.need_rejoin
    coordinator.need_rejoin = lambda: coordinator.rejoining or needs_to()


def _wait_for_brokers(producer: KafkaProducer) -> None:
    """Have `producer` sleep until it is time to try a broker again, or for a moment while one is tried.

    The client counts that time in seconds and its sender takes them for milliseconds, and to it there is none to wait
    while a connection is made, to a frozen broker for many seconds: while a broker is away it looks
    hundreds of times a second at all that waits: over half a core, where many records do. Seen in kafka-python 3.0.12; this can go once
    ``tests/services/test_producer_at_rest.py`` finds that the client needs it no more.
    """
    client = producer._sender._client
    seconds = client.connection_delay
    client.connection_delay = lambda node: max(1000 * seconds(node), CONNECTING_MS)


def _connection(settings: KafkaSettings) -> dict[str, Any]:
    options: dict[str, Any] = {
        "bootstrap_servers": list(settings.servers),
        "security_protocol": settings.security,
        "client_id": settings.prefix,
        "bootstrap_timeout_ms": BOOTSTRAP_MS,
        # By itself it waits up to 30 s between two tries: five sessions of a member whose broker was away for a moment.
        "reconnect_backoff_max_ms": 1000,
    }
    if settings.security.startswith("SASL"):
        options["sasl_mechanism"] = settings.sasl_mechanism
        options["sasl_plain_username"] = settings.username
        options["sasl_plain_password"] = settings.password
    if settings.ca_file:
        options["ssl_cafile"] = settings.ca_file
    return options


def _reached(settings: KafkaSettings, make: Callable[[], Any]) -> Any:
    try:
        return make()
    except (KafkaError, OSError) as error:
        raise RetryableError(
            f"no Kafka broker answers at {', '.join(settings.servers)} ({named(error)}): start it, or set kafka.servers"
        ) from error
