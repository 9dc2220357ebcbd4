"""Programs push: each document is told what became of it, once Kafka has it, and the same again counts once."""

import json
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from typing import Any
from urllib.request import urlopen

import pytest

from streams.codec import MAX_RECORD_BYTES, decode_document
from streams.collect.push import MOST_DOCUMENTS
from streams.stack.kafka import Kafka
from tests.collect.collecting import Collecting, collecting

NOW = datetime.now(UTC).replace(microsecond=0)
NDJSON = "application/x-ndjson"
KEY = {"Authorization": "Bearer k3y"}


@pytest.fixture(scope="module")
def running(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collecting]:
    stack = request.getfixturevalue("stack")
    stack.up({"kafka"})
    partner = {"name": "partner", "push": True}
    chat = {"name": "chat", "kind": "social", "push": True}
    with collecting(
        stack.kafka, tmp_path_factory.mktemp("push"), partner, chat, **{"push.bytes": "2000000"}
    ) as running:
        running.start()
        running.wait(running.leads)
        running.wait(lambda: _answers(running))
        yield running


def _answers(running: Collecting) -> bool:
    try:
        return running.push(b"{}", "application/json")[0] == 422
    except OSError:
        return False


def document(id: str, **more: Any) -> dict[str, Any]:
    return {"id": id, "source": "partner", "kind": "news", "published_at": NOW.isoformat(), "text": id, **more}


def test_one_document_is_answered_once_it_is_on_its_topic(running: Collecting, kafka: Kafka) -> None:
    status, told = running.push(json.dumps(document("one", metadata={"mine": 1})).encode(), "application/json")
    assert (status, told["accepted"]) == (200, 1)
    assert told["results"] == [{"index": 0, "identity": "partner/one", "status": "accepted"}]
    [record] = [record for record in running.collected("news") if record.key == b"partner/one"]
    sent = decode_document(record.value, "news")
    assert sent.metadata == {"mine": 1, "collected": {"licence": "L", "purpose": "P"}}


def test_many_are_each_told_what_became_of_them(running: Collecting, kafka: Kafka) -> None:
    lines = [
        json.dumps(document("a")).encode(),
        json.dumps(document("b", source="chat", kind="social")).encode(),
        json.dumps(document("a", text="again")).encode(),
        b"{",
        json.dumps(document("c", source="stranger")).encode(),
        json.dumps(document("d", kind="social")).encode(),
        json.dumps(document("e", published_at=(NOW + timedelta(days=1)).isoformat())).encode(),
        json.dumps(document("f", text="x" * MAX_RECORD_BYTES)).encode(),
        json.dumps(document("g", titel="x")).encode(),
    ]
    status, told = running.push(b"\n\n".join(lines), NDJSON)
    assert (status, told["accepted"], told["duplicate"], told["refused"]) == (200, 2, 1, 6)
    assert [(result["status"], result.get("reason")) for result in told["results"]] == [
        ("accepted", None),
        ("accepted", None),
        ("duplicate", None),
        ("refused", "invalid-json"),
        ("refused", "unknown-source"),
        ("refused", "kind-mismatch"),
        ("refused", "future-timestamp"),
        ("refused", "too-large"),
        ("refused", "unknown-field"),
    ]
    assert "did you mean title?" in told["results"][-1]["detail"]
    found = running.identities()
    assert found["partner/a"] == 1 and found["chat/b"] == 1 and found["partner/d"] == 0


def test_the_same_again_counts_once_also_from_many_at_the_same_time(running: Collecting, kafka: Kafka) -> None:
    batch = [document(f"again-{number}") for number in range(300)]
    answers: list[tuple[int, Any]] = []
    threads = [threading.Thread(target=lambda: answers.append(running.push(batch))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [status for status, _ in answers] == [200] * 8
    assert sum(told["accepted"] for _, told in answers) == 300
    assert sum(told["duplicate"] for _, told in answers) == 7 * 300
    found = running.identities()
    assert all(found[f"partner/again-{number}"] == 1 for number in range(300))


def test_one_document_that_is_refused_is_a_problem_with_its_reason(running: Collecting, kafka: Kafka) -> None:
    status, told = running.push(json.dumps(document("h", text="", title="")).encode(), "application/json")
    assert (status, told["reason"]) == (422, "empty-document")
    assert told["headers"]["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("kind", "headers"),
    [
        ("text/plain", {}),
        ("application/x-www-form-urlencoded", {}),
        ("application/json; charset=latin-1", {}),
        ("application/json", {"Content-Encoding": "gzip"}),
    ],
)
def test_another_kind_of_body_is_415(running: Collecting, kafka: Kafka, kind: str, headers: dict[str, str]) -> None:
    status, told = running.push(json.dumps(document("i")).encode(), kind, **headers)
    assert status == 415 and told["headers"]["content-type"] == "application/problem+json"


def test_too_much_at_once_is_413_told_before_it_is_read_or_while(running: Collecting, kafka: Kafka) -> None:
    assert running.push(b"x" * 2_000_001, NDJSON)[0] == 413
    assert running.push(b"{}\n" * (MOST_DOCUMENTS + 1), NDJSON)[0] == 413
    connection = HTTPConnection("127.0.0.1", running.ports.push, timeout=20)
    connection.putrequest("POST", "/v1/documents")
    connection.putheader("Content-Type", NDJSON)
    connection.putheader("Transfer-Encoding", "chunked")
    connection.endheaders()
    try:
        for _ in range(64):
            connection.send(b"10000\r\n" + b"x" * 65536 + b"\r\n")
    except OSError:
        pass  # it has answered, and reads no more
    assert connection.getresponse().status == 413


def test_a_page_elsewhere_gets_nothing_through_a_browser(running: Collecting, kafka: Kafka) -> None:
    body = json.dumps(document("j")).encode()
    assert running.push(body, "application/json", Origin="https://evil.example")[0] == 403
    assert running.push(body, "application/json", Host="evil.example")[0] == 421


def test_the_interface_describes_itself(running: Collecting, kafka: Kafka) -> None:
    with urlopen(f"http://127.0.0.1:{running.ports.push}/openapi.json", timeout=10) as answer:
        described = json.load(answer)
    post = described["paths"]["/v1/documents"]["post"]
    assert {"413", "415", "422", "429", "503"} <= set(post["responses"])
    assert "published_at" in json.dumps(post["requestBody"]["content"]["application/json"]["schema"])


def test_where_a_key_is_set_nothing_is_taken_without(kafka: Kafka, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("key")
    with collecting(kafka, folder, {"name": "partner", "push": True}, **{"push.key": "k3y"}) as running:
        running.start()
        running.wait(running.leads)
        body = json.dumps(document("k")).encode()
        running.wait(lambda: _status(running, body) == 401)
        status, told = running.push(body, "application/json", Authorization="Bearer wrong")
        assert status == 401 and told["headers"]["content-type"] == "application/problem+json"
        assert running.push(body, "application/json", **KEY)[0] == 200
        assert running.stop() == 0
        running.start()
        running.wait(running.leads)
        running.wait(lambda: _status(running, body) == 401)
        status, told = running.push(body, "application/json", **KEY)
        assert told["duplicate"] == 1, "what was pushed is remembered"


def _status(running: Collecting, body: bytes) -> int:
    try:
        return running.push(body, "application/json")[0]
    except OSError:
        time.sleep(0.2)
        return 0


def test_while_kafka_is_away_nothing_is_confirmed_and_what_was_sent_meanwhile_counts_once(
    running: Collecting, kafka: Kafka
) -> None:
    kafka.stop()
    try:
        status, told = running.push([document("away")])
        assert status == 503 and int(told["headers"]["retry-after"]) > 0
    finally:
        kafka.start()
    running.wait(lambda: _confirmed(running))
    assert running.identities()["partner/away"] == 1


def _confirmed(running: Collecting) -> bool:
    if running.processes[-1].poll() is not None:
        running.start()  # as its supervisor would
    try:
        return running.push([document("away")])[0] == 200
    except OSError:
        return False
