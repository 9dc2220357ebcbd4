"""index on the real broker and the real Elasticsearch: ended at any moment, its index away, blocked or refusing.

Judged from outside: what a stranger's client finds in the index, against what was written to the topics.
"""

import base64
import json
import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from elasticsearch import ConnectionError
from index_rig import Rig, document, letter, new_rig, point, stop, until
from kafka import TopicPartition

from streams.service_settings import ElasticsearchSettings
from streams.stack.elasticsearch import Elasticsearch
from streams.stack.kafka import Kafka


@pytest.fixture
def rig(kafka: Kafka, elastic_settings: ElasticsearchSettings, tmp_path: Path) -> Iterator[Rig]:
    with new_rig(kafka, elastic_settings, tmp_path) as made:
        yield made


def committed(rig: Rig, topic: str) -> list[tuple[int, int]]:
    """(acknowledged, end) of each partition of a topic, as its group has them."""
    name = rig.topic(topic)
    places = [TopicPartition(name, p) for p in sorted(rig.group.partitions_for_topic(name))]
    ends = rig.group.end_offsets(places)
    return [(rig.group.committed(place) or 0, ends[place]) for place in places]


def caught_up(rig: Rig, topic: str) -> bool:
    return all(done == end for done, end in committed(rig, topic))


def letters(rig: Rig) -> list[dict[str, object]]:
    """Dead letters of stage index, as they are found in the index."""
    found = [hits[0]["_source"] for hits in rig.held("deadletters").values()]
    return [letter for letter in found if letter["stage"] == "index"]


def test_everything_is_found_once_where_it_belongs(rig: Rig) -> None:
    old = document(900, "1987-10-19T15:00:00Z")
    rig.send("documents", [*(document(n) for n in range(300)), old, document(7)])
    rig.send("series", [point(1), point(2, revision=3), point(2, revision=2), point(1)])
    rig.send("deadletters", [letter(0), letter(1), letter(0)])
    with rig.worker() as worker:
        until(lambda: all(caught_up(rig, topic) for topic in ("documents", "series", "deadletters")))
        assert stop(worker) == 0
    documents = rig.held("documents")
    assert set(documents) == {f"wire/{n}" for n in (*range(300), 900)}
    assert all(len(hits) == 1 for hits in documents.values())
    assert documents["wire/900"][0]["_index"].endswith("-documents-before-2000")
    assert documents["wire/7"][0]["_index"].endswith("-documents-2024.03")
    revisions = {hit["_source"]["start"]: hit["_source"]["revision"] for (hit,) in rig.held("series").values()}
    assert revisions == {"2024-03-05T01:00:00Z": 0, "2024-03-05T02:00:00Z": 3}
    assert len(rig.held("deadletters")) == 2


def test_the_first_of_an_identity_wins_in_whatever_month_the_next_is_dated_even_after_a_restart(rig: Rig) -> None:
    months = [f"2024-{month:02}-03T10:00:00Z" for month in range(1, 7)]
    rig.send("documents", [document(n, months[n % 6], title="first") for n in range(60)])
    rig.send("documents", [document(n, months[(n + 1) % 6], title="second") for n in range(30)])
    with rig.worker() as worker:
        until(lambda: caught_up(rig, "documents"))
        worker.kill()
    rig.send("documents", [document(n, months[(n + 2) % 6], title="third") for n in range(60)])
    rig.send("documents", [document(60, months[0], title="first"), document(60, months[1], title="second")])
    with rig.worker():
        until(lambda: caught_up(rig, "documents"))
        assert rig.outcomes() == {"created": 1, "duplicate": 61}
    held = rig.held("documents")
    assert len(held) == 61
    assert [(len(hits), hits[0]["_source"]["title"]) for hits in held.values()] == [(1, "first")] * 61


def test_killed_again_and_again_in_the_middle_it_loses_and_doubles_nothing(rig: Rig) -> None:
    chance = random.Random(7)
    total = 4_000
    sent = rig.send("documents", (document(n, f"2024-{1 + n % 3:02}-03T10:00:00Z") for n in range(total)))
    kills = 0
    while not caught_up(rig, "documents"):
        with rig.worker() as worker:
            begun = sum(done for done, _ in committed(rig, "documents"))
            until(
                lambda before=begun, ended=worker: (
                    sum(d for d, _ in committed(rig, "documents")) > before or ended.poll()
                )
            )
            time.sleep(chance.uniform(0, 0.3))
            assert worker.poll() is None
            kills += not caught_up(rig, "documents")
            worker.kill()
    held = rig.held("documents")
    assert sent == total and set(held) == {f"wire/{n}" for n in range(total)}
    assert all(len(hits) == 1 for hits in held.values())
    assert kills >= 2


def test_without_elasticsearch_it_waits_in_its_group_and_catches_up(rig: Rig, elasticsearch: Elasticsearch) -> None:
    rig.send("documents", (document(n) for n in range(500)))
    with rig.worker(**{"services.stall_seconds": "3"}) as worker:
        until(lambda: rig.has("documents", 1))
        elasticsearch.kill()
        rig.send("documents", (document(n) for n in range(500, 3_000)))
        try:
            # Longer than a session: a worker that did not poll would have lost its partitions.
            until(lambda: rig.get("/readyz")[0] == 503)
            time.sleep(12)
            status, body = rig.get("/readyz")
            assert status == 503 and "Elasticsearch does not answer" in body
            assert 'tocsin_breaker{dependency="elasticsearch",tocsin_breaker="open"} 1.0' in rig.get("/metrics")[1]
            assert not caught_up(rig, "documents")
            with pytest.raises(ConnectionError):
                rig.client.info()
        finally:
            elasticsearch.start()
        until(lambda: caught_up(rig, "documents"))
        assert rig.get("/readyz")[0] == 200
        assert worker.poll() is None
    held = rig.held("documents")
    assert set(held) == {f"wire/{n}" for n in range(3_000)}
    assert all(len(hits) == 1 for hits in held.values())


def test_told_to_stop_while_elasticsearch_is_away_it_ends_at_once_and_acknowledges_nothing(rig: Rig) -> None:
    rig.send("documents", (document(n) for n in range(50)))
    nowhere = {"elasticsearch.servers": "http://127.0.0.1:9", "services.stall_seconds": "1"}
    with rig.worker(**nowhere) as worker:
        until(lambda: "Elasticsearch does not answer" in rig.get("/readyz")[1])
        begun = time.monotonic()
        assert stop(worker) == 0
        assert time.monotonic() - begun < 10
    assert [done for done, _ in committed(rig, "documents")] == [0, 0]


def test_an_index_that_is_blocked_for_a_while_costs_no_record(rig: Rig) -> None:
    with rig.worker():
        rig.send("documents", [document(0)])
        until(lambda: rig.has("documents", 1))
        index = f"{rig.alias('documents')}-2024.03"
        for block in ("write", "read_only_allow_delete"):
            rig.client.indices.put_settings(index=index, settings={f"index.blocks.{block}": True})
            before = len(rig.held("documents"))
            rig.send("documents", (document(n) for n in range(before, before + 200)))
            until(lambda: "blocked by" in rig.get("/readyz")[1])
            rig.client.indices.put_settings(index=index, settings={f"index.blocks.{block}": None})
            until(lambda before=before: rig.has("documents", before + 200))
        until(lambda: caught_up(rig, "documents"))
    assert letters(rig) == []
    assert set(rig.held("documents")) == {f"wire/{n}" for n in range(401)}


def test_a_refused_record_becomes_a_dead_letter_with_its_bytes_and_costs_no_other(rig: Rig) -> None:
    poison = [b"{not json", b'{"schema": 9}', b"\xff\xfe", b""]
    beyond = json.dumps(document(1, "2300-01-01T00:00:00Z")).encode()  # later than an index can date
    too_long = json.dumps(document(2, identity="wire/" + "x" * 600)).encode()
    rig.send("documents", [document(0), *poison, beyond, too_long, document(3)])
    rig.send("alerts", [b"no alert"])
    with rig.worker():
        until(lambda: len(letters(rig)) == 7)
        until(lambda: caught_up(rig, "documents") and caught_up(rig, "alerts") and caught_up(rig, "deadletters"))
        time.sleep(1)
    told = {base64.b64decode(str(letter["original"])): letter for letter in letters(rig)}
    assert set(told) == {*poison, beyond, too_long, b"no alert"}
    assert told[beyond]["reason"] == told[too_long]["reason"] == "refused-by-index"
    assert "2262" in str(told[beyond]["message"]) and "id [wire/xxx" in str(told[too_long]["message"])
    assert told[b"{not json"]["reason"] == "invalid-json" and told[b'{"schema": 9}']["reason"] == "unknown-schema"
    assert told[b"no alert"]["origin"] == {"place": rig.topic("alerts"), "partition": 0, "offset": 0}
    assert set(rig.held("documents")) == {"wire/0", "wire/3"}


def test_what_is_wrong_among_the_dead_letters_makes_no_more_of_them(rig: Rig) -> None:
    rig.send("deadletters", [b"damaged", letter(0)])
    with rig.worker():
        until(lambda: rig.has("deadletters", 1) and caught_up(rig, "deadletters"))
        time.sleep(1)
        assert caught_up(rig, "deadletters") and committed(rig, "deadletters") == [(2, 2)]
        assert rig.outcomes() == {"refused": 1, "created": 1}


def test_two_workers_share_the_partitions_and_take_over_from_each_other(rig: Rig) -> None:
    with rig.worker() as first:
        rig.send("documents", (document(n) for n in range(500)))
        until(lambda: rig.has("documents", 500))
        with rig.worker(**{"services.index_port": str(int(rig.flags["services.index_port"]) + 1)}):
            rig.send("documents", (document(n) for n in range(500, 2_000)))
            first.kill()
            rig.send("documents", (document(n) for n in range(2_000, 3_000)))
            until(lambda: caught_up(rig, "documents"))
    held = rig.held("documents")
    assert set(held) == {f"wire/{n}" for n in range(3_000)}
    assert all(len(hits) == 1 for hits in held.values())


def test_workers_that_join_and_leave_share_all_partitions_and_never_stand_still(rig: Rig) -> None:
    ports = [int(rig.flags["services.index_port"]) + number for number in range(3)]
    everything = {(topic, str(p)) for topic, n in SHARED.items() for p in range(n)}
    sent = rig.send("documents", (document(n) for n in range(200)))
    with rig.worker():
        until(lambda: rig.partitions(ports[0]) == everything)
        for joining in ports[1:]:
            with rig.worker(**{"services.index_port": str(joining)}) as other:
                until(lambda port=joining: shared_evenly(rig.partitions(ports[0]), rig.partitions(port), everything))
                rig.send("documents", (document(n) for n in range(sent, sent + 200)))
                sent += 200
                until(lambda: caught_up(rig, "documents"))
                assert stop(other) == 0
            until(lambda: rig.partitions(ports[0]) == everything)
            rig.send("documents", (document(n) for n in range(sent, sent + 200)))
            sent += 200
            until(lambda: caught_up(rig, "documents"))
    assert set(rig.held("documents")) == {f"wire/{n}" for n in range(sent)}


SHARED = {"documents": 2, "series": 3, "alerts": 3, "deadletters": 1}
"""Partitions of each topic that index reads, as the rig has them."""

Places = set[tuple[str, str]]


def shared_evenly(one: Places, other: Places, everything: Places) -> bool:
    return one | other == everything and not one & other and abs(len(one) - len(other)) <= 1


def test_an_index_that_is_away_is_told_of_once(rig: Rig, elasticsearch: Elasticsearch) -> None:
    with rig.worker(**{"services.log_level": "warning"}):
        rig.send("documents", [document(0)])
        until(lambda: rig.has("documents", 1))
        elasticsearch.kill()
        try:
            rig.send("documents", [document(1)])
            until(lambda: 'tocsin_breaker="open"} 1.0' in rig.get("/metrics")[1])
            time.sleep(4)  # some tries more
        finally:
            elasticsearch.start()
        until(lambda: rig.has("documents", 2))
    [told] = [json.loads(line) for line in rig.log.read_text().splitlines()]
    assert (told["level"], told["logger"]) == ("warning", "tocsin.index")
    assert "Elasticsearch does not answer" in told["message"]


def test_it_tells_how_long_records_waited_and_how_many_wait(rig: Rig) -> None:
    with rig.worker():
        rig.send("documents", (document(n) for n in range(100)), received=str(int(1000 * (time.time() - 20))))
        until(lambda: rig.has("documents", 100))
        until(lambda: 'tocsin_lag_records{partition="1"' in rig.get("/metrics")[1])
        page = rig.get("/metrics")[1]
    assert 'tocsin_indexed_total{kind="documents",outcome="created"} 100.0' in page
    assert 'tocsin_index_lag_seconds_count{kind="documents"} 100.0' in page
    assert 'tocsin_latency_seconds_bucket{le="10.0",stage="index"} 0.0' in page
    assert 'tocsin_latency_seconds_count{stage="index"} 100.0' in page
    assert 'tocsin_breaker{dependency="elasticsearch",tocsin_breaker="closed"} 1.0' in page
