"""What doctor says of the parts that settings lead to: real ones, missing ones, wrong ones."""

import shutil
import socket
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import StringIO
from pathlib import Path
from threading import Thread

import pytest
from rich.console import Console
from typer.testing import CliRunner

from streams.doctor.deployment import (
    examine_elasticsearch,
    examine_files,
    examine_kafka,
    examine_services,
    examine_triton,
)
from streams.doctor.finding import Finding, findings_table
from streams.service_settings import ElasticsearchSettings, KafkaSettings, TritonSettings
from streams.services.monitor import Monitor, Progress
from streams.settings import DEFAULT_MODEL, Settings, load_settings
from streams.stack.elasticsearch import Elasticsearch
from streams.stack.kafka import Kafka
from streams.stack.triton import Triton
from streams.topics_admin import create_topics

NOTHING = "127.0.0.1:9"
"""An address where nothing listens."""


def settings_of(**values: str) -> Settings:
    return load_settings(None, {}, {name.replace("__", "."): value for name, value in values.items()})


def levels(findings: Iterable[Finding]) -> dict[str, str]:
    return {finding.subject: finding.level for finding in findings}


@pytest.fixture
def foreign_server() -> Iterator[int]:
    """The port of a web server that is none of Tocsin's parts."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"<html>")

        def log_message(self, format: str, *args: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


def test_kafka_is_fine_once_its_topics_are_made(kafka: Kafka) -> None:
    settings = settings_of(kafka__servers=kafka.address, kafka__prefix="doctor-fine")
    before = list(examine_kafka(settings))
    assert levels(before) == {"Kafka": "ok", "topics": "fail"}
    assert before[1].text.startswith("missing: doctor-fine.")
    assert before[1].mend == "tocsin topics create"
    create_topics(settings)
    assert levels(examine_kafka(settings)) == {"Kafka": "ok", "topics": "ok"}


def test_topics_of_another_number_of_partitions_are_told(kafka: Kafka) -> None:
    create_topics(settings_of(kafka__servers=kafka.address, kafka__prefix="doctor-other", kafka__news_partitions="2"))
    found = list(examine_kafka(settings_of(kafka__servers=kafka.address, kafka__prefix="doctor-other")))
    assert levels(found) == {"Kafka": "ok", "topics": "fail"}
    assert "doctor-other.news has 2 partitions, 4 are set by kafka.news_partitions" in found[1].text


def test_triton_with_the_model_at_hand_is_fine(triton: Triton) -> None:
    assert levels(examine_triton(settings_of(triton__server=triton.address))) == {"Triton": "ok"}


def test_triton_without_the_model_that_is_asked_for_is_told(triton: Triton) -> None:
    [finding] = examine_triton(settings_of(triton__server=triton.address, triton__model="another"))
    assert finding.level == "fail"
    assert "does not serve 'another'" in finding.text


def test_elasticsearch_that_answers_is_fine(elasticsearch: Elasticsearch) -> None:
    [finding] = examine_elasticsearch(settings_of(elasticsearch__servers=elasticsearch.address))
    assert (finding.level, "8.19" in finding.text) == ("ok", True)


@pytest.mark.parametrize(
    ("examine", "setting"),
    [
        (examine_kafka, {"kafka__servers": NOTHING}),
        (examine_triton, {"triton__server": NOTHING}),
        (examine_elasticsearch, {"elasticsearch__servers": f"http://{NOTHING}"}),
    ],
)
def test_a_part_that_is_away_is_told_with_what_starts_it(
    examine: Callable[[Settings], Iterable[Finding]], setting: dict[str, str]
) -> None:
    [finding] = examine(settings_of(**setting))
    assert finding.level == "fail"
    assert "tocsin stack up" in finding.mend


def test_something_else_in_place_of_elasticsearch_is_told(foreign_server: int) -> None:
    [finding] = examine_elasticsearch(settings_of(elasticsearch__servers=f"http://127.0.0.1:{foreign_server}"))
    assert finding.level == "fail"


def test_what_leaves_the_machine_unprotected_is_warned_of() -> None:
    away = Settings(
        kafka=KafkaSettings(servers=("192.0.2.1:9",), security="SASL_PLAINTEXT"),
        elasticsearch=ElasticsearchSettings(servers=("http://192.0.2.1:9",), timeout=1),
        triton=TritonSettings(),
    )
    first, *_ = examine_kafka(replace(away, kafka=replace(away.kafka, servers=(NOTHING, "192.0.2.1:9"))))
    assert (first.level, "without encryption" in first.text) == ("warn", True)
    first, *_ = examine_elasticsearch(away)
    assert (first.level, "without an account" in first.text) == ("warn", True)


def test_a_damaged_model_is_told_once(tmp_path: Path) -> None:
    model = tmp_path / "model"
    shutil.copytree(DEFAULT_MODEL, model)
    (model / "tokenizer.json").write_text("{}")
    settings = settings_of(classifier__model=str(model), companies__master=str(tmp_path / "none"))
    assert levels(examine_files(settings)) == {"model": "fail", "companies": "fail"}
    assert list(examine_triton(settings)) == []


def test_the_shipped_files_are_fine() -> None:
    assert levels(examine_files(Settings())) == {"model": "ok", "companies": "ok"}


def test_services_are_told_from_strangers_on_their_ports(foreign_server: int) -> None:
    progress = Progress(60)
    running = Monitor("detect", progress)
    server = running.serve("127.0.0.1", 0)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        settings = settings_of(
            services__enrich_port=str(foreign_server),
            services__detect_port=str(server.server_port),
            services__index_port="9",
            services__clock_port=str(silent.getsockname()[1]),
            services__web_port="10",
        )
        silent.listen()
        before = {finding.subject: finding for finding in examine_services(settings)}
        progress.made()
        after = levels(examine_services(settings))
    server.shutdown()
    server.server_close()
    assert {name: finding.level for name, finding in before.items()} == {
        "enrich": "fail",
        "detect": "fail",
        "index": "ok",
        "clock": "fail",
        "web": "ok",
    }
    assert "makes no progress: it waits for starting" in before["detect"].text
    assert "held by" in before["enrich"].text
    assert "set services.enrich_port" in before["enrich"].mend
    assert after["detect"] == "ok"


def test_texts_of_others_are_shown_as_they_are() -> None:
    console = Console(width=100, record=True, file=StringIO())
    console.print(findings_table([Finding("fail", "port", "held by [bold]x[/] \\[y]", "end [it]")]))
    shown = console.export_text()
    assert "held by [bold]x[/] \\[y]" in shown
    assert "→ end [it]" in shown


def test_the_command_tells_wrong_settings_and_its_exit_code_says_so() -> None:
    import typer

    from streams.commands.doctor import doctor

    app = typer.Typer()
    app.command()(doctor)
    outcome = CliRunner().invoke(app, ["--set", "kafka.perfix=x"])
    assert outcome.exit_code == 1
    assert "did you mean kafka.prefix?" in outcome.output
    assert "1 to mend" in outcome.output
