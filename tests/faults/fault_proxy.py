"""A proxy before the real Elasticsearch that goes wrong as servers and networks do, for bulk requests only."""

import http.client
import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from urllib.parse import urlsplit

BUSY: Final = {"error": {"type": "es_rejected_execution_exception", "reason": "the queue is full"}, "status": 429}
AWAY: Final = {"error": {"type": "no_shard_available_action_exception", "reason": "none"}, "status": 503}
ITEM_BUSY: Final = {"status": 429, "error": BUSY["error"]}
ITEM_REFUSED: Final = {
    "status": 400,
    "error": {"type": "document_parsing_exception", "reason": "the test does not want it"},
}

Sent = tuple[bytes, bytes]
"""One item of a bulk request: its action and its source, as lines."""


class FaultProxy:
    """Passes everything on to `target`. A share of the bulk requests goes wrong as `fault` says, as `chance` will have it:

    | fault | does |
    | --- | --- |
    | 429, 503 | answers so, and passes nothing on |
    | item-429 | does not pass on one item of the request, and says that it was too busy for it |
    | item-400 | never passes on the items that `refused` tells, and says that they cannot be indexed |
    | lost-answer | passes it on, then closes the connection without an answer |
    | late-answer | passes it on, and answers after `late` seconds |
    """

    def __init__(self, target: str, chance: random.Random, *, share: float = 0.5, late: float = 3.0) -> None:
        self.fault = ""
        self.refused: Callable[[str, str], bool] = lambda index, id: False
        self.done: Counter[str] = Counter()
        self._target = urlsplit(target).netloc
        self._chance, self._share, self._late = chance, share, late
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True

    @property
    def address(self) -> str:
        """The URL for clients."""
        return f"http://127.0.0.1:{self._server.server_port}"

    @contextmanager
    def running(self) -> Iterator["FaultProxy"]:
        """Serve within the block."""
        thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()

    def answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, Any, bytes] | None:
        """Status, headers and body; None for a connection that closes."""
        fault = self.fault
        if not urlsplit(path).path.endswith("/_bulk") or not fault:
            return self._passed_on(method, path, headers, body)
        if fault == "item-400":
            return self._without_items(
                path, headers, body, lambda number, item: self.refused(*_place(item)), ITEM_REFUSED
            )
        if self._chance.random() >= self._share:
            return self._passed_on(method, path, headers, body)
        self.done[fault] += 1
        if fault == "item-429":
            one = self._chance.randrange(max(1, len(_items(body))))
            return self._without_items(path, headers, body, lambda number, item: number == one, ITEM_BUSY)
        if fault in ("429", "503"):
            content = BUSY if fault == "429" else AWAY
            return int(fault), _headers(), json.dumps(content).encode()
        answer = self._passed_on(method, path, headers, body)
        if fault == "lost-answer":
            return None
        time.sleep(self._late)
        return answer

    def _without_items(
        self,
        path: str,
        headers: dict[str, str],
        body: bytes,
        chosen: Callable[[int, Sent], bool],
        instead: dict[str, Any],
    ) -> tuple[int, Any, bytes]:
        items = _items(body)
        kept = [item for number, item in enumerate(items) if not chosen(number, item)]
        answered: list[Any] = []
        if kept:
            passed = b"".join(action + b"\n" + source + b"\n" for action, source in kept)
            status, _, raw = self._passed_on("POST", path, headers, passed)
            if status != 200:
                return status, _headers(), raw
            answered = json.loads(raw)["items"]
        following = iter(answered)
        told = [{"create": instead} if chosen(number, item) else next(following) for number, item in enumerate(items)]
        if len(kept) < len(items):
            self.done["items"] += len(items) - len(kept)
        return 200, _headers(), json.dumps({"errors": True, "items": told}).encode()

    def _passed_on(self, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, Any, bytes]:
        connection = http.client.HTTPConnection(self._target, timeout=120)
        try:
            kept = {name: value for name, value in headers.items() if name.lower() not in ("host", "content-length")}
            connection.request(method, path, body or None, kept)
            answer = connection.getresponse()
            content = answer.read()
            return answer.status, answer.getheaders(), content
        finally:
            connection.close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_one(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                try:
                    answer = proxy.answer(self.command, self.path, dict(self.headers.items()), body)
                except OSError:
                    answer = None  # the real one is away
                if answer is None:
                    self.close_connection = True
                    return
                status, headers, content = answer
                try:
                    self.send_response_only(status)
                    for name, value in headers:
                        if name.lower() not in ("content-length", "transfer-encoding", "connection"):
                            self.send_header(name, value)
                    self.send_header("Content-Length", str(len(content)))
                    self.end_headers()
                    if self.command != "HEAD":
                        self.wfile.write(content)
                except OSError:
                    self.close_connection = True  # the client no longer waits

            do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = handle_one

            def log_message(self, format: str, *args: Any) -> None:
                """Requests are not worth a line."""

        return Handler


def _items(body: bytes) -> list[Sent]:
    lines = [line for line in body.split(b"\n") if line]
    return list(zip(lines[::2], lines[1::2], strict=True))


def _place(item: Sent) -> tuple[str, str]:
    [target] = json.loads(item[0]).values()
    return target["_index"], target["_id"]


def _headers() -> list[tuple[str, str]]:
    return [
        ("X-Elastic-Product", "Elasticsearch"),
        ("Content-Type", "application/vnd.elasticsearch+json;compatible-with=8"),
    ]
