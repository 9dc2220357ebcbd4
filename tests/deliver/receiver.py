"""A receiver of webhooks that fails as the test wants it to, and remembers everything that it was sent."""

import json
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

SECRET = "whsec_" + "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE="
OTHER = "whsec_" + "QkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkI="


@dataclass(frozen=True)
class Request:
    """One request as it came; `status` is what it was answered, 0 for nothing."""

    path: str
    headers: dict[str, str]
    body: bytes
    status: int
    at: float

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def json(self) -> Any:
        return json.loads(self.body)


Answer = int | tuple[int, dict[str, str]] | float
"""A status, with headers or without; or seconds of silence, after which there is none."""


@dataclass
class Receiver:
    """`answers` decides by path and how often that message was tried before."""

    port: int = 0
    answers: Callable[[str, int], Answer] = lambda path, tried: 204
    requests: list[Request] = field(default_factory=list)
    tried: defaultdict[tuple[str, str], int] = field(default_factory=lambda: defaultdict(int))
    lock: threading.Lock = field(default_factory=threading.Lock)

    def url(self, path: str = "/") -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def taken(self, path: str = "") -> list[Request]:
        """What was answered with success."""
        with self.lock:
            return [one for one in self.requests if 200 <= one.status < 300 and one.path.startswith(path)]


@contextmanager
def receiver(**options: Any) -> Iterator[Receiver]:
    """A receiver that listens on loopback until the block ends."""
    made = Receiver(**options)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            key = (self.path, headers.get("webhook-id", ""))
            with made.lock:
                answer = made.answers(self.path, made.tried[key])
                made.tried[key] += 1
            status, more = answer if isinstance(answer, tuple) else (answer, {})
            if isinstance(status, float):
                time.sleep(status)
                status = 0
            with made.lock:
                made.requests.append(Request(self.path, headers, body, status, time.time()))
            if not status:
                self.close_connection = True
                return
            self.send_response(status)
            for name, value in more.items():
                self.send_header(name, value)
            self.send_header("content-length", "0")
            self.end_headers()

        do_GET = do_POST

        def log_message(self, format: str, *arguments: Any) -> None:
            """Requests are remembered, not printed."""

    server = ThreadingHTTPServer(("127.0.0.1", made.port), Handler)
    server.daemon_threads = True
    made.port = server.server_address[1]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()
