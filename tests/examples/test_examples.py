"""The examples, run as their readers would run them, on the real servers."""

import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from xml.etree import ElementTree

from processors.messages import Origin
from streams.channels import WebhookChannel
from streams.deliver.delivery import Delivery
from streams.deliver.sending import Speech, send, send_test
from streams.elastic_store import ElasticStore
from streams.names import Names
from streams.service_settings import ElasticsearchSettings
from streams.stack.install import KAFKA, cache_folder, installed
from streams.stack.kafka import Kafka
from streams.stack.ports import Ports
from tests.deliver.receiver import OTHER, SECRET
from tests.patience import PATIENCE
from tests.services.kafka_client import new_prefix
from tests.streams.sample_messages import NOON, alert, series_point

ROOT = Path(__file__).resolve().parent.parent.parent
EXAMPLES = ROOT / "streams" / "examples"


@contextmanager
def running(command: Sequence[object], folder: Path, **more: str) -> Iterator[subprocess.Popen[str]]:
    """A program that prints lines, ended with the block; it does not outlive the patience of a test."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", **more}
    process = subprocess.Popen(
        [str(word) for word in command], stdout=subprocess.PIPE, text=True, cwd=folder, env=environment
    )
    ended = threading.Timer(PATIENCE, process.kill)
    ended.start()
    try:
        yield process
    finally:
        ended.cancel()
        process.kill()
        process.wait()


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_an_alarm_is_printed_once_though_the_reader_is_killed_in_between(kafka: Kafka, tmp_path: Path) -> None:
    prefix = new_prefix(kafka)
    command = [sys.executable, EXAMPLES / "follow_alerts.py", kafka.address, prefix.settings.kafka.prefix]
    position = tmp_path / "position.txt"
    with running(command, tmp_path) as reader:
        while not position.exists():
            assert reader.poll() is None
        prefix.ring(alert("alert-1", tier="watch"))
        prefix.ring(alert("alert-x"), commit=False)
        assert line(reader).startswith("06 May 12:00 watch open company:BA: 14 new negative stories")
        reader.kill()
    prefix.ring(alert("alert-2", event="close", at=NOON + timedelta(hours=1)))
    with running(command, tmp_path) as reader:
        assert line(reader).startswith("06 May 13:00 urgent close company:BA")


def test_another_language_reads_what_was_committed_and_knows_it_by_its_headers(kafka: Kafka, tmp_path: Path) -> None:
    prefix = new_prefix(kafka)
    prefix.ring(alert("alert-1"))
    prefix.ring(alert("alert-x"), commit=False)
    prefix.ring(alert("alert-2", event="escalate", series="source:Wire — Ünïcode"))
    jars = installed(KAFKA, cache_folder(os.environ), lambda line: None) / "libs"
    command = ["java", "-Xmx128m", "-cp", f"{jars}/*", EXAMPLES / "FollowAlerts.java"]
    with running([*command, kafka.address, prefix.settings.kafka.prefix], tmp_path) as reader:
        assert re.fullmatch(r"2024-05-06T12:00:00Z tocsin\.alert\.open company:BA alert-1 \d+ bytes", line(reader))
        assert "tocsin.alert.escalate source:Wire — Ünïcode alert-2" in line(reader)


def test_a_companys_sentiment_is_drawn_from_the_index(elastic_settings: ElasticsearchSettings, tmp_path: Path) -> None:
    store = ElasticStore(elastic_settings, refresh=True)
    store.write_points(
        [
            series_point(start=NOON + timedelta(hours=6 * n), negative=n % 4, positive=1, series=series)
            for n in range(40)
            for series in ("company:BA", "company:GE")
        ]
    )
    store.close()
    options = ["--server", elastic_settings.servers[0], "--prefix", elastic_settings.prefix]
    command = [sys.executable, str(EXAMPLES / "chart_sentiment.py"), "BA", "--out", "ba.svg", *options]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert (done.returncode, done.stdout) == (0, "11 days in ba.svg\n"), done.stderr
    picture = ElementTree.parse(tmp_path / "ba.svg").getroot()
    titles = [element.text for element in picture.iter("{http://www.w3.org/2000/svg}title")]
    assert titles[1] == "2024-05-07: 6 negative, 8 neutral, 4 positive"
    missing = subprocess.run(
        [*command[:2], "NONE", *options], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert missing.returncode == 1 and "nothing of NONE" in missing.stderr


def test_a_webhook_is_taken_once_and_only_from_who_knows_the_secret(tmp_path: Path) -> None:
    port = Ports.picked().kafka
    command = [sys.executable, EXAMPLES / "receive_webhooks.py", port]
    url, speech = f"http://127.0.0.1:{port}/", Speech(Names())
    message = Delivery("message-1", "desk", "room", (alert(),), "message-1", NOON, Origin("alerts", 0, 0))
    with running(command, tmp_path, SECRET=SECRET) as reader:
        room = WebhookChannel("room", url, (OTHER, SECRET), allow_private=True)
        while (failure := send(room, message, speech)) and failure.why.startswith("no answer"):
            assert reader.poll() is None
        assert failure is None
        assert send(room, message, speech) is None, "again, as when nobody heard the answer"
        stranger = send(WebhookChannel("room", url, (OTHER,), allow_private=True), message, speech)
        assert stranger is not None and "401" in stranger.why
        assert send_test(room, "desk", "test-1", "2024-05-06T12:00:00Z", speech) is None
        assert line(reader) == "tocsin.alert.open desk BA"
        assert line(reader).startswith("tocsin.test desk This is a test")


def test_every_example_is_told_of_and_tested() -> None:
    told = (EXAMPLES / "README.md").read_text()
    tested = Path(__file__).read_text()
    for path in EXAMPLES.iterdir():
        if path.name != "README.md":
            assert f"]({path.name})" in told and path.name in tested, path.name
