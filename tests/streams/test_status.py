"""The status tells how everything stands, and what it could not find out."""

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import StringIO

import pytest
from kafka import KafkaConsumer, TopicPartition
from kafka.structs import OffsetAndMetadata
from prometheus_client import Counter, Enum, Gauge, Info
from rich.console import Console
from typer.testing import CliRunner

from processors.detection import DetectorSettings
from processors.errors import ConfigurationError, PoisonError
from processors.messages import DeadLetter, Origin
from streams import cli
from streams.codec import encode
from streams.deadletters import dead_letter
from streams.kafka_clients import producer
from streams.partition_detector import PartitionDetector, Place
from streams.services.detect_metrics import DetectMetrics
from streams.services.monitor import Monitor, Progress
from streams.services.runner import addresses_of
from streams.settings import Settings, load_settings
from streams.stack.kafka import Kafka
from streams.status import Letters, ServiceState, Status, Unknown, as_record, read_status
from streams.status_view import status_page
from tests.services.kafka_client import Prefix, new_prefix

AWAY = {f"services.{name}_port": str(22890 + i) for i, name in enumerate(("enrich", "detect", "index", "clock", "web"))}


def page(settings: Settings, width: int = 120) -> str:
    console = Console(width=width, record=True, file=StringIO())
    console.print(status_page(read_status(settings)))
    return console.export_text()


def test_services_on_other_hosts_are_found_by_their_addresses() -> None:
    given = "enrich=one:9101,enrich=two:9101,collect=three:9106"
    settings = load_settings(None, {}, {"services.addresses": given, "services.clock_port": "7"})
    assert addresses_of(settings) == {
        "enrich": ("enrich", "one:9101"),
        "enrich on two:9101": ("enrich", "two:9101"),
        "collect": ("collect", "three:9106"),
        "detect": ("detect", "127.0.0.1:9102"),
        "index": ("index", "127.0.0.1:9103"),
        "clock": ("clock", "127.0.0.1:7"),
        "web": ("web", "127.0.0.1:9105"),
    }


@pytest.mark.parametrize("wrong", ["enrich", "enrich=", "enrich=host", "enrich=host:x", "stranger=host:1", "enrich=:1"])
def test_an_address_that_is_none_is_refused(wrong: str) -> None:
    with pytest.raises(ConfigurationError, match=r"services\.addresses has"):
        addresses_of(load_settings(None, {}, {"services.addresses": wrong}))


def letter(reason: str, offset: int) -> DeadLetter:
    return dead_letter("enrich", PoisonError(reason, "wrong"), Origin("t.news", 0, offset), b"{")


def acknowledged(prefix: Prefix, service: str, topic: str, offset: int, partition: int = 0) -> None:
    """The group of a service commits."""
    consumer = KafkaConsumer(
        bootstrap_servers=prefix.flags["kafka.servers"],
        group_id=f"{prefix.settings.kafka.prefix}-{service}",
        enable_auto_commit=False,
    )
    place = TopicPartition(prefix.name(topic), partition)
    consumer.assign([place])
    consumer.commit({place: OffsetAndMetadata(offset, "", -1)})
    consumer.close()


@pytest.fixture
def enrich() -> Iterator[int]:
    """A worker with some metrics, one of them by a stranger's name; the port that it shows them on."""
    monitor = Monitor("enrich", Progress(60))
    registry = monitor.registry
    outcomes = Counter("tocsin_documents", "x", ["outcome"], registry=registry)
    outcomes.labels("labelled").inc(41)
    outcomes.labels("refused").inc(2)
    Gauge("tocsin_seconds_since_document", "x", ["source"], registry=registry).labels("wi\x1b[31mre").set(90)
    Info("tocsin_model", "x", registry=registry).info({"name": "mini", "version": "3", "hash": "ab" * 8})
    breaker = Enum("tocsin_breaker", "x", ["dependency"], states=["closed", "half-open", "open"], registry=registry)
    breaker.labels("triton").state("open")
    monitor.progress.made()
    server = monitor.serve("127.0.0.1", 0)
    yield int(server.server_address[1])
    server.shutdown()


def test_lag_is_what_each_group_has_not_acknowledged(kafka: Kafka) -> None:
    prefix = new_prefix(kafka, **AWAY)
    for _ in range(3):
        prefix.send("news", b"{}", partition=1)
    prefix.send("social", b"{}")
    acknowledged(prefix, "enrich", "news", 1, partition=1)
    writer = producer(prefix.settings.kafka, transactional_id=prefix.name("test"))
    writer.init_transactions()
    writer.begin_transaction()
    writer.send(prefix.name("alerts"), b"{}", partition=0)
    writer.commit_transaction()
    writer.close()
    acknowledged(prefix, "index", "alerts", 1)
    lags = read_status(prefix.settings).lags
    assert not isinstance(lags, Unknown), lags
    found = {(lag.service, lag.topic, lag.partition): (lag.committed, lag.lag) for lag in lags}
    assert found["enrich", "news", 1] == (1, 2)
    assert found["enrich", "news", 0] == (None, 0)
    assert found["enrich", "social", 0] == (None, 1)
    assert found["index", "alerts", 0] == (1, 0), "the marker of a transaction is no record that waits"
    shown = page(prefix.settings)
    assert "1: 2" in shown
    assert "nothing acknowledged yet" in shown


def test_the_page_tells_outcomes_freshness_model_breaker_and_dead_letters(kafka: Kafka, enrich: int) -> None:
    prefix = new_prefix(kafka, **AWAY | {"services.enrich_port": str(enrich)})
    for number, reason in enumerate(["invalid-json", "invalid-json", "too-deep"]):
        prefix.send("deadletters", encode(letter(reason, number)))
    prefix.send("deadletters", b"no letter")
    shown = page(prefix.settings)
    for told in (
        "41 labelled, 2 refused",
        "mini 3 (abababababab)",
        "90 s ago",
        "does not reach triton",
        "invalid-json",
    ):
        assert told in shown
    assert "\x1b" not in shown
    assert "nothing answers at 127.0.0.1:22891" in " ".join(shown.split())
    record = as_record(read_status(prefix.settings))
    assert {"stage": "enrich", "reason": "invalid-json", "count": 2} in record["dead_letters"]["by_reason"]
    assert record["services"]["enrich"]["outcomes"] == {"labelled": 41, "refused": 2}
    assert "unknown" in record["services"]["detect"]
    for width in (60, 80, 160):
        assert max(map(len, page(prefix.settings, width).splitlines())) <= width


def test_what_is_away_is_said_and_the_rest_told(enrich: int) -> None:
    flags = AWAY | {"kafka.servers": "127.0.0.1:22899", "services.enrich_port": str(enrich)}
    shown = page(load_settings(None, {}, flags))
    assert "no Kafka broker answers at 127.0.0.1:22899" in " ".join(shown.split())
    assert shown.count("KafkaTimeoutError") == shown.count("no Kafka broker answers"), "the kind of error is told once"
    assert "41 labelled" in shown


def test_what_waits_for_the_clock_and_what_could_not_wait_is_told() -> None:
    place = Place("wide", 0, "tocsin.wide")
    monitor = Monitor("detect", Progress(60))
    metrics = DetectMetrics(monitor.registry)
    metrics.show(PartitionDetector.begin(place, DetectorSettings(), frozenset()), None)
    server = monitor.serve("127.0.0.1", 0)
    flags = AWAY | {"kafka.servers": "127.0.0.1:22899", "services.detect_port": str(server.server_address[1])}
    settings = load_settings(None, {}, flags)
    assert "until the clock" not in page(settings)
    metrics.held.labels("wide/0").set(1234)
    assert "1,234 records wait until the clock gets there" in page(settings)
    assert "before their time" not in page(settings)
    metrics.records.labels("wide", "early").inc(7)
    assert "7 were judged before their time" in page(settings)
    assert as_record(read_status(settings))["services"]["detect"]["held"] == {"wide/0": 1234}
    server.shutdown()


def test_a_service_that_has_no_history_yet_says_before_when_nothing_rings() -> None:
    monitor = Monitor("detect", Progress(60))
    warm = DetectMetrics(monitor.registry).warm
    server = monitor.serve("127.0.0.1", 0)
    flags = AWAY | {"kafka.servers": "127.0.0.1:22899", "services.detect_port": str(server.server_address[1])}
    settings = load_settings(None, {}, flags)
    day = datetime(2026, 1, 22, tzinfo=UTC).timestamp()
    warm.labels("wide/0").set(day)
    warm.labels("mentions/0").set(day + 86_400)
    assert "Learning: nothing rings before 22 Jan 2026 (" in page(settings)
    assert as_record(read_status(settings))["services"]["detect"]["warm_from"]["wide/0"] == day
    warm.labels("wide/0").set(0)
    assert "nothing rings before 23 Jan 2026 in 1 of 2 partitions" in page(settings)
    warm.labels("mentions/0").set(0)
    assert "Learning" not in page(settings)
    server.shutdown()


def test_without_topics_the_status_says_how_to_make_them(kafka: Kafka) -> None:
    shown = page(new_prefix(kafka, topics=False, **AWAY).settings)
    assert "tocsin topics create" in " ".join(shown.split())


def test_another_program_on_a_port_is_no_service(kafka: Kafka, enrich: int) -> None:
    class Stranger(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"<html>")

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Stranger)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    ports = {"services.index_port": str(server.server_address[1]), "services.detect_port": str(enrich)}
    services = read_status(new_prefix(kafka, **AWAY | ports).settings).services
    server.shutdown()
    assert isinstance(services["index"], Unknown)
    assert "no service of Tocsin" in services["index"].why
    assert isinstance(services["detect"], Unknown)
    assert "is enrich" in services["detect"].why


def test_the_command_prints_the_page_or_json(kafka: Kafka) -> None:
    prefix = new_prefix(kafka, **AWAY)
    told = json.loads(CliRunner().invoke(cli.app, ["status", "--json", *prefix.arguments]).stdout)
    assert told["prefix"] == prefix.settings.kafka.prefix
    assert abs((datetime.fromisoformat(told["at"]) - datetime.now(UTC)).total_seconds()) < 60
    printed = CliRunner().invoke(cli.app, ["status", *prefix.arguments])
    assert printed.exit_code == 1, "no service answers"
    assert "No dead letters" in printed.stdout


def test_all_is_well_where_all_that_is_wanted_is_ready() -> None:
    def well(topics: str | Unknown = "as they should be", **services: ServiceState | Unknown) -> bool:
        states = dict.fromkeys(("enrich", "detect", "index", "clock", "web"), ServiceState(True, None, {}))
        found = Status(datetime.now(UTC), "p", "s", topics, [], Letters(0, 0, {}), states | services)
        return found.is_well

    assert well()
    assert well(clock=Unknown("away"), web=Unknown("away")), "history brings its own time"
    assert not well(topics=Unknown("no Kafka"))
    assert not well(detect=Unknown("away"))
    assert not well(index=ServiceState(False, "Elasticsearch", {}))
