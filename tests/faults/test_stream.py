"""The whole stream on real Kafka, Triton and Elasticsearch, its services killed again and again."""

from pathlib import Path

import pytest
from proof import IN_ORDER
from prove import latest
from run import Plan, run

from streams.demo.scenario import make_scenario
from streams.stack.stack import Stack

DOCUMENTS = 4000
TWEETS = 1500
KILLS = 3
EARLY = {"detection.warm_up_days": "3"}


@pytest.fixture
def scenario_file(tmp_path: Path) -> Path:
    """The latest days of the invented scenario, broken records among them, as a file to feed."""
    path = tmp_path / "scenario.jsonl"
    arrivals = make_scenario().arrivals[-DOCUMENTS:]
    path.write_bytes(b"".join(arrival.raw.replace(b"\n", b" ") + b"\n" for arrival in arrivals))
    return path


def test_through_kills_every_record_ends_in_one_place_and_alerts_are_those_of_a_replay(
    stack: Stack, scenario_file: Path, tmp_path: Path
) -> None:
    report = run(stack, Plan("killed", scenario_file, KILLS, EARLY), tmp_path, print)
    assert report.faults == [], str(report.proof.verdict)
    assert report.kills == {"enrich": KILLS, "detect": KILLS, "index": KILLS}
    assert report.proof.verdict.indexed > DOCUMENTS * 0.9
    assert len(report.proof.verdict.dead) > 5, "the broken records of the scenario end in the dead letters"
    assert report.proof.alerts > 10, "a proof without alerts proves little"


@pytest.mark.data
def test_real_tweets_through_two_workers_ring_as_a_replay_of_their_file(
    stack: Stack, data_dir: Path, tmp_path: Path
) -> None:
    file = latest(data_dir / "tweets-2014.jsonl.gz", TWEETS, tmp_path / "tweets.jsonl")
    report = run(stack, Plan("tweets", file, 1, {**EARLY, **IN_ORDER}, enrich=2), tmp_path, print)
    assert report.faults == [], str(report.proof.verdict)
    assert report.proof.verdict.indexed == report.proof.records == TWEETS
    assert report.proof.buckets > 1000
    assert report.proof.alarms.served == report.proof.alarms.alike > 5, "as a replay of the file rings"
