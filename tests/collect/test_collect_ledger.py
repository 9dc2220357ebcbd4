"""What was sent is known, however a process ends: the state and what the log holds beyond it make the same ledger again."""

import random
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.errors import RetryableError
from streams.collect.ledger import POSITIONS, Ledger, mark_of
from streams.collect.memory import Memory


def marks(count: int, start: int = 0) -> list[str]:
    return [mark_of(f"wire/{number}") for number in range(start, start + count)]


@given(st.lists(st.integers(0, 60), max_size=300), st.integers(2, 4))
def test_a_memory_keeps_the_latest_and_forgets_the_oldest(numbers: list[int], generations: int) -> None:
    memory = Memory(10, generations)
    added: list[str] = []
    for number in numbers:
        mark = mark_of(str(number))
        memory.add([mark])
        added = [one for one in added if one != mark] + [mark]
        assert all(one in memory for one in added[-10 * (generations - 1) :])
        assert len(memory) <= 10 * generations


@given(st.lists(st.integers(0, 60), max_size=200), st.integers(1, 40))
def test_a_memory_is_made_again_from_what_changed(numbers: list[int], every: int) -> None:
    memory = Memory(10, 3)
    kept: dict[int, dict[str, object]] = {}
    for count, number in enumerate(numbers):
        memory.add([mark_of(str(number))])
        if count % every == 0:
            kept.update(memory.changes())
    kept.update(memory.changes())
    assert list(memory.changes()) == []
    again = Memory(10, 3)
    for record in kept.values():
        again.restore(record)
    assert all((mark_of(str(number)) in memory) == (mark_of(str(number)) in again) for number in range(61))


def test_what_is_listed_is_remembered_though_much_else_came() -> None:
    ledger = Ledger({"wire": 2})
    listed = marks(10_000)
    ledger.move("wire", {}, listed)
    ledger.move("wire", {}, marks(9_999, 20_000))
    ledger.move("wire", {}, listed)
    assert all(ledger.claim("wire", mark) == "sent" for mark in listed)


def test_a_mark_is_sent_by_one_and_waited_for_by_the_others() -> None:
    ledger = Ledger({"wire": 2})
    [mark] = marks(1)
    assert ledger.claim("wire", mark) == "new"
    assert ledger.claim("wire", mark) == "under-way"
    assert not ledger.settled("wire", [mark], 0.01)
    ledger.acknowledged("wire", mark, "news", 0, 7)
    assert ledger.settled("wire", [mark])
    assert ledger.claim("wire", mark) == "sent"
    assert ledger.positions() == {("news", 0): 8}


def test_a_record_that_was_given_up_ends_whoever_waits() -> None:
    ledger = Ledger({"wire": 2})
    [mark] = marks(1)
    ledger.claim("wire", mark)
    ledger.failed(ValueError("fenced"))
    with pytest.raises(RetryableError, match="fenced"):
        ledger.settled("wire", [mark])
    with pytest.raises(RetryableError):
        ledger.check()


@dataclass
class Log:
    """Partitions of the topics, and the compacted state: what survives a process."""

    records: dict[int, list[tuple[str, str]]] = field(default_factory=lambda: {0: [], 1: []})
    state: dict[str, bytes] = field(default_factory=dict)

    def restored(self) -> Ledger:
        ledger = Ledger({"wire": 2, "file": 2})
        for key, value in self.state.items():
            ledger.restore(key, value)
        known = ledger.positions()
        for partition, records in self.records.items():
            for offset in range(known.get(("news", partition), len(records)), len(records)):
                source, mark = records[offset]
                ledger.acknowledged(source, mark, "news", partition, offset)
            ledger.begin_at({("news", partition): len(records)})
        return ledger


@given(st.integers(0, 10**6))
def test_killed_anywhere_nothing_is_left_out_and_nothing_sent_twice(seed: int) -> None:
    """A feed and a file, sent by a process that dies at any step: in sending, before and after the broker has a record,
    in writing the state, between any two of its records."""
    rng = random.Random(seed)
    log = Log()
    wanted = {("wire", mark) for mark in marks(40)} | {("file", f"f:{number}") for number in range(1, 41)}
    listing, line = marks(40), 0
    for _ in range(60):  # processes, one after the other
        ledger = log.restored()
        for key, value in ledger.changes():
            log.state[key] = value
        line = int(ledger.cursor("file").get("offset", 0))
        try:
            for _ in range(rng.randint(1, 12)):
                source = rng.choice(["wire", "file"])
                batch = (
                    rng.sample(listing, 5)
                    if source == "wire"
                    else [f"f:{n}" for n in range(line + 1, min(line + 6, 41))]
                )
                for mark in batch:
                    if ledger.claim(source, mark) != "new":
                        continue
                    _may_die(rng)
                    partition = rng.randint(0, 1)
                    log.records[partition].append((source, mark))
                    _may_die(rng)
                    ledger.acknowledged(source, mark, "news", partition, len(log.records[partition]) - 1)
                    if rng.random() < 0.2:
                        _checkpoint(rng, log, ledger)
                if source == "file":
                    line += len(batch)
                    ledger.move("file", {"file": "f", "offset": line})
                else:
                    ledger.move("wire", {}, batch)
                if rng.random() < 0.5:
                    _checkpoint(rng, log, ledger)
        except Killed:
            continue
    sent = [one for records in log.records.values() for one in records]
    assert len(sent) == len(set(sent)), "sent twice"
    if line == 40:
        assert {one for one in sent if one[0] == "file"} == {one for one in wanted if one[0] == "file"}
    ledger = log.restored()
    assert all(ledger.claim(*one) == "sent" for one in sent if one[0] == "wire")


class Killed(Exception):
    pass


def _may_die(rng: random.Random) -> None:
    if rng.random() < 0.03:
        raise Killed


def _checkpoint(rng: random.Random, log: Log, ledger: Ledger) -> None:
    for key, value in ledger.changes():
        _may_die(rng)
        log.state[key] = value


def test_the_positions_are_written_last() -> None:
    ledger = Ledger({"wire": 2})
    ledger.claim("wire", marks(1)[0])
    ledger.acknowledged("wire", marks(1)[0], "news", 0, 0)
    ledger.move("wire", {"etag": "x"})
    assert [key for key, _ in ledger.changes()] == ["seen/wire/0", "source/wire", POSITIONS]
    assert ledger.changes() == []


def test_a_source_that_is_declared_no_longer_is_passed_over() -> None:
    before = Ledger({"a/b": 2, "wire": 2})
    before.move("wire", {"etag": "x"})
    after = Ledger({"other": 2})
    for key, value in before.changes():
        after.restore(key, value)
    after.acknowledged("wire", marks(1)[0], "news", 0, 4)
    assert after.positions() == {("news", 0): 5}
    assert after.cursor("wire") == {}


@pytest.mark.parametrize(
    ("key", "value"), [("seen/wire/0", b"{}"), ("source/wire", b"[]"), ("x/wire", b"{}"), ("positions", b"7")]
)
def test_what_is_no_state_is_refused(key: str, value: bytes) -> None:
    with pytest.raises((ValueError, KeyError, TypeError)):
        Ledger({"wire": 2}).restore(key, value)
