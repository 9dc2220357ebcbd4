"""The whole stream on real Kafka, Triton and Elasticsearch, its services killed again and again."""

import json
import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from deployment import Deployment
from proof import prove
from witness import Witness

from streams.demo.scenario import make_scenario
from streams.stack.stack import Stack

DOCUMENTS = 4000
KILLS = 9


@pytest.fixture
def scenario_file(tmp_path: Path) -> Path:
    """The latest days of the invented scenario, broken records among them, as a file to feed."""
    path = tmp_path / "scenario.jsonl"
    arrivals = make_scenario().arrivals[-DOCUMENTS:]
    path.write_bytes(b"".join(arrival.raw.replace(b"\n", b" ") + b"\n" for arrival in arrivals))
    return path


@pytest.fixture
def deployment(stack: Stack, tmp_path: Path) -> Iterator[Deployment]:
    """A deployment under a prefix of its own."""
    settings = {
        **stack.settings,
        "kafka.prefix": "killed",
        "elasticsearch.prefix": "killed",
        "detection.warm_up_days": "3",
    }
    with Deployment(tmp_path / "services", settings) as deployment:
        yield deployment


def test_through_kills_every_record_ends_in_one_place_and_alerts_are_those_of_a_replay(
    stack: Stack, deployment: Deployment, scenario_file: Path, tmp_path: Path
) -> None:
    stack.up()
    deployment.command("topics", "create")
    deployment.start("enrich", "detect", "index")
    deployment.command("feed", str(scenario_file))
    rng = random.Random(7)
    for number in range(KILLS):
        time.sleep(rng.uniform(0.5, 3))
        deployment.kill(("enrich", "detect", "index")[number % 3])
    witness = Witness(stack.kafka.address, "killed", stack.elasticsearch.address, "killed")
    deployment.wait_until_done(witness, seconds=900)

    verdict = prove(deployment, witness, [scenario_file], tmp_path)
    assert verdict.faults == [], str(verdict)
    assert verdict.indexed > DOCUMENTS * 0.9
    assert len(verdict.dead) > 5, "the broken records of the scenario end in the dead letters"
    alerts = [json.loads(value) for values in witness.by_partition("alerts").values() for value in values]
    assert len(alerts) > 10, "a proof without alerts proves little"
    deployment.stop()
