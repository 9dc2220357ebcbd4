"""The settings of the running services: where Kafka, Triton and Elasticsearch are, and how each service works.

None of them changes what an alert says: what judgements depend on stands beside the processors.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le, MinLen

from processors.parameters import parameter

Port = Annotated[int, Ge(1), Le(65_535)]
Partitions = Annotated[int, Ge(1), Le(1024)]
Days = Annotated[int, Ge(1), Le(36_500)]
Seconds = Annotated[float, Gt(0), Le(3600)]


@dataclass(frozen=True, slots=True)
class KafkaSettings:
    """The brokers, and the topics of one prefix. One prefix is one log with one clock."""

    servers: tuple[Annotated[str, MinLen(1)], ...] = parameter(
        ("127.0.0.1:9092",), "brokers to begin with", unit="host:port"
    )
    prefix: Annotated[str, MinLen(1)] = parameter("tocsin", "how the names of all topics and groups begin")
    security: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = parameter(
        "PLAINTEXT", "protocol that the brokers speak"
    )
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = parameter(
        "SCRAM-SHA-512", "how a SASL protocol proves who we are"
    )
    username: str = parameter("", "account of a SASL protocol")
    password: str = parameter("", "password of that account: set it by the environment")
    ca_file: str = parameter("", "certificates that a TLS protocol trusts; the system's if empty", unit="path")

    news_partitions: Partitions = parameter(4, "partitions of the news topic; fixed for the life of a prefix")
    social_partitions: Partitions = parameter(4, "partitions of the social topic; fixed for the life of a prefix")
    mention_partitions: Partitions = parameter(
        4, "partitions of the mentions, so many detect workers can share them; fixed for the life of a prefix"
    )
    replication: Annotated[int, Ge(1), Le(15)] = parameter(1, "copies of each topic: 3 where there are 3 brokers")
    input_days: Days = parameter(7, "how long news and social are kept", unit="d")
    result_days: Days = parameter(14, "how long documents, mentions, wide, series and dead letters are kept", unit="d")
    alert_days: Days = parameter(365, "how long alerts are kept", unit="d")


@dataclass(frozen=True, slots=True)
class TritonSettings:
    """The inference service."""

    server: Annotated[str, MinLen(1)] = parameter("127.0.0.1:8001", "address of its gRPC port", unit="host:port")
    model: Annotated[str, MinLen(1)] = parameter("tocsin", "name of the model in its repository")
    timeout: Seconds = parameter(10.0, "longest wait for one answer before it is asked again", unit="s")
    concurrency: Annotated[int, Ge(1), Le(64)] = parameter(4, "requests in flight at once")


@dataclass(frozen=True, slots=True)
class ElasticsearchSettings:
    """The search index."""

    servers: tuple[Annotated[str, MinLen(1)], ...] = parameter(
        ("http://127.0.0.1:9200",), "its nodes, any of which is asked", unit="URL"
    )
    prefix: Annotated[str, MinLen(1)] = parameter("tocsin", "how the names of all indices and aliases begin")
    username: str = parameter("", "account, where the cluster asks for one")
    password: str = parameter("", "password of that account: set it by the environment")
    ca_file: str = parameter("", "certificates that https trusts; the system's if empty", unit="path")
    timeout: Seconds = parameter(30.0, "longest wait for one answer", unit="s")
    replicas: Annotated[int, Ge(0), Le(10)] = parameter(0, "copies of each index beside the first")


@dataclass(frozen=True, slots=True)
class ServiceSettings:
    """What all services have in common."""

    host: str = parameter("127.0.0.1", "address that health and metrics are served on")
    addresses: tuple[Annotated[str, MinLen(1)], ...] = parameter(
        (),
        "where status and console find services that run elsewhere, as enrich=host:9101; a service may be named twice",
        unit="name=host:port",
    )
    enrich_port: Port = parameter(9101, "port of enrich's health and metrics")
    detect_port: Port = parameter(9102, "port of detect's health and metrics")
    index_port: Port = parameter(9103, "port of index's health and metrics")
    clock_port: Port = parameter(9104, "port of clock's health and metrics")
    web_port: Port = parameter(9105, "port of web's health and metrics; the console has its own, web.port")
    collect_port: Port = parameter(9106, "port of collect's health and metrics; what is pushed goes to push.port")
    deliver_port: Port = parameter(9107, "port of deliver's health and metrics")
    log_level: Literal["debug", "info", "warning", "error"] = parameter(
        "warning", "what is logged: normal operation is silent at warning"
    )
    stall_seconds: Seconds = parameter(
        60.0, "without progress for this long, though there is work, a service is not ready", unit="s"
    )
    retry_first: Seconds = parameter(
        0.1, "first wait before a dependency that failed is asked again; it doubles", unit="s"
    )
    retry_longest: Seconds = parameter(10.0, "longest wait before it is asked again", unit="s")


@dataclass(frozen=True, slots=True)
class EnrichSettings:
    """The stream processor that labels."""

    batch_size: Annotated[int, Ge(1), Le(4096)] = parameter(256, "most documents handled at once")
    linger: Annotated[float, Gt(0), Le(10)] = parameter(0.1, "longest wait for a batch to fill", unit="s")
    future_tolerance: Annotated[int, Ge(0), Le(86_400)] = parameter(
        600, "a document published this much after the broker received it is refused", unit="s"
    )


@dataclass(frozen=True, slots=True)
class DetectSettings:
    """The detector on Kafka."""

    batch_size: Annotated[int, Ge(1), Le(10_000)] = parameter(2000, "most records in one transaction")
    save_interval: Annotated[float, Gt(0), Le(600)] = parameter(
        5.0, "the state is saved this often; a start applies again what came after", unit="s"
    )
    save_records: Annotated[int, Ge(1), Le(1_000_000)] = parameter(
        25_000, "or when it is behind by this many records of a partition"
    )
    session: Seconds = parameter(6.0, "a worker that is silent for this long loses its partitions", unit="s")
    watchdog: Seconds = parameter(30.0, "a worker that makes no progress for this long ends itself", unit="s")
    adopt_settings: bool = parameter(
        False,
        "go on with settings of detection other than those that the state was made with; without it that is refused",
    )
    rebuild: bool = parameter(
        False, "build a state that is missing or contradicts the log again from the log; without it that is refused"
    )


@dataclass(frozen=True, slots=True)
class IndexSettings:
    """The sink into Elasticsearch."""

    batch_size: Annotated[int, Ge(1), Le(10_000)] = parameter(1000, "most records in one bulk request")
    batch_bytes: Annotated[int, Ge(100_000), Le(100_000_000)] = parameter(
        8_000_000, "largest bulk request", unit="bytes"
    )


@dataclass(frozen=True, slots=True)
class ClockSettings:
    """The clock, and the canary that it sends through everything."""

    tick_seconds: Annotated[float, Gt(0), Le(60)] = parameter(5.0, "time between two ticks", unit="s")
    canary_seconds: Annotated[float, Ge(0), Le(3600)] = parameter(
        60.0, "between two canary documents; 0 sends none", unit="s"
    )


@dataclass(frozen=True, slots=True)
class WebSettings:
    """The console."""

    host: Annotated[str, MinLen(1)] = parameter(
        "127.0.0.1", "address that it listens on; any but this machine's own wants a password"
    )
    port: Port = parameter(8480, "port that it listens on")
    password: str = parameter("", "what a browser is asked for, whatever the user's name: set it by the environment")
    store: str = parameter(
        "", "folder of a run, or SQLite store, that it shows; Elasticsearch and Kafka if empty", unit="path"
    )


@dataclass(frozen=True, slots=True)
class CollectSettings:
    """Sources that flow by themselves."""

    sources: str = parameter("", "TOML file that declares them; collect does not run without", unit="path")
    contact: str = parameter("", "whom a publisher can write to: told with every request to a feed")
    workers: Annotated[int, Ge(1), Le(64)] = parameter(4, "feeds looked at at once; never two of one host")
    host_interval: Annotated[float, Gt(0), Le(3600)] = parameter(
        1.0, "shortest time between two requests to the same host", unit="s"
    )
    feed_seconds: Annotated[float, Gt(0), Le(600)] = parameter(30.0, "longest look at one feed, in all", unit="s")
    feed_bytes: Annotated[int, Ge(10_000), Le(100_000_000)] = parameter(
        10_000_000, "largest feed, unpacked", unit="bytes"
    )
    most_waiting: Annotated[int, Ge(1), Le(100_000_000)] = parameter(
        100_000, "while so many records wait for enrich, nothing more is taken"
    )


@dataclass(frozen=True, slots=True)
class PushSettings:
    """Where collect takes what programs push, if a source is declared with push = true."""

    host: Annotated[str, MinLen(1)] = parameter(
        "127.0.0.1", "address that it listens on; any but this machine's own wants a key"
    )
    port: Port = parameter(8481, "port that it listens on")
    key: str = parameter("", "what a program has to bring (Authorization: Bearer …): set it by the environment")
    bytes: Annotated[int, Ge(1024), Le(100_000_000)] = parameter(
        8_000_000, "largest request that is read", unit="bytes"
    )


@dataclass(frozen=True, slots=True)
class DeliverSettings:
    """Alarms for people: which desks hear what."""

    desks: str = parameter("", "TOML file of desks and channels; deliver does not run without", unit="path")
    console: str = parameter("", "where people reach the console: messages lead there", unit="URL")
    timeout: Annotated[float, Gt(0), Le(60)] = parameter(8.0, "longest wait for a webhook to answer", unit="s")
    retry_longest: Seconds = parameter(
        300.0, "longest wait before a message is tried again; it begins at a second", unit="s"
    )
    give_up_hours: Annotated[float, Gt(0), Le(720)] = parameter(
        24.0, "a message that has not arrived by then becomes a dead letter", unit="h"
    )
