"""`tocsin bootstrap` on the real Kafka and Triton: what is normal is learnt from history, nothing of it rings, the present
does, and a replay of the log says the same."""

import json
import random
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from detect_log import committed_records
from kafka_client import new_prefix

from models.repository import MODEL_NAME, write_repository
from processors.messages import Alert, Tick
from streams.codec import decode, encode
from streams.export import export
from streams.kafka_clients import admin, producer
from streams.lag import lags
from streams.log_reader import tick_of
from streams.log_replay import replay_log
from streams.model_inputs import load_model
from streams.settings import DEFAULT_MODEL, Settings
from streams.stack.kafka import Kafka
from streams.stack.ports import Ports
from streams.stack.stack import Stack
from streams.stack.triton import Triton
from streams.topics import TICK, TYPE_HEADER, Topics
from tests.bench.rig import Worker
from tests.patience import PATIENCE
from tests.streams.test_feed import run, write

WORDS = (
    "apple bridge candle dinner engine forest garden harbour island jacket kitchen letter market needle office paper "
    "quarter river summer table uncle valley window yellow zebra answer bottle corner doctor evening father ground "
    "history iron journey kingdom ladder morning number orange pencil question road silver teacher umbrella village"
).split()
NEGATIVE = 0  # of the labels in their order
HOURS = 24 * 24


@pytest.fixture
def instant(tmp_path: Path) -> Iterator[Triton]:
    """The real server with a model that answers at once: labels follow from the tokens."""
    write_repository(tmp_path / "models", DEFAULT_MODEL, "python", "cpu")
    model = (Path(__file__).parent / "instant_model.py").read_text()
    for version in (tmp_path / "models" / MODEL_NAME).glob("*/model.py"):
        version.write_text(model)
    with Stack(tmp_path / "stack", Ports.picked(), models=tmp_path / "models") as stack:
        stack.up({"triton"})
        yield stack.triton


class Texts:
    """Texts about one company that the instant model gives a wanted label, all unlike each other."""

    def __init__(self) -> None:
        self._random = random.Random(3)
        self._inputs = load_model(DEFAULT_MODEL)[0]

    def __call__(self, label: int) -> str:
        while True:
            text = "the $BA and " + " of the ".join(self._random.sample(WORDS, 9))
            if sum(self._inputs.encode([text])[0].ids) % 3 == label:
                return text


def line(number: int, at: datetime, text: str) -> bytes:
    published = at.isoformat().replace("+00:00", "Z")
    content = {"id": str(number), "source": "wire", "kind": "social", "published_at": published, "text": text}
    return json.dumps({**content, "author": f"author {number}", "language": "en"}).encode()


def storm(texts: Texts, first: int, at: datetime) -> list[bytes]:
    """Bad news within half an hour."""
    return [line(first + n, at + timedelta(minutes=3 * n), texts(NEGATIVE)) for n in range(10)]


def waits(settings: Settings) -> int:
    """How many records enrich and detect have not read yet."""
    with admin(settings.kafka) as client:
        return sum(place.lag for place in lags(client, Topics(settings.kafka)) if place.service in ("enrich", "detect"))


def settle(settings: Settings, workers: Sequence[Worker]) -> None:
    """Until all is read."""
    deadline = time.monotonic() + PATIENCE
    while (left := waits(settings)) > 0:
        assert time.monotonic() < deadline, f"{left} records wait"
        for worker in workers:
            worker.check()
        time.sleep(0.3)


def send(settings: Settings, records: Sequence[bytes], at: datetime) -> None:
    """Records as a collector sends them, then ticks as of `at`, as a clock sends them."""
    with producer(settings.kafka) as sender:
        for raw in records:
            sender.send(Topics(settings.kafka).name("social"), raw, key=json.loads(raw)["id"].encode(), partition=0)
        sender.flush()
        for topic, count in Topics(settings.kafka).inputs.values():
            for partition in range(count):
                sender.send(topic, encode(Tick(at)), headers=[(TYPE_HEADER, TICK)], partition=partition)
        sender.flush()


def test_history_teaches_what_is_normal_and_only_the_present_rings(
    kafka: Kafka, instant: Triton, tmp_path: Path
) -> None:
    prefix = new_prefix(kafka, **{"triton.server": instant.address, "enrich.linger": "0.05"})
    settings, texts = prefix.settings, Texts()
    now = datetime.now(UTC).replace(microsecond=0)
    start = now - timedelta(hours=HOURS)
    calm = [line(n, start + timedelta(hours=n / 4), texts(NEGATIVE if n % 20 == 0 else 1)) for n in range(4 * HOURS)]
    former = storm(texts, 10_000, now - timedelta(days=2))
    file = write(tmp_path / "history.jsonl", sorted([*calm, *former], key=lambda raw: json.loads(raw)["published_at"]))

    killed = run("bootstrap", file, *prefix.arguments)
    time.sleep(2)
    killed.kill()
    killed.wait()
    said = run("bootstrap", file, *prefix.arguments)
    output = said.communicate(timeout=PATIENCE)[0].decode()
    assert said.returncode == 0 and "tocsin run clock" in output, output
    ticks = [tick for records in prefix.records("social").values() for r in records if (tick := tick_of(r))]
    assert len({tick.silent_until for tick in ticks}) == 1
    assert max(tick.at for tick in ticks) == ticks[0].silent_until >= now - timedelta(seconds=5)

    with ExitStack() as running:
        log = running.enter_context((tmp_path / "workers.log").open("ab"))
        ports = (Ports.picked().kafka, Ports.picked().kafka)
        services = zip(("enrich", "detect"), ports, strict=True)
        workers = [running.enter_context(Worker(name, prefix.flags, port, log)) for name, port in services]
        settle(settings, workers)
        assert sum(map(len, committed_records(settings, "series").values())) > HOURS
        assert sum(map(len, committed_records(settings, "alerts").values())) == 0, (
            "the storm of two days ago is history"
        )

        present = datetime.now(UTC).replace(microsecond=0)
        for records in ([], storm(texts, 20_000, present - timedelta(minutes=30))):
            send(settings, records, present)
            settle(settings, workers)
            present += timedelta(seconds=5)
    rung = [
        decode(Alert, record.value)
        for _, records in committed_records(settings, "alerts").items()
        for record in records
    ]
    assert ("company:BA", "sentiment", "open") in {(alert.series, alert.kind, alert.event) for alert in rung}
    assert all(alert.opened_at > ticks[0].silent_until for alert in rung)

    export(settings, tmp_path / "export", results=True)
    replay_log(tmp_path / "export", tmp_path / "replay", settings.detector)
    for partition, records in committed_records(settings, "alerts").items():
        replayed = (tmp_path / "replay" / f"alerts-{partition}.jsonl").read_bytes().splitlines()
        assert replayed == [record.value for record in records]
