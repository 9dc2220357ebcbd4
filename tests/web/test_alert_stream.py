"""Alerts pushed to programs: each once, in order, from wherever a reader left off; from a store and from Kafka."""

import http.client
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from web_console import Caller

from streams.settings import Settings
from streams.sqlite_store import SqliteStore
from streams.stack.kafka import Kafka
from streams.web.app import application
from streams.web.context import Context
from streams.web.server import WebServer
from streams.web.stores import Stores
from tests.services.kafka_client import new_prefix
from tests.streams.sample_messages import NOON, alert


class Reader:
    """Reads one stream of server-sent events, line by line, as any client does."""

    def __init__(self, address: str, path: str, **headers: str) -> None:
        self._connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=60)
        self._connection.request("GET", path, headers=headers)
        self.answer = self._connection.getresponse()

    def __next__(self) -> tuple[str, Any]:
        """Id and alert of the next event."""
        event: dict[str, str] = {}
        while True:
            line = self.answer.readline().decode().rstrip("\n")
            if line.startswith((":", "retry:")):
                continue
            if line:
                name, _, value = line.partition(": ")
                event[name] = value
            elif event:
                assert event["event"] == "alert"
                return event["id"], json.loads(event["data"])

    def close(self) -> None:
        self._connection.close()


def reader(console: Caller, path: str = "", last: str = "") -> Reader:
    return Reader(console.address, f"/v1/alerts/stream{path}", **({"Last-Event-ID": last} if last else {}))


def test_what_rings_is_pushed_and_a_reader_that_comes_again_misses_nothing(console: Caller, store_path: Path) -> None:
    store = SqliteStore(store_path)
    first = reader(console)
    store.write_alerts([alert(f"alert-n{n}", at=NOON + timedelta(hours=n)) for n in (1, 2, 3)])
    seen = [next(first) for _ in range(2)]
    first.close()
    assert [id for id, _ in seen] == ["alert-n1", "alert-n2"]
    store.write_alerts([alert("alert-n4", at=NOON + timedelta(hours=3), sequence=1)])
    again = reader(console, last=seen[-1][0])
    assert [next(again)[1]["id"] for _ in range(2)] == ["alert-n3", "alert-n4"]
    again.close()
    by_query = reader(console, "?after=alert-n3")
    assert next(by_query)[0] == "alert-n4"
    by_query.close()
    store.close()


def test_more_than_a_page_that_came_meanwhile_is_pushed_in_order(console: Caller, store_path: Path) -> None:
    store = SqliteStore(store_path)
    store.write_alerts([alert(f"alert-m{n:03}", at=NOON + timedelta(minutes=n // 2)) for n in range(450)])
    stream = reader(console, last="alert-m000")
    assert [next(stream)[0] for _ in range(449)] == [f"alert-m{n:03}" for n in range(1, 450)]
    stream.close()
    store.close()


def test_an_event_that_there_never_was_is_a_problem_and_too_many_readers_wait(console: Caller) -> None:
    refused = console("/v1/alerts/stream?after=none")
    assert (refused.status, "no event 'none'" in refused.json["detail"]) == (422, True)
    readers = [reader(console) for _ in range(16)]
    busy = console("/v1/alerts/stream")
    assert (busy.status, busy.headers["Retry-After"]) == (503, "30")
    assert console("/v1/now").status == 200, "pages are shown all the same"
    for one in readers:
        one.close()


@contextmanager
def over_kafka(settings: Settings) -> Iterator[Caller]:
    """A console that reads alerts from Kafka; its pages have no store here."""

    def nowhere() -> Any:
        raise AssertionError("no store is asked")

    with WebServer(application(Context(settings, Stores(nowhere))), settings.web, or_next=True) as server:
        yield Caller(server.address)


@pytest.mark.parametrize("between", ["same console", "another console"])
def test_of_a_running_service_they_come_from_kafka_each_once(kafka: Kafka, between: str) -> None:
    prefix = new_prefix(kafka)
    prefix.ring(alert("alert-0"))
    with over_kafka(prefix.settings) as console:
        stream = reader(console)
        prefix.ring(alert("alert-1"), alert("alert-2"))
        prefix.ring(alert("alert-x"), commit=False)
        last, first = next(stream)
        stream.close()
        assert first["id"] == "alert-1", "from now on"
        if between == "same console":
            resumed = reader(console, last=last)
            prefix.ring(alert("alert-3"))
            assert [next(resumed)[1]["id"] for _ in range(2)] == ["alert-2", "alert-3"]
            resumed.close()
            assert console("/v1/alerts/stream?after=7").status == 422
            return
    prefix.ring(alert("alert-3"))
    with over_kafka(prefix.settings) as console:
        resumed = reader(console, last=last)
        assert [next(resumed)[1]["id"] for _ in range(2)] == ["alert-2", "alert-3"]
        resumed.close()
