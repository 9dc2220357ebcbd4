"""The proxy that goes wrong for Elasticsearch does what its faults say, and nothing else."""

import http.client
import json
import random
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from fault_proxy import FaultProxy

BULK = b'{"create":{"_index":"i","_id":"a"}}\n{"x":1}\n{"create":{"_index":"i","_id":"b"}}\n{"x":2}\n'


class Target(ThreadingHTTPServer):
    """What the proxy stands before: keeps every body, says that every item was created."""

    def __init__(self) -> None:
        bodies: list[bytes] = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                bodies.append(body)
                items = [{"create": {"status": 201}} for _ in range(body.count(b"\n") // 2)]
                content = json.dumps({"errors": False, "items": items}).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        self.bodies = bodies


@pytest.fixture
def target() -> Iterator[Target]:
    with Target() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def proxy(target: Target) -> Iterator[FaultProxy]:
    made = FaultProxy(f"http://127.0.0.1:{target.server_port}", random.Random(1), share=1.0, late=0.1)
    with made.running():
        yield made


def post(proxy: FaultProxy, path: str = "/_bulk") -> tuple[int, list[int]]:
    """The status of the request, and those of its items."""
    connection = http.client.HTTPConnection(proxy.address.removeprefix("http://"), timeout=10)
    try:
        connection.request("POST", path, BULK)
        answer = connection.getresponse()
        content = json.loads(answer.read())
        return answer.status, [item["create"]["status"] for item in content.get("items", ())]
    finally:
        connection.close()


def test_without_a_fault_and_beside_bulk_requests_everything_passes(proxy: FaultProxy, target: Target) -> None:
    assert post(proxy) == (200, [201, 201])
    proxy.fault = "503"
    assert post(proxy, "/_search") == (200, [201, 201])
    assert target.bodies == [BULK, BULK]


@pytest.mark.parametrize("fault", ["429", "503"])
def test_a_request_that_is_turned_away_is_not_passed_on(proxy: FaultProxy, target: Target, fault: str) -> None:
    proxy.fault = fault
    assert post(proxy) == (int(fault), [])
    assert target.bodies == []
    assert proxy.done == {fault: 1}


def test_an_item_that_is_put_off_is_not_passed_on_and_the_others_are(proxy: FaultProxy, target: Target) -> None:
    proxy.fault = "item-429"
    status, items = post(proxy)
    assert (status, sorted(items)) == (200, [201, 429])
    assert [body.count(b"\n") for body in target.bodies] == [2]


def test_a_refused_item_is_that_one(proxy: FaultProxy, target: Target) -> None:
    proxy.fault, proxy.refused = "item-400", lambda index, id: (index, id) == ("i", "b")
    assert post(proxy) == (200, [201, 400])
    assert b'"_id":"b"' not in target.bodies[0]


@pytest.mark.parametrize("fault", ["lost-answer", "late-answer"])
def test_an_answer_that_is_lost_or_late_is_one_to_a_write_that_was_applied(
    proxy: FaultProxy, target: Target, fault: str
) -> None:
    proxy.fault = fault
    if fault == "lost-answer":
        with pytest.raises(http.client.RemoteDisconnected):
            post(proxy)
    else:
        assert post(proxy) == (200, [201, 201])
    assert target.bodies == [BULK]
