"""Sources flow onto the real broker: each document once, whatever ends the process and whatever the servers do."""

import json
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from processors.errors import ConfigurationError
from streams import cli
from streams.codec import decode_document
from streams.feed_lease import FeedLease
from streams.services import collect
from streams.services.monitor import Monitor, Progress
from streams.settings import load_settings
from streams.stack.kafka import Kafka
from streams.status import as_record, read_status
from tests.collect.collecting import Collecting, collecting, declare, feed
from tests.collect.feed_server import Asked, FeedServer, answer, entry, feed_server, rss

NOW = datetime.now(UTC).replace(microsecond=0)


@pytest.fixture
def server() -> Iterator[FeedServer]:
    with feed_server() as server:
        yield server


def test_what_a_feed_lists_comes_once_though_it_is_reordered_and_published_again(
    kafka: Kafka, server: FeedServer, tmp_path: Path
) -> None:
    listings = [
        rss(entry(2, NOW), entry(1, NOW)),
        rss(entry(1, NOW), entry(3, NOW, text="<p>all <b>new</b></p>"), entry(2, NOW + timedelta(seconds=5), "edited")),
        rss(entry(3, NOW), entry(2, NOW), entry(1, NOW), entry("none"), entry(4, "rubbish")),
    ]
    server.pages["/feed"] = lambda asked: answer(listings[min(len(server.of("/feed")), 3) - 1])(asked)
    with collecting(kafka, tmp_path, feed("wire", f"{server.address}/feed")) as running:
        for looks in (1, 2, 3):
            process = running.start()
            running.wait(lambda looks=looks: len(server.of("/feed")) >= looks)  # type: ignore[misc]
            running.wait(running.leads)
            time.sleep(1)
            assert running.stop() == 0, process
        assert running.identities() == Counter({f"wire/{id}": 1 for id in ("1", "2", "3", "none", "4")})
        documents = {record.key.decode(): decode_document(record.value, "news") for record in running.collected("news")}
        assert documents["wire/2"].title == "Title 2", "the first wins"
        assert documents["wire/3"].text == "<p>all <b>new</b></p>", "normalising is for all texts alike"
        assert documents["wire/1"].metadata["collected"] == {"licence": "L", "purpose": "P", "time": "published"}
        undated = documents["wire/none"].metadata["collected"]
        assert (
            undated["time"] == "first-seen" and undated["seen_after"] < documents["wire/none"].published_at.isoformat()
        )


def test_a_feed_that_did_not_change_is_asked_with_what_it_gave_also_after_a_start(
    kafka: Kafka, server: FeedServer, tmp_path: Path
) -> None:
    def page(asked: Asked) -> Any:
        if asked.headers.get("if-none-match") == '"1"':
            return answer(b"", "304 Not Modified")(asked)
        return answer(rss(entry(1, NOW)), ETag='"1"')(asked)

    server.pages["/feed"] = page
    with collecting(kafka, tmp_path, feed("wire", f"{server.address}/feed")) as running:
        running.start()
        running.wait(lambda: running.identities()["wire/1"] == 1)
        assert running.stop() == 0
        running.start()
        running.wait(lambda: len(server.of("/feed")) >= 2)
        running.wait(lambda: 'tocsin_source_looks_total{outcome="unchanged",source="wire"}' in running.metrics())
    assert server.of("/feed")[1].headers["if-none-match"] == '"1"'


def test_faults_cost_their_own_source_and_are_counted(kafka: Kafka, server: FeedServer, tmp_path: Path) -> None:
    bad = {
        "http-500": answer(b"", "500 Oops"),
        "broken-answer": answer(rss(), length=10_000),
        "too-large": answer(b"x" * 300_000),
        "no-feed": answer(b"<html>"),
        "entities": answer(b"<!DOCTYPE a [<!ENTITY b 'c'>]><rss/>"),
        "redirects": answer(b"", "302 Found", Location="/redirects"),
        "broken": answer(rss(entry(1, NOW), entry(2, NOW))[:-60]),
    }
    server.pages = {f"/{name}": page for name, page in bad.items()} | {"/good": answer(rss(entry(1, NOW)))}
    entries = [feed(name, f"{server.address}/{name}") for name in (*bad, "good")]
    entries.append(feed("refused-address", f"{server.address}/good", allow_private=False))
    with (
        feed_server({"/feed": answer(b"", "429 Slow Down", Retry_After="3600")}) as other,
        collecting(
            kafka,
            tmp_path,
            *entries,
            feed("http-429", f"http://localhost:{other.port}/feed"),
            feed("neighbour", f"http://localhost:{other.port}/feed"),
            **{"collect.feed_bytes": "200000"},
        ) as running,
    ):
        running.start()
        for name in (*bad, "refused-address"):
            told = f'tocsin_source_looks_total{{outcome="{name}",source="{name}"}}'
            running.wait(lambda told=told: told in running.metrics())  # type: ignore[misc]
        running.wait(lambda: running.identities()["good/1"] == 1)
        running.wait(lambda: len(server.of("/good")) > 5)
        assert running.identities() == Counter({"good/1": 1, "broken/1": 1})
        assert len(other.asked) == 1, "who asks to be let alone for an hour speaks for the host"
        assert server.most_at_once == 1, "all of these are one host"
        state = as_record(read_status(_at(running)))["services"]["collect"]
        assert state["ready"] and state["outcomes"]["sent"] == 2
        assert state["seconds_since_read"]["good"] < 60


def _at(running: Collecting) -> Any:
    settings = running.prefix.settings
    return replace(settings, services=replace(settings.services, collect_port=running.ports.collect))


def test_killed_again_and_again_a_feed_a_file_and_pushes_come_whole_and_once(
    kafka: Kafka, server: FeedServer, tmp_path: Path
) -> None:
    """Thousands of documents from three kinds of sources, at once, with kill -9 at random points."""
    rng = random.Random(7)
    listed = [0]

    def page(asked: Asked) -> Any:
        listed[0] += 200  # it grows by 200 with every look, and lists 2,000 at most
        return answer(rss(*(entry(n, NOW) for n in range(max(0, listed[0] - 2000), listed[0]))))(asked)

    server.pages["/feed"] = page
    lines, rotated = tmp_path / "desk.jsonl", tmp_path / "desk.jsonl.1"
    entries = (
        feed("wire", f"{server.address}/feed"),
        {"name": "desk", "kind": "social", "path": str(lines)},
        {"name": "partner", "push": True},
    )
    written, pushed, confirmed = 0, 0, set[str]()
    with collecting(kafka, tmp_path, *entries) as running:
        for turn in range(6):
            running.start()
            running.wait(running.leads)
            until = time.monotonic() + rng.uniform(0.05, 2.5)
            while time.monotonic() < until:
                with lines.open("ab") as file:
                    for _ in range(300 if written < 1500 * (turn + 1) else 0):
                        file.write(json.dumps(_document("desk", written)).encode() + b"\n")
                        written += 1
                if turn == 3 and not rotated.exists():
                    lines.rename(rotated)
                batch = [_document("partner", n, kind="news") for n in range(max(0, pushed - 50), pushed + 100)]
                try:
                    status, told = running.push(batch)
                except OSError:
                    continue
                if status == 200:
                    assert told["refused"] == 0
                    confirmed |= {result["identity"] for result in told["results"]}
                    pushed += 100
            running.kill()
        running.start()
        running.wait(lambda: running.identities()[f"desk/{written - 1}"] > 0)
        running.wait(lambda: running.identities()["wire/1999"] > 0)
        assert running.stop() == 0
        found = running.identities()
        listed_last = max(int(identity.removeprefix("wire/")) for identity in found if identity.startswith("wire/"))
    assert [identity for identity, count in found.items() if count > 1] == []
    assert {identity for identity in found if identity.startswith("desk/")} == {f"desk/{n}" for n in range(written)}
    assert {identity for identity in found if identity.startswith("wire/")} == {
        f"wire/{n}" for n in range(listed_last + 1)
    }
    assert confirmed <= set(found)
    assert written > 2000 and len(confirmed) > 200 and listed_last >= 1999


def _document(source: str, number: int, **more: Any) -> dict[str, Any]:
    return {"id": str(number), "source": source, "published_at": NOW.isoformat(), "text": f"text {number}", **more}


def test_a_second_process_stands_by_and_goes_on_where_the_first_was_killed(
    kafka: Kafka, server: FeedServer, tmp_path: Path
) -> None:
    lines = tmp_path / "desk.jsonl"
    lines.write_text("".join(json.dumps(_document("desk", n)) + "\n" for n in range(50)))
    with collecting(kafka, tmp_path, {"name": "desk", "kind": "social", "path": str(lines)}) as running:
        first = running.start(port=running.ports.index)
        running.wait(lambda: running.identities().total() == 50)
        running.start()
        running.wait(lambda: "tocsin_collect_leading 0.0" in running.metrics())
        time.sleep(4)
        assert not running.leads() and first.poll() is None, "who came first stays"
        first.send_signal(signal.SIGKILL)
        killed = time.monotonic()
        with lines.open("a") as file:
            file.write(json.dumps(_document("desk", 50)) + "\n")
        running.wait(running.leads)
        assert time.monotonic() - killed < 30
        running.wait(lambda: running.identities()["desk/50"] == 1)
        assert running.identities().total() == 51


def test_frozen_for_longer_than_its_session_a_process_ends_itself(kafka: Kafka, tmp_path: Path) -> None:
    lines = tmp_path / "desk.jsonl"
    lines.write_text(json.dumps(_document("desk", 0)) + "\n")
    with collecting(kafka, tmp_path, {"name": "desk", "kind": "social", "path": str(lines)}) as running:
        process = running.start()
        running.wait(lambda: running.identities().total() == 1)
        process.send_signal(signal.SIGSTOP)
        time.sleep(10)
        with lines.open("a") as file:
            file.write(json.dumps(_document("desk", 1)) + "\n")
        process.send_signal(signal.SIGCONT)
        assert process.wait(60) == 1
        running.start()
        running.wait(lambda: running.identities()["desk/1"] >= 1)
        assert running.identities()["desk/0"] == 1


def test_while_too_much_waits_for_enrich_nothing_is_taken(kafka: Kafka, server: FeedServer, tmp_path: Path) -> None:
    server.pages["/feed"] = answer(rss(entry(1, NOW)))
    entries = (feed("wire", f"{server.address}/feed"), {"name": "partner", "push": True})
    with collecting(kafka, tmp_path, *entries, **{"collect.most_waiting": "1"}) as running:
        for number in range(3):
            running.prefix.send("news", b"{}", key=f"other/{number}".encode())
        running.start()
        running.wait(running.leads)
        running.wait(lambda: "tocsin_collect_held_back 1.0" in running.metrics())
        status, told = running.push([_document("partner", 1, kind="news")])
        assert status == 429 and "wait for enrich" in told["detail"]
        assert int(told["headers"]["retry-after"]) > 0


def test_beside_a_feed_of_history_nothing_is_collected(kafka: Kafka, tmp_path: Path) -> None:
    with (
        collecting(kafka, tmp_path, {"name": "partner", "push": True}) as running,
        FeedLease(running.prefix.settings),
        pytest.raises(ConfigurationError, match="a feed is writing history"),
    ):
        collect.run(running.prefix.settings, Monitor("collect", Progress(10)), threading.Event())


def test_without_sources_collect_says_what_to_set(tmp_path: Path) -> None:
    result = CliRunner().invoke(cli.app, ["run", "collect", "--help"])
    assert result.exit_code == 0
    with pytest.raises(ConfigurationError, match=r"set collect\.sources"):
        collect.declared(load_settings(None, {}, {}))


def test_pushing_to_a_network_wants_a_key(tmp_path: Path) -> None:
    path = declare(tmp_path / "sources.toml", {"name": "partner", "push": True})
    settings = load_settings(None, {}, {"collect.sources": str(path), "push.host": "0.0.0.0"})
    with pytest.raises(ConfigurationError, match=r"push\.key"):
        collect.run(settings, Monitor("collect", Progress(10)), threading.Event())


def test_checking_a_file_of_sources_shows_what_would_be_sent_and_sends_nothing(
    server: FeedServer, tmp_path: Path
) -> None:
    server.pages |= {
        "/good": answer(rss(entry(1, NOW, "[red]Chips[/red]"), entry(2))),
        "/bad": answer(b"", "404 Not Found"),
    }
    lines = tmp_path / "desk.jsonl"
    lines.write_text(json.dumps(_document("desk", 1)) + "\nrubbish\n")
    good = (feed("wire", f"{server.address}/good"), {"name": "desk", "kind": "social", "path": str(lines)})
    path = declare(tmp_path / "sources.toml", *good, {"name": "partner", "push": True})
    result = CliRunner().invoke(cli.app, ["sources", "check", str(path)])
    assert result.exit_code == 0, result.output
    assert "[red]Chips[/red]" in result.output and "1 document would be sent" in result.output
    assert "1 items without a time that can be meant" in result.output
    assert "text 1" in result.output and "1 of the first 2 lines is refused" in result.output
    assert "1 refused, invalid-json: line 2: " in result.output
    lines.write_text("".join(json.dumps(_document("other", number)) + "\n" for number in (1, 2, 3)) + "rubbish\n")
    result = CliRunner().invoke(cli.app, ["sources", "check", str(path)])
    assert result.exit_code == 1 and "4 of the first 4 lines are refused" in result.output
    assert (
        "3 refused, wrong-value: line 1: source is 'other', what comes this way is declared as 'desk'" in result.output
    )
    assert result.output.count("wrong-value") == 1, "of each reason the first alone"
    path = declare(tmp_path / "sources.toml", *good, feed("gone", f"{server.address}/bad"))
    result = CliRunner().invoke(cli.app, ["sources", "check", str(path)])
    assert result.exit_code == 1 and "http-404" in result.output
