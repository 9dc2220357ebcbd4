"""The whole stream while the model is away, while the index is away, and with every kind of bad input."""

import base64
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from deployment import TOCSIN, Deployment
from kafka import KafkaProducer
from proof import prove
from witness import Witness

from streams.deadletters import KEPT_BYTES
from streams.demo.scenario import make_scenario
from streams.stack.stack import Stack
from tests.patience import PATIENCE
from tests.streams.bad_input import BAD_INPUT, record

PREFIX = "outages"
DOCUMENTS = 4000
WHILE = 5.0
"""Seconds in which nothing may happen."""


@pytest.fixture
def deployment(stack: Stack, tmp_path: Path) -> Iterator[Deployment]:
    stack.up()
    own = {"kafka.prefix": PREFIX, "elasticsearch.prefix": PREFIX, "detection.warm_up_days": "3"}
    with Deployment(tmp_path / "services", {**stack.settings, **own}) as made:
        made.command("topics", "create")
        yield made


@pytest.fixture
def witness(stack: Stack) -> Witness:
    return Witness(stack.kafka.address, PREFIX, stack.elasticsearch.address, PREFIX)


@pytest.fixture
def scenario(tmp_path: Path) -> Path:
    path = tmp_path / "scenario.jsonl"
    arrivals = make_scenario().arrivals[-DOCUMENTS:]
    path.write_bytes(b"".join(arrival.raw.replace(b"\n", b" ") + b"\n" for arrival in arrivals))
    return path


def until(what: Callable[[], bool], deployment: Deployment) -> None:
    deadline = time.monotonic() + PATIENCE
    while not what():
        assert time.monotonic() < deadline, [deployment.log(name)[-1000:] for name in deployment.workers]
        time.sleep(0.5)


def count(witness: Witness, *topics: str) -> int:
    return sum(witness.ends(*topics).values())


def waiting(witness: Witness, service: str) -> int:
    return sum(witness.lag(service).values())


def test_model_and_index_may_be_away_and_bad_input_costs_itself(
    stack: Stack, deployment: Deployment, witness: Witness, scenario: Path, tmp_path: Path
) -> None:
    bad = send_bad_input(stack)
    feeding = subprocess.Popen([*TOCSIN, "feed", str(scenario), *deployment.flags()], stderr=subprocess.DEVNULL)
    deployment.start("enrich", "detect", "index")
    until(lambda: count(witness, "documents") > DOCUMENTS // 6, deployment)
    assert feeding.wait(PATIENCE) == 0

    # Without the model nothing is labelled and time stands still; what was written before is detected and indexed.
    stack.triton.kill()
    until(lambda: "Triton" in deployment.waits_for("enrich"), deployment)
    written = count(witness, "documents", "mentions", "wide")
    time.sleep(WHILE)
    assert count(witness, "documents", "mentions", "wide") == written, "no document, no tick"
    assert waiting(witness, "enrich") > 0
    stack.triton.start()
    until(lambda: count(witness, "documents") > DOCUMENTS // 3, deployment)

    # Without the index alarms ring all the same.
    stack.elasticsearch.kill()
    rung, indexing = count(witness, "alerts"), waiting(witness, "index")
    deployment.wait_until_done(witness, "enrich", "detect")
    assert count(witness, "alerts") > rung
    assert waiting(witness, "index") > indexing
    stack.elasticsearch.start()
    deployment.wait_until_done(witness)

    proof = prove(deployment, witness, [scenario], tmp_path)
    assert proof.verdict.faults == [], str(proof.verdict)
    told = {base64.b64decode(letter["original"]): letter["reason"] for letter in witness.letters()}
    assert {raw: told.get(raw) for raw in bad} == bad
    held = [document.source["origin"] for document in witness.indexed("deadletters")]
    assert {tuple(origin.values()) for origin in held} == {
        tuple(letter["origin"].values()) for letter in witness.letters()
    }
    assert deployment.restarts == Counter(), "nobody ended over it"
    deployment.stop()


def send_bad_input(stack: Stack) -> dict[bytes, str]:
    """Every kind of bad input straight onto a topic; what is to be told of each, by the bytes that are kept."""
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    sent = {name: case for name, case in BAD_INPUT.items() if name != "no kind"}  # a topic lends it
    sent["the future"] = (record(published_at=tomorrow), "future-timestamp")
    sent["unknown kind"] = (record(kind="tweet"), "kind-mismatch")  # a topic knows which it should be
    with KafkaProducer(bootstrap_servers=stack.kafka.address, max_request_size=2 * 1024 * 1024) as producer:
        for number, (raw, _) in enumerate(sent.values()):
            producer.send(f"{PREFIX}.news", raw, partition=number % 4).get(30)
    return {raw[:KEPT_BYTES]: reason for raw, reason in sent.values()}
