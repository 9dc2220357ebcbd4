"""The clock ticks every partition, only forwards, and tells by a canary whether the bell works."""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from kafka_client import Prefix, new_prefix

from processors.errors import ConfigurationError, TocsinError
from processors.identity import format_instant
from processors.linking import Linker
from processors.messages import Canary, Document, Tick
from streams.codec import decode, decode_document, encode
from streams.feed_lease import FeedLease
from streams.kafka_clients import admin
from streams.log_reader import tick_of
from streams.services import clock
from streams.services.clock_canary import CanaryWatch, canary_document
from streams.services.monitor import Monitor, Progress
from streams.settings import load_master, load_settings
from streams.stack.kafka import Kafka
from streams.topics import CANARY_SOURCE, TICK, TYPE_HEADER
from tests.patience import PATIENCE

MINUTE = timedelta(minutes=1)
NOON = datetime(2024, 5, 6, 12, tzinfo=UTC)
FAST = {"clock.tick_seconds": "0.5", "clock.canary_seconds": "0"}


@contextmanager
def running(prefix: Prefix) -> Iterator[Monitor]:
    """A clock in a thread, stopped at the end."""
    monitor, stop = Monitor("clock", Progress(10)), threading.Event()
    thread = threading.Thread(target=clock.run, args=(prefix.settings, monitor, stop), daemon=True)
    thread.start()
    try:
        yield monitor
    finally:
        stop.set()
        thread.join(10)
    assert not thread.is_alive(), "told to stop, the clock goes on"


def ticks(prefix: Prefix) -> dict[str, list[datetime]]:
    return {
        f"{topic}/{partition}": [tick.at for record in records if (tick := tick_of(record))]
        for topic in ("news", "social")
        for partition, records in prefix.records(topic).items()
    }


def wait_for(condition: object, seconds: float = PATIENCE) -> None:
    assert callable(condition)
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.1)


def metric(monitor: Monitor, name: str) -> float:
    value = monitor.registry.get_sample_value(name)
    return -1.0 if value is None else value


def test_every_partition_hears_aligned_instants_that_only_go_forwards(kafka: Kafka) -> None:
    prefix = new_prefix(kafka, **FAST)
    began = datetime.now(UTC)
    with running(prefix) as monitor:
        wait_for(lambda: metric(monitor, "tocsin_ticks_total") >= 12)
        assert monitor.progress.ready
    heard = ticks(prefix)
    assert set(heard) == {"news/0", "news/1", "social/0", "social/1"}
    for place, instants in heard.items():
        assert len(instants) >= 3, place
        assert instants == sorted(set(instants)), place
        assert all(at.microsecond % 500_000 == 0 for at in instants), place
        assert began - timedelta(seconds=1) < instants[0] <= instants[-1] <= datetime.now(UTC), place


def test_two_clocks_of_which_one_is_frozen_and_woken_never_turn_time_back(kafka: Kafka) -> None:
    prefix = new_prefix(kafka, **FAST)
    command = [sys.executable, "-c", "from streams.cli import main; main()", "run", "clock", *prefix.arguments]
    clocks = [subprocess.Popen([*command, f"--set=services.clock_port={port}"]) for port in (22880, 22881)]
    try:
        wait_for(lambda: min(map(len, ticks(prefix).values())) > 4, seconds=60)
        clocks[0].send_signal(signal.SIGSTOP)
        before = len(ticks(prefix)["news/0"])
        wait_for(lambda: len(ticks(prefix)["news/0"]) > before + 4, seconds=60)
        clocks[0].send_signal(signal.SIGCONT)
        wait_for(lambda: len(ticks(prefix)["news/0"]) > before + 10, seconds=60)
        for process in clocks:
            process.terminate()
        assert [process.wait(PATIENCE) for process in clocks] == [0, 0]
    finally:
        for process in clocks:
            process.kill()
    for place, instants in ticks(prefix).items():
        behind = [later for earlier, later in pairwise(instants) if earlier - later > MINUTE / 30]
        assert behind == [], f"{place}: ticks that were written long after their time"
        assert set(instants) >= {instants[0] + timedelta(seconds=i / 2) for i in range(4)}, place


def test_a_canary_is_an_ordinary_document_and_what_comes_back_is_measured(kafka: Kafka) -> None:
    prefix = new_prefix(kafka, **FAST | {"clock.canary_seconds": "3600"})
    with running(prefix) as monitor:
        wait_for(lambda: any(record.key for records in prefix.records("social").values() for record in records))
        [sent] = [r for records in prefix.records("social").values() for r in records if r.key]
        document = decode_document(sent.value, "social")
        assert document.source == CANARY_SOURCE
        assert sent.key.decode() == document.identity
        assert metric(monitor, "tocsin_canary_seconds") < 60
        prefix.send("canary", b"no canary")
        prefix.send("canary", encode(Canary(document.identity, datetime.now(UTC) - 2 * MINUTE)))
        wait_for(lambda: metric(monitor, "tocsin_canary_round_trip_seconds") > 119)
        assert 119 < metric(monitor, "tocsin_canary_round_trip_seconds") < 180
        assert metric(monitor, "tocsin_canary_seconds") > 119
        assert monitor.progress.ready, "two minutes are less than three intervals of an hour"


def test_a_canary_that_stays_away_for_three_intervals_makes_the_clock_not_ready_until_one_returns(kafka: Kafka) -> None:
    prefix = new_prefix(kafka, **FAST | {"clock.canary_seconds": "2"})
    with running(prefix) as monitor:
        wait_for(lambda: b"a canary: none came back" in monitor.answer("/readyz")[2])
        assert monitor.answer("/readyz")[0] == 503
        prefix.send("canary", encode(Canary(f"{CANARY_SOURCE}/x", datetime.now(UTC))))
        wait_for(lambda: monitor.answer("/readyz")[0] == 200)


def test_a_log_whose_time_lies_in_the_future_is_not_ticked(kafka: Kafka) -> None:
    prefix = new_prefix(kafka, **FAST)
    ahead = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=3)
    prefix.send("news", encode(Tick(ahead)), headers=[(TYPE_HEADER, TICK)])
    with pytest.raises(ConfigurationError, match=format_instant(ahead)):
        clock.run(prefix.settings, Monitor("clock", Progress(10)), threading.Event())


def test_beside_a_feed_of_history_the_clock_does_not_tick(kafka: Kafka) -> None:
    prefix = new_prefix(kafka, **FAST)
    with FeedLease(prefix.settings), pytest.raises(ConfigurationError, match="a feed is writing history"):
        clock.run(prefix.settings, Monitor("clock", Progress(10)), threading.Event())


def test_without_topics_the_clock_says_what_to_do(kafka: Kafka) -> None:
    prefix = new_prefix(kafka, topics=False)
    with pytest.raises(ConfigurationError, match="tocsin topics create"):
        clock.run(prefix.settings, Monitor("clock", Progress(10)), threading.Event())


def test_a_topic_that_is_deleted_meanwhile_ends_the_clock_with_its_name(kafka: Kafka) -> None:
    prefix = new_prefix(kafka, **FAST)
    failures: list[TocsinError] = []

    def tick() -> None:
        try:
            clock.run(prefix.settings, Monitor("clock", Progress(10)), threading.Event())
        except TocsinError as error:
            failures.append(error)

    thread = threading.Thread(target=tick, daemon=True)
    thread.start()
    wait_for(lambda: all(ticks(prefix).values()))
    with admin(prefix.settings.kafka) as client:
        client.delete_topics([prefix.name("social")])
    thread.join(PATIENCE)
    assert [type(failure) for failure in failures] == [ConfigurationError]
    assert f"missing: {prefix.name('social')}" in str(failures[0])


def test_while_kafka_is_away_the_clock_waits_and_says_so() -> None:
    settings = load_settings(None, {}, {"kafka.servers": "127.0.0.1:22899"})
    monitor, stop = Monitor("clock", Progress(0.2)), threading.Event()
    failures: list[TocsinError] = []

    def tick() -> None:
        try:
            clock.run(settings, monitor, stop)
        except TocsinError as error:
            failures.append(error)

    thread = threading.Thread(target=tick, daemon=True)
    thread.start()
    wait_for(lambda: monitor.progress.describe()["waiting_for"] == "Kafka")
    assert not monitor.progress.ready
    stop.set()
    thread.join(20)
    assert failures == []


def test_the_canary_names_no_company_and_two_clocks_send_the_same() -> None:
    first, second = (canary_document(NOON + timedelta(seconds=s), MINUTE) for s in (1, 59))
    assert first == second != canary_document(NOON + MINUTE, MINUTE)
    assert isinstance(decode_document(encode(first)), Document)
    linker = Linker(load_master(load_settings(None, {}, {})))
    assert linker.link(first.text, NOON, ()) == ()


def test_of_canaries_that_return_late_the_latest_counts() -> None:
    watch = CanaryWatch(MINUTE, NOON)
    assert not watch.missing(NOON + 3 * MINUTE)
    assert watch.missing(NOON + 4 * MINUTE)
    watch.returned(Canary("c/2", NOON + 2 * MINUTE), NOON + 3 * MINUTE)
    watch.returned(Canary("c/1", NOON + MINUTE), NOON + 3 * MINUTE)
    assert watch.seconds(NOON + 4 * MINUTE) == 120
    assert watch.round_trip == 60
    assert decode(Canary, encode(Canary("c/2", NOON))).published_at == NOON
