"""enrich on the real Kafka and the real Triton: killed, frozen, left without a model; judged by reading the topics."""

import base64
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from kafka import TopicPartition
from kafka.errors import CoordinatorNotAvailableError

from models.repository import MODEL_NAME, write_repository
from processors.identity import partition_of
from processors.messages import Canary, DeadLetter, LabelledDocument, Mention, Tick, WideRecord
from streams.codec import decode, encode
from streams.kafka_clients import admin, consumer, producer
from streams.model_inputs import load_model
from streams.settings import DEFAULT_MODEL, Settings, load_settings
from streams.stack.kafka import Kafka
from streams.stack.ports import Ports
from streams.stack.stack import Stack
from streams.stack.triton import Triton
from streams.topics import TICK, TYPE_HEADER, Topics
from streams.topics_admin import create_topics
from tests.patience import PATIENCE

_numbers = count()


@pytest.fixture(scope="module")
def instant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Triton]:
    """The real server with a model that answers at once, and refuses the word "forbidden"."""
    folder = tmp_path_factory.mktemp("instant")
    write_repository(folder / "models", DEFAULT_MODEL, "python", "cpu")
    [encoding] = load_model(DEFAULT_MODEL)[0].encode(["forbidden"])
    model = (
        (Path(__file__).parent / "instant_model.py").read_text().replace("REFUSED = -1", f"REFUSED = {encoding.ids[1]}")
    )
    for version in (folder / "models" / MODEL_NAME).glob("*/model.py"):
        version.write_text(model)
    with Stack(folder / "stack", Ports.picked(), models=folder / "models") as stack:
        stack.up({"triton"})
        yield stack.triton


@dataclass
class Rig:
    """One prefix: what was fed to it, its workers, and what they wrote."""

    settings: Settings
    flags: list[str]
    folder: Path
    fed: dict[tuple[str, int], list[str | datetime]] = field(default_factory=dict)  # by input partition, in order
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.topics = Topics(self.settings.kafka)
        create_topics(self.settings)
        self.producer = producer(self.settings.kafka)
        self.now = datetime.now(UTC) - timedelta(hours=1)

    def document(self, id: str, text: str = "Boeing and Apple shares rise as orders grow", **fields: Any) -> None:
        kind = "news" if partition_of(id, 3) == 0 else "social"
        content = {"id": id, "source": "wire", "published_at": self.now, "text": f"{text}, {id}", **fields}
        identity = f"{content['source']}/{id}"
        partition = partition_of(identity, self.topics.inputs[kind][1])
        self.raw(kind, partition, encode(content), key=identity.encode())
        self.fed.setdefault((kind, partition), []).append(identity)

    def raw(self, kind: str, partition: int, value: bytes | None, **options: Any) -> Any:
        return self.producer.send(self.topics.name(kind), value=value, partition=partition, **options)

    def tick(self) -> None:
        self.now += timedelta(seconds=5)
        for kind, (_, partitions) in self.topics.inputs.items():
            for partition in range(partitions):
                self.raw(kind, partition, encode(Tick(self.now)), headers=[(TYPE_HEADER, TICK)])
                self.fed.setdefault((kind, partition), []).append(self.now)

    def start(self, port: int | None = None) -> subprocess.Popen[bytes]:
        ports = ["--set", f"services.enrich_port={port or Ports.picked().kafka}"]
        with (self.folder / "enrich.log").open("ab") as log:
            command = [sys.executable, "-c", "from streams.cli import main; main()", "run", "enrich"]
            worker = subprocess.Popen([*command, *self.flags, *ports], stdout=log, stderr=log)
        self.workers.append(worker)
        return worker

    def end(self) -> None:
        for worker in self.workers:
            worker.kill()
            worker.wait()
        self.producer.close()

    def read(self, topic: str) -> list[list[Any]]:
        """Every record of every partition."""
        name = self.topics.name(topic)
        reader = consumer(self.settings.kafka)
        partitions = [TopicPartition(name, p) for p in sorted(reader.partitions_for_topic(name))]
        ends = reader.end_offsets(partitions)
        reader.assign(partitions)
        reader.seek_to_beginning(*partitions)
        records: dict[TopicPartition, list[Any]] = {partition: [] for partition in partitions}
        deadline = time.monotonic() + PATIENCE
        while any(reader.position(partition) < ends[partition] for partition in partitions):
            assert time.monotonic() < deadline, f"{name} cannot be read to its end"
            for partition, found in reader.poll(timeout_ms=500).items():
                records[partition] += found
        reader.close()
        return [records[partition] for partition in partitions]

    def backlog(self) -> int:
        """Records of the inputs that are not committed."""
        places = [TopicPartition(name, p) for name, n in self.topics.inputs.values() for p in range(n)]
        with admin(self.settings.kafka) as client:
            group = self.topics.group("enrich")
            try:
                found = client.list_group_offsets(group).get(group, {})
            except CoordinatorNotAvailableError:
                found = {}  # the broker makes the topic of offsets when it is asked for the first time
        reader = consumer(self.settings.kafka)
        ends = reader.end_offsets(places)
        reader.close()
        return sum(ends[place] - (found[place].offset if place in found else 0) for place in places)

    def wait(self, backlog: int = 0) -> None:
        """Until no more than `backlog` records wait; workers that ended are started again, as a supervisor does."""
        self.producer.flush()
        deadline = time.monotonic() + PATIENCE
        while (left := self.backlog()) > backlog:
            assert time.monotonic() < deadline, f"{left} records are left; {self.log()}"
            for worker in [w for w in self.workers if w.poll() is not None]:
                assert worker.returncode != 2, self.log()
                self.workers.remove(worker)
                self.start()
            time.sleep(0.2)

    def kill(self) -> None:
        worker = self.workers.pop(0)
        worker.kill()
        worker.wait()

    def log(self) -> str:
        return (self.folder / "enrich.log").read_text()[-3000:]


@pytest.fixture
def rig(kafka: Kafka, instant: Triton, tmp_path: Path) -> Iterator[Rig]:
    values = {
        "kafka.servers": kafka.address,
        "kafka.prefix": f"enrich-{os.getpid()}-{next(_numbers)}",
        "kafka.news_partitions": "1",
        "kafka.social_partitions": "2",
        "kafka.mention_partitions": "2",
        "triton.server": instant.address,
        "triton.timeout": "5",
        "enrich.batch_size": "64",
    }
    flags = [word for name, value in values.items() for word in ("--set", f"{name}={value}")]
    made = Rig(load_settings(None, {}, values), flags, tmp_path)
    yield made
    made.end()


def is_tick(record: Any) -> bool:
    return (TYPE_HEADER, TICK) in record.headers


def assert_complete(rig: Rig) -> None:
    """Every document fed is there with its two mentions and its wide record, and no tick came before a document that
    was fed before it."""
    fed = {identity for records in rig.fed.values() for identity in records if isinstance(identity, str)}
    documents = [decode(LabelledDocument, r.value).identity for part in rig.read("documents") for r in part]
    assert set(documents) == fed
    mentions = rig.read("mentions")
    wide = rig.read("wide")
    for company, part in ((c, mentions[partition_of(c, 2)]) for c in ("BA", "AAPL")):
        assert_in_time(rig, part, lambda r, c=company: _mention(r, c))
    assert_in_time(rig, wide[0], lambda r: decode(WideRecord, r.value).document.identity)


def _mention(record: Any, company: str) -> str | None:
    mention = decode(Mention, record.value)
    return mention.document.identity if mention.company == company else None


def assert_in_time(rig: Rig, log: list[Any], identity: Any) -> None:
    fed = {f"{kind}/{partition}": records for (kind, partition), records in rig.fed.items()}
    seen: set[str] = set()
    last: dict[str, datetime] = {}
    for record in log:
        if not is_tick(record):
            seen.add(identity(record))
            continue
        tick = decode(Tick, record.value)
        before = fed[tick.origin][: fed[tick.origin].index(tick.at)]
        assert {document for document in before if isinstance(document, str)} <= seen, "a tick overtook a document"
        last[tick.origin] = max(tick.at, last.get(tick.origin, tick.at))
    assert last == {origin: max(t for t in records if isinstance(t, datetime)) for origin, records in fed.items()}
    assert {document for records in fed.values() for document in records if isinstance(document, str)} <= seen


def test_killed_again_and_again_under_load_it_loses_nothing_and_no_tick_overtakes(rig: Rig) -> None:
    rig.start()
    rig.start()
    for number in range(900):
        rig.document(str(number))
        if number % 60 == 59:
            rig.tick()
    rig.producer.flush()
    for left in (700, 450, 200):
        rig.wait(backlog=left)
        rig.kill()
        rig.start()
    rig.tick()
    rig.wait()
    assert_complete(rig)


def test_a_worker_that_slept_past_its_session_doubles_at_most(rig: Rig) -> None:
    sleeper = rig.start()
    for number in range(150):
        rig.document(str(number))
    rig.tick()
    rig.wait(backlog=100)
    sleeper.send_signal(signal.SIGSTOP)
    rig.start()
    for number in range(150, 300):
        rig.document(str(number))
    rig.tick()
    rig.wait()
    sleeper.send_signal(signal.SIGCONT)
    for number in range(300, 400):
        rig.document(str(number))
    rig.tick()
    rig.wait()
    assert_complete(rig)


def test_without_a_model_nothing_is_labelled_and_time_stands_still_until_it_is_back(rig: Rig, instant: Triton) -> None:
    port = Ports.picked().kafka
    worker = rig.start(port)
    rig.document("before")
    rig.tick()
    rig.wait()
    instant.kill()
    try:
        for number in range(200):
            rig.document(str(number))
        rig.tick()
        rig.producer.flush()
        deadline = time.monotonic() + PATIENCE
        while "Triton" not in (state := _readyz(port).get("waiting_for") or ""):
            assert time.monotonic() < deadline, state
            time.sleep(0.2)
        time.sleep(2)
        assert sum(map(len, rig.read("documents"))) == 1
        assert {decode(Tick, r.value).at for r in rig.read("wide")[0] if is_tick(r)} == {rig.now - timedelta(seconds=5)}
        assert worker.poll() is None
    finally:
        instant.start()
    rig.wait()
    assert_complete(rig)


def test_long_documents_do_not_pile_up_in_memory(rig: Rig) -> None:
    whole = "Boeing and Apple shares rise as orders grow. " * 20_000
    for number in range(300):
        rig.document(str(number), whole)
    rig.tick()
    rig.producer.flush()
    worker = rig.start()
    rig.wait()
    status = dict(line.split(":", 1) for line in Path(f"/proc/{worker.pid}/status").read_text().splitlines())
    peak = int(status["VmHWM"].split()[0]) / 1024
    print(f"at most {peak:.0f} MiB")
    assert worker.poll() is None
    assert peak < 450, "270 MB waited in Kafka"
    assert_complete(rig)


def _readyz(port: int) -> dict[str, Any]:
    try:
        with urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5) as answer:
            return dict(json.load(answer))
    except URLError as error:
        return dict(json.load(error)) if hasattr(error, "read") else {}


def test_few_records_travel_alone_and_many_together(rig: Rig) -> None:
    ports = Ports.picked()
    rig.start(ports.kafka)
    deadline = time.monotonic() + PATIENCE
    while not _readyz(ports.kafka).get("ready"):
        assert time.monotonic() < deadline, rig.log()
        time.sleep(0.2)
    for number in range(3):
        rig.document(str(number))
        rig.wait()
    few = _records_a_batch(ports.kafka)
    rig.kill()
    for number in range(3, 960):
        rig.document(str(number))
    rig.producer.flush()
    rig.start(ports.enrich)
    rig.wait()
    assert few == 1
    assert 32 < _records_a_batch(ports.enrich) <= 64, "a full batch has 64"


def _records_a_batch(port: int) -> float:
    with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        lines = [
            line.split() for line in answer.read().decode().splitlines() if line.startswith("tocsin_batch_records_")
        ]
    found = {line[0]: float(line[1]) for line in lines}
    return found["tocsin_batch_records_sum"] / found["tocsin_batch_records_count"]


def test_told_to_stop_it_finishes_what_it_has_within_ten_seconds_and_doubles_nothing(rig: Rig) -> None:
    worker = rig.start()
    for number in range(600):
        rig.document(str(number))
    rig.tick()
    rig.wait(backlog=500)
    begin = time.monotonic()
    worker.terminate()
    assert worker.wait(PATIENCE) == 0, rig.log()
    assert time.monotonic() - begin < 11
    rig.wait()
    assert_complete(rig)
    assert sum(map(len, rig.read("documents"))) == 600


def test_each_bad_record_becomes_a_dead_letter_and_costs_nothing_else(rig: Rig) -> None:
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    bad: list[tuple[str, bytes | None, dict[str, Any]]] = [
        ("invalid-json", b"{", {}),
        ("invalid-json", None, {"key": b"a tombstone"}),
        ("invalid-utf8", b'{"id": "\xff"}', {}),
        ("kind-mismatch", encode({"id": "k", "source": "s", "kind": "news", "published_at": rig.now, "text": "x"}), {}),
        ("future-timestamp", encode({"id": "f", "source": "s", "published_at": tomorrow, "text": "x"}), {}),
        ("unknown-type", b"{}", {"headers": [(TYPE_HEADER, b"gossip")]}),
        (
            "model-refused",
            encode({"id": "m", "source": "s", "published_at": rig.now, "text": "This is a forbidden word"}),
            {},
        ),
    ]
    rig.document("first")
    offsets = [rig.raw("social", 1, value, **options).get(30).offset for _, value, options in bad]
    rig.document("last")
    rig.document("drill", source="tocsin-canary")
    rig.tick()
    rig.start()
    rig.wait()

    letters = {letter.origin.offset: letter for part in rig.read("deadletters") for letter in map(_letter, part)}
    for offset, (reason, value, _) in zip(offsets, bad, strict=True):
        letter = letters.pop(offset)
        assert (letter.stage, letter.reason) == ("enrich", reason)
        assert (letter.origin.place, letter.origin.partition) == (rig.topics.name("social"), 1)
        assert base64.b64decode(letter.original) == (value or b"")
    assert not letters
    documents = {decode(LabelledDocument, r.value).identity for part in rig.read("documents") for r in part}
    assert documents == {"wire/first", "wire/last", "tocsin-canary/drill"}
    proofs = [decode(Canary, r.value) for r in rig.read("wide")[0] if (TYPE_HEADER, b"canary") in r.headers]
    assert [proof.identity for proof in proofs] == ["tocsin-canary/drill"]


def _letter(record: Any) -> DeadLetter:
    return decode(DeadLetter, record.value)


def test_topics_that_are_wrong_end_it_with_what_to_mend(rig: Rig) -> None:
    rig.flags += ["--set", "kafka.social_partitions=3"]
    worker = rig.start()
    assert worker.wait(PATIENCE) == 2
    assert "social_partitions" in rig.log()
