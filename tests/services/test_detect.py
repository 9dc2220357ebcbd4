"""detect on a real broker: killed, frozen, joined by others, stopped, its log and state damaged; judged from outside."""

import gzip
import json
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from detect_log import (
    QUICK,
    START,
    Log,
    Worker,
    Workers,
    both,
    committed_records,
    days,
    document,
    metrics,
    settings_of,
    storm,
)
from detect_log import workers as running_workers
from kafka import TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType

from processors.messages import Alert, Canary, DeadLetter
from streams import kafka_clients
from streams.applied import Applied, Published
from streams.codec import decode
from streams.export import export, read_log, read_manifest
from streams.log_replay import replay_log
from streams.partition_detector import Place
from streams.settings import Settings
from streams.stack.kafka import Kafka
from streams.stack.ports import Ports
from streams.topics_admin import create_topics
from tests.patience import PATIENCE
from tests.streams.cloudevents_binding import event_of


@pytest.fixture
def flags(kafka: Kafka) -> dict[str, str]:
    """Settings of a prefix of this test's own, its topics made."""
    flags = {
        "kafka.servers": kafka.address,
        "kafka.prefix": f"detect-{uuid4().hex[:8]}",
        "kafka.news_partitions": "1",
        "kafka.social_partitions": "2",
        "kafka.mention_partitions": "2",
        "detect.session": "2",
        "detect.batch_size": "20",
        "detect.save_interval": "2",
        **QUICK,
    }
    create_topics(settings_of(flags))
    return flags


@pytest.fixture
def log(flags: dict[str, str]) -> Log:
    return Log(settings_of(flags))


@pytest.fixture
def workers(flags: dict[str, str], tmp_path: Path) -> Iterator[Workers]:
    with running_workers(flags, Ports.picked().kafka, tmp_path) as made:
        yield made


def published(settings: Settings, topic: str) -> dict[int, list[bytes]]:
    return {p: [record.value for record in records] for p, records in committed_records(settings, topic).items()}


def replayed(settings: Settings, folder: Path, topic: str) -> dict[int, list[bytes]]:
    """What a replay of the exported log gives, by partition."""
    export(settings, folder / "export", results=True)
    replay_log(folder / "export", folder / "replay", settings.detector)
    found = {}
    for path in (folder / "replay").glob(f"{topic}-*"):
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        found[int(path.name.removeprefix(f"{topic}-").partition(".")[0])] = content.splitlines()
    return found


def applied(settings: Settings) -> dict[int, Applied]:
    """How far the state of each partition says that it is applied."""
    found = {}
    for partition, records in committed_records(settings, "state").items():
        for record in records:
            if record.key == b"_applied":
                found[partition] = Applied.decode(record.value)
    return found


def behind(settings: Settings) -> list[int]:
    """How many records the state of each partition is behind what is published."""
    reached = {}
    for partition, records in committed_records(settings, "state").items():
        for record in records:
            if record.key == b"_published":
                reached[partition] = Published.decode(record.value).offset
    return [reached[partition] - entry.offset for partition, entry in applied(settings).items()]


def ended(worker: Worker, workers: Workers, seconds: float = PATIENCE) -> tuple[int, str]:
    """The code with which a worker ended by itself, and what it said."""
    code = worker.wait(seconds)
    workers.running.remove(worker)
    return code, workers.last_line(worker)


def test_kills_freezes_and_changes_of_workers_leave_every_alert_once_and_as_a_replay_has_it(
    log: Log, workers: Workers, tmp_path: Path
) -> None:
    random_ = random.Random(20_260_105)
    settings = log.settings
    day = 5
    log.feed([*days(0, day), *storm("C1", 24 * 3 + 3), *storm("C3", 24 * 3 + 9)], every=6)
    killed = frozen = 0
    worker = workers.start()
    while killed < 5 or frozen < 1:
        workers.keep(1)
        worker = workers.running[-1]
        log.wait_until_applied(but=max(log.lag() - random_.randint(20, 80), 1), by=worker)
        if killed == 2 and not frozen:
            worker.send_signal(signal.SIGSTOP)
            workers.start()  # takes over when the session is past
            time.sleep(4)
            worker.send_signal(signal.SIGCONT)
            time.sleep(1)
            frozen += 1
        else:
            workers.end(random_.choice(workers.running), signal.SIGKILL)
            killed += 1
        if log.lag() < 150:
            log.feed([*days(day, day + 1), *storm(f"C{killed}", 24 * day + 3)], every=6)
            day += 1
    workers.keep(2)
    time.sleep(2)
    workers.end(workers.running[0], signal.SIGTERM)
    log.tick(24 * (day + 1))
    log.flush()
    workers.keep(1)
    log.wait_until_applied()

    for topic in ("alerts", "series"):
        assert published(settings, topic) == replayed(settings, tmp_path, topic)
    assert sum(map(len, published(settings, "alerts").values())) > 20
    workers.end(workers.running[0], signal.SIGTERM)
    assert {entry.missing for entry in applied(settings).values()} == {0}
    assert not any(published(settings, "deadletters").values())


def test_what_was_published_after_the_state_was_saved_is_applied_again_and_not_told_again(
    log: Log, workers: Workers, tmp_path: Path
) -> None:
    settings = log.settings
    workers.settings["detect.save_interval"] = "600"
    log.feed([*days(0, 4), *storm("C1", 24 * 3 + 3)], every=6)
    worker = workers.start()
    log.wait_until_applied()
    workers.end(worker)
    assert min(behind(settings)) > 50, "the state is that of the start"
    before = published(settings, "alerts")
    assert sum(map(len, before.values())) > 1

    log.feed([*days(4, 5), *storm("C1", 24 * 4 + 3), *storm("C3", 24 * 4 + 5)], every=6)
    log.tick(24 * 6)
    log.flush()
    worker = workers.start()
    log.wait_until_applied()
    after = published(settings, "alerts")
    assert {p: alerts[: len(before[p])] for p, alerts in after.items()} == before
    for record in (record for records in committed_records(settings, "alerts").values() for record in records):
        event, rang = event_of(record.headers, record.value), decode(Alert, record.value)
        assert (event["id"], event["type"]) == (rang.id, f"tocsin.alert.{rang.event}")
        assert (event["source"], event["subject"]) == (f"urn:tocsin:{settings.kafka.prefix}", rang.series)
    for topic in ("alerts", "series"):
        assert published(settings, topic) == replayed(settings, tmp_path, topic)

    assert max(behind(settings)) > 0
    assert workers.end(worker, signal.SIGTERM) == 0
    assert max(behind(settings)) == 0, "a clean stop saves"


def test_what_cannot_be_processed_costs_itself_only_and_a_canary_passes(
    log: Log, workers: Workers, tmp_path: Path
) -> None:
    settings = log.settings
    wide, mentions = Place("wide", 0, log.topics.name("wide")), Place("mentions", 0, log.topics.name("mentions"))
    log.feed(days(0, 2), every=6)
    sound = both(document("sound", 49), "C1")[0]
    for raw, type_ in ((b"{", None), (None, None), (b"\xff", b"tick"), (b"{}", b"gossip")):
        log.send(mentions, raw, type_)
    log.send(mentions, b'{"at":"2026-01-08T00:00:00Z","origin":"nobody"}', b"tick")
    log.send(mentions, json.dumps({**json.loads(_encoded(sound)), "time_zone": "Nowhere"}).encode())
    log.canary(Canary("tocsin-canary/1", START))
    log.tick(24 * 3)
    log.flush()

    workers.start()
    log.wait_until_applied()

    letters = [decode(DeadLetter, raw) for raw in published(settings, "deadletters")[0]]
    assert [letter.reason for letter in letters] == [
        "invalid-json",
        "invalid-json",
        "invalid-utf8",
        "unknown-type",
        "unknown-origin",
        "unknown-time-zone",
    ]
    assert {(letter.stage, letter.origin.place, letter.origin.partition) for letter in letters} == {
        ("detect", mentions.topic, 0)
    }
    assert [decode(Canary, raw).identity for raw in published(settings, "canary")[0]] == ["tocsin-canary/1"]
    assert wide.topic != mentions.topic
    assert published(settings, "series") == replayed(settings, tmp_path, "series")
    assert sorted(published(settings, "deadletters")[0]) == sorted(
        line for lines in replayed(settings, tmp_path, "deadletters").values() for line in lines
    )


def test_sigterm_finishes_what_is_in_hand_and_leaves_at_once(log: Log, workers: Workers) -> None:
    log.feed(days(0, 5), every=6)
    everything = log.lag()
    worker = workers.start()
    log.wait_until_applied(but=everything - 1, by=worker)

    started = time.monotonic()
    code = workers.end(worker, signal.SIGTERM)

    assert (code, time.monotonic() - started < 10) == (0, True)
    assert set(behind(log.settings)) == {0}
    offsets = {p: entry.offset for p, entry in applied(log.settings).items()}
    assert max(offsets.values()) > 0
    workers.end(workers.start(), signal.SIGTERM)
    assert all(entry.offset >= offsets[p] for p, entry in applied(log.settings).items())


def test_state_that_is_gone_or_cut_is_never_begun_from_zero_and_rebuilt_without_telling_twice(
    log: Log, workers: Workers, tmp_path: Path
) -> None:
    settings = log.settings
    log.feed([*days(0, 4), *storm("C1", 24 * 3 + 3), *storm("C3", 24 * 3 + 5)], every=6)
    worker = workers.start()
    log.wait_until_applied()
    workers.end(worker)
    before = published(settings, "alerts")
    assert sum(map(len, before.values())) > 3
    state = log.topics.name("state")
    with kafka_clients.admin(settings.kafka) as admin:  # the front of one partition, the whole of another
        for policy in ("delete", "compact"):
            admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, state, {"cleanup.policy": policy})])
            if policy == "delete":
                admin.delete_records({TopicPartition(state, 0): 10, TopicPartition(state, 2): -1})

    code, said = ended(workers.start(), workers)
    assert code == 2
    assert "--rebuild" in said

    log.feed([*days(4, 5), *storm("C2", 24 * 4 + 3), *storm("C4", 24 * 4 + 9)], every=6)
    log.tick(24 * 6)
    log.flush()
    workers.start("--rebuild")
    log.wait_until_applied()
    after = published(settings, "alerts")
    assert {p: alerts[: len(before[p])] for p, alerts in after.items()} == before
    assert after == replayed(settings, tmp_path, "alerts")
    assert published(settings, "series") == replayed(settings, tmp_path, "series")


def test_a_changed_setting_has_to_be_adopted_and_a_replay_changes_it_at_the_same_record(
    log: Log, workers: Workers, tmp_path: Path
) -> None:
    settings = log.settings
    log.feed([*days(0, 4), *storm("C1", 24 * 3 + 3), *storm("C3", 24 * 3 + 5)], every=6)
    workers.settings["detect.save_interval"] = "600"
    worker = workers.start()
    log.wait_until_applied()
    workers.end(worker)
    reached = log.ends()
    workers.settings["detection.minimum_stories"] = "5"

    code, said = ended(workers.start(), workers)
    assert code == 2
    assert "detection.minimum_stories: 3 → 5" in said
    assert "--adopt-settings" in said

    workers.start("--adopt-settings")
    log.feed([*days(4, 5), *storm("C2", 24 * 4 + 3), *storm("C4", 24 * 4 + 9)], every=6)
    log.tick(24 * 6)
    log.flush()
    log.wait_until_applied()
    adopted = [[adoption.offset for adoption in entry.adoptions] for entry in applied(settings).values()]
    assert adopted == [[0, end] for _, end in sorted(reached.items())], "behind all that was published"
    assert published(settings, "alerts") == replayed(settings, tmp_path, "alerts")


def test_a_hole_in_the_log_ends_the_process_once_and_is_then_counted(
    log: Log, workers: Workers, tmp_path: Path
) -> None:
    settings = log.settings
    log.feed(days(0, 2), every=6)
    place = Place("mentions", 1, log.topics.name("mentions"))
    with_hole = kafka_clients.producer(settings.kafka, transactional_id=f"{settings.kafka.prefix}-hole")
    with_hole.init_transactions()
    with_hole.begin_transaction()
    for _ in range(3):
        with_hole.send(place.topic, b"never", b"key", None, place.partition)
    with_hole.flush()
    with_hole.abort_transaction()
    with_hole.close()
    log.feed(days(2, 3), every=6)

    worker = workers.start()
    code, said = ended(worker, workers)
    assert code == 1
    assert "was expected" in said
    assert metrics(worker.port) == {}
    worker = workers.start()
    deadline = time.monotonic() + PATIENCE
    while log.lag() > 0:
        assert time.monotonic() < deadline, f"{log.lag()} records are not applied"
        if worker.poll() is not None:
            worker = workers.start()  # as a supervisor does
        time.sleep(0.3)
    workers.end(worker, signal.SIGTERM)

    assert {p: entry.missing for p, entry in applied(settings).items()} == {0: 0, 1: 4, 2: 0}
    assert published(settings, "series") == replayed(settings, tmp_path, "series")


def test_a_log_that_lost_what_was_not_read_is_refused(log: Log, workers: Workers) -> None:
    log.feed(days(0, 2), every=6)
    worker = workers.start()
    log.wait_until_applied()
    workers.end(worker)
    log.feed(days(2, 3), every=6)
    lost = TopicPartition(log.topics.name("mentions"), 0)
    with kafka_clients.admin(log.settings.kafka) as admin:
        admin.delete_records({lost: log.ends()[lost] - 1})

    code, said = ended(workers.start(), workers)

    assert code == 2
    assert "records that are not in the state were deleted" in said


def test_an_export_holds_every_record_with_its_bytes(log: Log, tmp_path: Path) -> None:
    place = Place("mentions", 1, log.topics.name("mentions"))
    values = [b"{", None, b"\xff\x00", 'ü\u2028\n"'.encode()]
    for value in values:
        log.send(place, value, b"odd\xff" if value is None else None)
    log.flush()

    export(log.settings, tmp_path)
    manifest = read_manifest(tmp_path)

    [exported] = [e for e in manifest.partitions if (e.topic, e.partition) == ("mentions", 1)]
    assert [record.value for record in read_log(tmp_path, exported)] == values
    assert [record.offset for record in read_log(tmp_path, exported)] == [0, 1, 2, 3]
    assert next(record.type for record in read_log(tmp_path, exported) if record.value is None) == b"odd\xff"
    assert manifest.detected == ()


def _encoded(mention: object) -> bytes:
    from streams.codec import encode

    return encode(mention)
