"""Tocsin's services as a part of the stack: ready together, restarted when killed, ended together."""

import os
import re
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import psutil
import pytest

from processors.messages import Canary, Document, LabelledDocument
from streams.codec import decode, encode
from streams.elastic_client import connect
from streams.log_reader import tick_of
from streams.settings import load_settings
from streams.stack.services import Services
from streams.stack.stack import Stack
from streams.topics_admin import create_topics
from tests.patience import PATIENCE
from tests.services.kafka_client import Prefix

OWN = {"kafka.prefix": "supervised", "elasticsearch.prefix": "supervised", "clock.canary_seconds": "10"}


@pytest.fixture(scope="module")
def services(stack: Stack) -> Iterator[Services]:
    """All four on a prefix of their own, ready."""
    stack.up()
    create_topics(load_settings(None, {}, {**stack.settings, **OWN}))
    options = [word for name, value in OWN.items() for word in ("--set", f"{name}={value}")]
    services = Stack(stack.folder, service_options=options).services
    services.start()
    yield services
    services.stop()


def workers(services: Services) -> dict[str, int]:
    """The processes of the services, by name; a child that is only beginning or ending has none."""
    commands = {}
    for child in psutil.Process(services.pid).children():
        with suppress(psutil.NoSuchProcess):  # a zombie counts as none
            commands[child.pid] = child.cmdline()
    return {words[words.index("run") + 1]: pid for pid, words in commands.items() if "run" in words}


def until(what: Callable[[], Any], services: Services) -> Any:
    """What `what` gives once it is true."""
    deadline = time.monotonic() + PATIENCE
    while not (found := what()):
        assert time.monotonic() < deadline, f"not ready: {services.not_ready()}\n{services.process.tail(20)}"
        time.sleep(0.5)
    return found


def page(port: int, path: str) -> tuple[int, str]:
    """Status and body of a page of a service's monitor; 0 where nobody answers."""
    try:
        with urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
            return answer.status, answer.read().decode()
    except HTTPError as error:
        return error.code, error.read().decode()
    except OSError:
        return 0, ""


def round_trip(port: int) -> float | None:
    """How long the clock says that the latest canary was under way; None before one came back."""
    found = re.search(r"^tocsin_canary_round_trip_seconds ([0-9.e+-]+)$", page(port, "/metrics")[1], re.MULTILINE)
    return float(found[1]) if found else None


def test_a_canary_goes_from_the_clock_through_everything_and_the_clock_sees_it_return(
    stack: Stack, services: Services
) -> None:
    port, prefix = stack.ports.clock, Prefix({**stack.settings, **OWN})
    assert 0 < until(lambda: round_trip(port), services) < PATIENCE

    [returned, *_] = prefix.records("canary")[0]
    canary = decode(Canary, returned.value)
    assert canary.identity.startswith("tocsin-canary/")
    labelled = [
        document
        for records in prefix.records("documents").values()
        for document in (decode(LabelledDocument, record.value) for record in records)
        if document.identity == canary.identity
    ]
    assert {document.status for document in labelled} == {"labelled"}, "it went through Triton"
    until(lambda: hits(prefix, canary.identity) == 1, services)
    assert not any(prefix.records("series").values()), "it feeds no series"
    mentions = [record for records in prefix.records("mentions").values() for record in records]
    assert all(tick_of(record) for record in mentions)


def test_what_is_live_is_judged_as_it_comes(stack: Stack, services: Services) -> None:
    prefix = Prefix({**stack.settings, **OWN})
    until(lambda: round_trip(stack.ports.clock), services)
    count = 20
    for number in range(count):
        now = datetime.now(UTC)
        live = Document(str(number), "live", "social", now, text=f"Boeing and Apple rise on order number {number}")
        prefix.send("social", encode(live), number % 4)
        time.sleep(0.2)
    until(
        lambda: judged(stack.ports.detect).get("applied", 0) >= 3 * count, services
    )  # two companies, and the wide series
    assert judged(stack.ports.detect).keys() <= {"applied", "tick", "canary"}, "nothing waited for the clock"


def judged(port: int) -> dict[str, float]:
    """What detect says of the records that it applied."""
    found = re.findall(
        r'^tocsin_detect_records_total\{log="\w+",outcome="([\w-]+)"\} ([0-9.e+]+)$',
        page(port, "/metrics")[1],
        re.MULTILINE,
    )
    counts: Counter[str] = Counter()
    for outcome, count in found:
        counts[outcome] += float(count)
    return {outcome: count for outcome, count in counts.items() if count}


def test_without_a_model_no_canary_returns_and_the_clock_is_not_ready_until_one_does(
    stack: Stack, services: Services
) -> None:
    until(lambda: page(stack.ports.clock, "/readyz")[0] == 200, services)
    stack.triton.kill()
    try:
        _, body = until(lambda: (p := page(stack.ports.clock, "/readyz"))[0] == 503 and p, services)
        assert "a canary: none came back" in body
    finally:
        stack.triton.start()
    until(lambda: page(stack.ports.clock, "/readyz")[0] == 200, services)


def hits(prefix: Prefix, identity: str) -> int:
    """How many documents of an identity are in the index."""
    with connect(prefix.settings.elasticsearch) as client:
        alias = f"{prefix.settings.elasticsearch.prefix}-documents"
        if not client.indices.exists_alias(name=alias):
            return 0
        client.indices.refresh(index=alias)
        return int(client.count(index=alias, query={"ids": {"values": [identity]}})["count"])


def test_a_killed_service_is_started_again_and_all_end_together(services: Services) -> None:
    before = workers(services)
    assert set(before) == {"enrich", "detect", "index", "clock", "web"}
    os.kill(before["clock"], signal.SIGKILL)
    until(lambda: workers(services).get("clock") not in (None, before["clock"]) and services.is_ready(), services)
    assert "clock ended (exit code -9)" in services.process.log.read_text()

    last = workers(services).values()
    services.stop()
    assert services.pid is None
    assert not any(psutil.pid_exists(pid) for pid in last)
