"""The ledger of the log must catch planted loss, invention and ticks that overtake; it measures how late alarms were."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
from ledger import IndexedDocument, Place
from log_ledger import alarm_delays, log_faults
from witness import Record

TICK = {"type": b"tick"}


@dataclass
class World:
    """Two documents in one input partition, a tick behind each; one names a company, one has no model for its language."""

    arrivals: list[Record]
    documents: list[IndexedDocument]
    log: list[Record]


def _record(topic: str, partition: int, offset: int, value: Any, headers: dict[str, bytes], at: int = 0) -> Record:
    return Record(Place(f"t.{topic}", partition, offset), None, json.dumps(value).encode(), headers, at)


def _sound() -> World:
    arrivals = [
        _record("news", 0, 0, {"source": "wire", "id": "0"}, {}, 1000),
        _record("news", 0, 1, {"at": "T1"}, TICK),
        _record("news", 0, 2, {"source": "wire", "id": "1"}, {}, 3000),
        _record("news", 0, 3, {"at": "T2"}, TICK),
    ]
    documents = [
        IndexedDocument("wire/0", "i", {"source": "wire", "status": "labelled", "companies": [{"company": "BA"}]}),
        IndexedDocument("wire/1", "i", {"source": "wire", "status": "unlabelled", "companies": []}),
    ]
    about = {"document": {"identity": "wire/0"}}
    log = []
    for topic, value in (("mentions", {"company": "BA", **about}), ("wide", about)):
        log += [
            _record(topic, 0, 0, value, {}),
            _record(topic, 0, 1, {"origin": "news/0", "at": "T1"}, TICK),
            _record(topic, 0, 2, {"identity": "wire/1"}, {"type": b"unlabelled"}),
            _record(topic, 0, 3, {"origin": "news/0", "at": "T2"}, TICK),
        ]
    return World(arrivals, documents, log)


def test_a_tick_that_a_second_clock_says_again_is_no_fault() -> None:
    world = _sound()
    world.arrivals.append(_record("news", 0, 4, {"at": "T1"}, TICK))
    assert log_faults(world.arrivals, world.documents, world.log) == []


def _lose_mention(world: World) -> None:
    del world.log[0]


def _lose_wide_record(world: World) -> None:
    del world.log[4]


def _lose_note(world: World) -> None:
    del world.log[2]


def _invent(world: World) -> None:
    world.log.append(_record("wide", 0, 9, {"document": {"identity": "wire/7"}}, {}))


def _let_a_tick_overtake(world: World) -> None:
    first, second = world.log[0], world.log[1]
    world.log[0] = replace(second, place=first.place)
    world.log[1] = replace(first, place=second.place)


def _swap_company(world: World) -> None:
    value = json.loads(world.log[0].value or b"") | {"company": "AAPL"}
    world.log[0] = replace(world.log[0], value=json.dumps(value).encode())


def test_a_sound_log_has_no_faults() -> None:
    world = _sound()
    assert log_faults(world.arrivals, world.documents, world.log) == []


def test_what_is_written_twice_to_the_log_is_no_fault() -> None:
    world = _sound()
    world.log.append(replace(world.log[0], place=Place("t.mentions", 0, 4)))
    assert log_faults(world.arrivals, world.documents, world.log) == []


@pytest.mark.parametrize(
    ("plant", "told"),
    [
        (_lose_mention, "wire/0 is in the index, but not on the log of BA"),
        (_swap_company, "wire/0 is in the index, but not on the log of BA"),
        (_lose_wide_record, "wire/0 is in the index, but not on the log"),
        (_lose_note, "wire/1 is in the index unlabelled, of which 1 partitions are not told"),
        (_invent, "wire/7 is on the log, but no input record has it"),
        (_let_a_tick_overtake, "t.mentions/0: the tick T1 of news/0 overtook wire/0"),
    ],
)
def test_a_planted_fault_is_told(plant: Callable[[World], None], told: str) -> None:
    world = _sound()
    plant(world)
    assert told in log_faults(world.arrivals, world.documents, world.log)


def test_an_alarm_is_late_by_what_passed_since_its_document_came_and_one_of_passing_time_is_not_judged() -> None:
    world = _sound()
    alerts = [
        _record("alerts", 0, 0, {}, {"received": b"1000"}, 1700),
        _record("alerts", 0, 1, {}, {}, 9000),
        _record("alerts", 1, 0, {}, {"received": b"3000"}, 4500),
    ]
    assert alarm_delays(world.arrivals, alerts) == ([(1.0, 0.7), (3.0, 1.5)], [])
    alerts[2] = replace(alerts[2], headers={"received": b"3001"})
    assert "when none did" in alarm_delays(world.arrivals, alerts)[1][0]
