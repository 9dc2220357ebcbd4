"""One partition in the hands of a worker: a tick that many waited for is published in parts, each of them true at once."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from detect_log import START, both, days, document, storm

from processors.detection import DetectionSettings, DetectorSettings
from processors.messages import Tick, WideRecord
from streams.codec import encode
from streams.partition_detector import LogRecord, Place
from streams.service_settings import KafkaSettings
from streams.services import detect_partition
from streams.services.detect_partition import Committed, OwnedPartition, log_record
from streams.services.detect_start import Found, start
from streams.services.detect_transactions import Transactions
from streams.services.kafka_batches import Record
from streams.topics import TICK, TYPE_HEADER, Topics

ORIGINS = frozenset({"news/0"})
PLACE = Place("wide", 0, "t.wide")
SETTINGS = DetectorSettings(
    DetectionSettings(warm_up_days=1, share_minimum=5, quarantine_hours=24, windows_hours=(1, 3, 24))
)
STATE = "t.state"


class Broker(Transactions):
    """What transactions made true, as a broker keeps it; it ends the process once so many are committed."""

    def __init__(self) -> None:
        self.results: list[Record] = []
        self.state: dict[str, bytes] = {}
        self.committed = 0
        self.sizes: list[int] = []
        self.ends_after: int | None = None

    def commit(self, records: Sequence[Record], offsets: Mapping[tuple[str, int], int], group: str) -> None:
        [(place, offset)] = offsets.items()
        assert place == (PLACE.topic, PLACE.partition)
        for record in records:
            if record.topic != STATE:
                self.results.append(record)
            elif record.value is None:
                self.state.pop(record.key.decode(), None)
            else:
                self.state[record.key.decode()] = record.value
        self.committed = offset
        self.sizes.append(len(records))
        if self.ends_after is not None and len(self.sizes) >= self.ends_after:
            raise KeyboardInterrupt

    def told(self) -> list[tuple[str, bytes | None]]:
        """What readers of the results see."""
        return [(record.topic, record.value) for record in self.results]


def log() -> list[Any]:
    """Four days and a storm without a tick, then one behind all of it, and a day more."""
    records = [[*days(0, 4), *storm("C1", 24 * 3 + 3)], [*days(4, 5), *both(document("odd", 100), "C2")]]
    values: list[tuple[bytes | None, bytes]] = [(TICK, encode(Tick(START, "news/0")))]
    for number, found in enumerate(records, start=4):
        values += [(None, encode(record)) for record in found if isinstance(record, WideRecord)]
        values.append((TICK, encode(Tick(START + timedelta(days=number), "news/0"))))
    return [
        SimpleNamespace(offset=offset, value=value, headers=[(TYPE_HEADER, kind)] if kind else [])
        for offset, (kind, value) in enumerate(values)
    ]


LOG = log()


def owned(broker: Broker) -> OwnedPartition:
    """A worker takes the partition over."""

    def read(first: int, last: int) -> list[LogRecord]:
        return [log_record(record) for record in LOG[first:last]]

    found = Found(0, len(LOG), broker.committed or None, None, dict(broker.state))
    detector = start(PLACE, found, SETTINGS, ORIGINS, read).detector
    partition = OwnedPartition(detector, broker, Topics(KafkaSettings(prefix="t")), 4, lambda: None)
    partition.save()
    return partition


def run(broker: Broker, size: int) -> list[Committed]:
    """Apply the log to its end, in batches of `size`; a worker that ends is followed by another, which ends a transaction
    later than it."""
    done: list[Committed] = []
    while broker.committed < len(LOG):
        try:
            partition = owned(broker)
            while partition.offset < len(LOG):
                done += partition.transact(LOG[partition.offset : partition.offset + size])
        except KeyboardInterrupt:
            assert broker.ends_after is not None
            broker.ends_after = len(broker.sizes) + 2
    return done


@pytest.fixture
def at_once() -> list[tuple[str, bytes | None]]:
    broker = Broker()
    done = run(broker, len(LOG))
    assert len(done) == 1 and done[0].records == len(LOG)
    assert done[0].alerts and done[0].points > 100
    return broker.told()


@pytest.mark.parametrize("size", [7, 1000])
def test_a_release_in_parts_publishes_the_same(
    at_once: list[tuple[str, bytes | None]], size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(detect_partition, "_PUBLISHED_AT_ONCE", 20)
    broker = Broker()
    done = run(broker, size)
    assert sum(committed.records for committed in done) == len(LOG)
    assert len(done) > len(LOG) // size + 5
    assert broker.told() == at_once


@pytest.mark.parametrize("first", range(2, 12))
def test_a_worker_that_ends_in_the_midst_of_a_release_is_followed_by_one_that_goes_on_behind_it(
    at_once: list[tuple[str, bytes | None]], first: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(detect_partition, "_PUBLISHED_AT_ONCE", 20)
    broker = Broker()
    broker.ends_after = first
    run(broker, 1000)
    assert len(broker.sizes) > 20
    assert broker.told() == at_once
