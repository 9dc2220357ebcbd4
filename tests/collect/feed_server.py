"""A web server of the tests' own that answers as badly as it is told to, and remembers what it was asked."""

import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import format_datetime
from html import escape

Answer = Callable[["Asked"], Iterable[bytes]]
"""The bytes of an answer, sent piece by piece; what raises ends the connection."""


@dataclass(frozen=True)
class Asked:
    path: str
    headers: dict[str, str]
    at: float


@dataclass
class FeedServer:
    """Answers each path by what `pages` says; 404 for what it does not."""

    pages: dict[str, Answer] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    port: int = 0
    at_once: int = 0
    most_at_once: int = 0

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def of(self, path: str) -> list[Asked]:
        return [one for one in self.asked if one.path == path]


def answer(body: bytes, status: str = "200 OK", length: int | None = None, **headers: str) -> Answer:
    """One whole answer; `length` lies about its length."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body) if length is None else length}", "Connection: close"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return lambda asked: ["\r\n".join([*lines, "", ""]).encode(), body]


def rss(*items: bytes, head: bytes = b'<?xml version="1.0" encoding="utf-8"?>') -> bytes:
    return head + b'<rss version="2.0"><channel><title>feed</title>' + b"".join(items) + b"</channel></rss>"


def entry(number: int | str, at: datetime | str | None = None, title: str | None = None, text: str = "") -> bytes:
    """One item; `at` as text stands as it is."""
    date = format_datetime(at) if isinstance(at, datetime) else at
    parts = [f"<guid>{number}</guid><link>/items/{number}</link>"]
    parts.append(f"<title>{escape(title if title is not None else f'Title {number}')}</title>")
    parts += [f"<pubDate>{date}</pubDate>"] if date is not None else []
    parts += [f"<description>{escape(text)}</description>"] if text else []
    return f"<item>{''.join(parts)}</item>".encode()


@contextmanager
def feed_server(pages: dict[str, Answer] | None = None, host: str = "127.0.0.1") -> Iterator[FeedServer]:
    """A server that runs until the block ends."""
    listening = socket.create_server((host, 0))
    server = FeedServer(pages or {}, port=listening.getsockname()[1])
    lock = threading.Lock()

    def serve(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.settimeout(60)
            request = b""
            while b"\r\n\r\n" not in request:
                part = connection.recv(65536)
                if not part:
                    return
                request += part
            first, *lines = request.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
            asked = Asked(first.split(" ")[1], headers, time.monotonic())
            with lock:
                server.asked.append(asked)
                server.at_once += 1
                server.most_at_once = max(server.most_at_once, server.at_once)
            try:
                for piece in server.pages.get(asked.path, answer(b"", "404 Not Found"))(asked):
                    connection.sendall(piece)
            finally:
                with lock:
                    server.at_once -= 1

    def accept() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listening.accept()
                threading.Thread(target=serve, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield server
    finally:
        listening.close()
