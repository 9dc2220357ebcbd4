"""Elasticsearch away, read-only, too busy, refusing, and answering into the void."""

import json
import time
import urllib.request
from zlib import crc32

from fault_proxy import FaultProxy
from matrix import scenario
from trial import Trial


@scenario(5, "With the search index down for a minute alarms ring all the same, and the index catches up.")
def index_down(trial: Trial) -> None:
    with trial.load(documents=3500):
        trial.pause()
        trial.hit("Elasticsearch down for a minute", "index")
        trial.stack.elasticsearch.kill()
        rang = trial.count("alerts")
        time.sleep(10 if trial.quick else 60)
        assert trial.count("alerts") > rang, "no alarm rang while the index was down"
        trial.stack.up({"elasticsearch"})
        trial.over("index")
        trial.recovered("index")
    assert not trial.deployment.restarts, "nobody ended over it"


@scenario(5, "An index that is read-only for a while costs no record.")
def index_read_only(trial: Trial) -> None:
    with trial.load(documents=3500):
        trial.pause()
        block(trial, True)
        trial.hit("read-only index", "index")
        trial.until(lambda: trial.deployment.waits_for("index") != "", "index says that it waits")
        time.sleep(5)
        block(trial, False)
        trial.over("index")
        trial.recovered("index")
    assert not trial.deployment.restarts, "nobody ended over it"


@scenario(
    5,
    "Bulk requests answered with 429 and 503, items that are put off, answers that are lost or late after the write was "
    "applied: every record is indexed once.",
    quick=True,
)
def index_answers_wrongly(trial: Trial) -> None:
    proxy = FaultProxy(trial.stack.elasticsearch.address, trial.chance)
    with proxy.running(), trial.through(proxy.address), trial.load():
        for fault in ("429", "503", "item-429", "lost-answer", "late-answer"):
            proxy.fault = fault
            trial.hit(f"Elasticsearch: {fault}", "index")
            enough = 2 if trial.quick else 8
            trial.until(lambda fault=fault, enough=enough: proxy.done[fault] >= enough, f"{fault} happens")
            proxy.fault = ""
            trial.over("index")
            trial.recovered("index")
            trial.done[f"Elasticsearch: {fault}"] = proxy.done[fault]
    assert not trial.deployment.restarts, "nobody ended over it"


@scenario(5, "A document that Elasticsearch refuses becomes a dead letter with its bytes, and costs no other.")
def index_refuses_one(trial: Trial) -> None:
    proxy = FaultProxy(trial.stack.elasticsearch.address, trial.chance)
    proxy.refused = lambda index, id: "-documents-" in index and crc32(id.encode()) % 50 == 0
    proxy.fault = "item-400"
    with proxy.running(), trial.through(proxy.address):
        with trial.load(documents=3500):
            trial.until(lambda: proxy.done["items"] >= 10, "ten documents are refused")
        trial.done["items refused"] = proxy.done["items"]
        judged = trial.judge()
    assert judged.verdict.dead["refused-by-index"] >= 5, judged.verdict.dead  # some were sent twice


def block(trial: Trial, on: bool) -> None:
    """Make every index of documents read-only, or not."""
    request = urllib.request.Request(
        f"{trial.stack.elasticsearch.address}/{trial.witness.index_prefix}-documents-*/_settings",
        data=json.dumps({"index.blocks.read_only_allow_delete": on or None}).encode(),
        headers={"Content-Type": "application/json"},
        method="PUT",
    )
    with urllib.request.urlopen(request, timeout=60):
        pass
