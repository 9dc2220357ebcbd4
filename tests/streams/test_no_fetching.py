"""No text makes Tocsin fetch anything: an address in a document is a string like any other."""

import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from bad_input import NOW, record

from streams.pipeline import ModelLabeller
from streams.replay import replay_documents
from streams.settings import Settings
from streams.testkit import WordClassifier

ADDRESSES = [
    "http://evil.example/x",
    "https://127.0.0.1:1/x",
    "//evil.example/x",
    "ftp://evil.example/x",
    "file:///etc/passwd",
    "http://[::1]:1/",
    "http://169.254.169.254/latest/meta-data/",
    "data:text/html,<script>fetch('http://evil.example')</script>",
    "\\\\evil.example\\share",
    "javascript:fetch('http://evil.example')",
]
_REACHES = {"socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto", "urllib.Request"}
_seen: list[str] | None = None


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    if _seen is not None and event in _REACHES:
        _seen.append(f"{event} {arguments[1:]}")
        raise PermissionError("nothing is to be reached")


sys.addaudithook(_watch)  # there is no taking it back; without `reached` it does nothing


@pytest.fixture
def reached() -> Iterator[list[str]]:
    """What Python's own code tried to reach meanwhile; it fails."""
    global _seen
    _seen = []
    yield _seen
    _seen = None


def test_the_watch_sees_what_reaches_out(reached: list[str]) -> None:
    with pytest.raises(PermissionError), socket.socket() as one:
        one.connect(("127.0.0.1", 9))
    assert reached[0].startswith("socket.connect")


def test_documents_full_of_addresses_are_replayed_without_reaching_any(reached: list[str], tmp_path: Path) -> None:
    path, documents = tmp_path / "feed.jsonl", 0
    with path.open("wb") as file:
        for number, address in enumerate(ADDRESSES):
            markup = (
                f'<img src="{address}"><a href="{address}">Boeing</a> <link rel=stylesheet href={address}> {address}'
            )
            fields = {
                "url": address,
                "author": address,
                "title": markup,
                "text": markup,
                "metadata": {"image": address},
            }
            for name in (*fields, None):
                given = {name: fields[name]} if name else fields
                file.write(record(id=f"{number}-{name}", **{"text": "Boeing falls", **given}) + b"\n")
                documents += 1
        file.write(record(id="as xml", text=f'<!DOCTYPE x SYSTEM "{ADDRESSES[0]}"><x>&e;</x> Boeing') + b"\n")
    summary = replay_documents([path], tmp_path / "out", Settings(), ModelLabeller(WordClassifier()), now=NOW)
    assert summary.documents_read == documents + 1
    assert not summary.refused
    assert reached == []
