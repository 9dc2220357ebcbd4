"""How enrich reads: none skipped, each document judged by the time of its own partition."""

import asyncio
from collections.abc import Iterable
from datetime import timedelta

import pytest
from enrich_parts import NOON, KnownLog, Message, document, intake, tick_message
from hypothesis import given
from hypothesis import strategies as st

from processors.enrichment import Prepared
from processors.errors import InvariantError, PoisonError
from processors.messages import Tick
from streams.services.enrich_intake import Intake
from streams.services.enrich_records import Reading

OLD = NOON - timedelta(hours=30)


def read(reader: Intake, messages: Iterable[Message]) -> list[Reading]:
    async def all_of_them() -> list[Reading]:
        return [await reader.read(message) for message in messages]

    return asyncio.run(all_of_them())


def late(reading: Reading) -> bool:
    assert isinstance(reading.found, Prepared)
    return reading.found.late


def test_a_document_is_late_by_the_ticks_of_its_own_partition_alone() -> None:
    old = document(published_at=OLD)
    readings = read(
        intake(),
        [Message(0, old), tick_message(1), Message(2, old), Message(0, old, partition=1)],
    )
    assert [late(readings[0]), late(readings[2]), late(readings[3])] == [False, True, False]


@given(st.integers(0, 9), st.sets(st.integers(0, 9)), st.booleans())
def test_late_is_a_function_of_the_log_wherever_a_worker_begins(
    start: int, ticks: set[int], committed_before: bool
) -> None:
    """Ticks go back and forth by a day and a half, so that each decides for what follows it."""
    times = {offset: NOON if offset % 2 else OLD for offset in ticks}
    log = [
        tick_message(offset, times[offset]) if offset in times else Message(offset, document(published_at=OLD))
        for offset in range(10)
    ]
    whole = read(intake(KnownLog(at=0)), log)
    reader = intake(KnownLog(at=start, ticks=times))
    if committed_before:  # the same worker had the partition before, and lost it
        read(reader, [Message(0, document(), generation_id=0)])
    part = read(reader, log[start:])
    assert [r.found for r in part] == [r.found for r in whole[start:]]


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 8)), max_size=8))
def test_no_record_of_the_log_is_passed_over_unnoticed(steps: list[tuple[bool, int]]) -> None:
    """Deliveries of 3 records each, from wherever Faust says, some after partitions moved."""
    log = KnownLog(at=0)
    reader = intake(log)
    generation, reached = 0, 0
    for moved, start in steps:
        generation += moved
        messages = [Message(offset, document(), generation_id=generation) for offset in range(start, start + 3)]
        if start > reached:
            with pytest.raises(InvariantError, match=f"offset {start} came where {reached} was due"):
                read(reader, messages)
            return
        read(reader, messages)
        log.at = reached = start + 3  # what is read is acknowledged and committed


def test_offsets_that_the_log_does_not_have_are_counted_and_passed() -> None:
    holes: list[int] = []
    offsets = [0, 1, 5, 6]
    readings = read(intake(KnownLog(offsets, at=0), holes), [Message(offset, document()) for offset in offsets])
    assert [reading.origin.offset for reading in readings] == offsets
    assert holes == [3]


def test_a_group_that_never_committed_begins_where_the_log_begins() -> None:
    assert len(read(intake(KnownLog([7, 8])), [Message(7, document()), Message(8, document())])) == 2
    with pytest.raises(InvariantError):
        read(intake(KnownLog([6, 7])), [Message(7, document())])


def test_what_is_received_again_is_read_again() -> None:
    messages = [Message(offset, document()) for offset in (0, 1, 2, 1, 2, 3)]
    assert [r.origin.offset for r in read(intake(KnownLog(at=0)), messages)] == [0, 1, 2, 1, 2, 3]


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (Message(headers=(("type", b"gossip"),)), "unknown-type"),
        (Message(value=b"{}", headers=(("type", b"tick"),)), "missing-field"),
        (tick_message(0, NOON + timedelta(minutes=11)), "future-timestamp"),
        (Message(value=None), "invalid-json"),
    ],
)
def test_a_record_that_is_neither_document_nor_tick_is_refused(message: Message, reason: str) -> None:
    [reading] = read(intake(), [message])
    assert isinstance(reading.found, PoisonError)
    assert reading.found.reason == reason


def test_a_refused_tick_moves_no_clock() -> None:
    readings = read(intake(), [tick_message(0, NOON + timedelta(days=9)), Message(1, document(published_at=OLD))])
    assert not late(readings[1])


def test_a_tick_is_told_as_one() -> None:
    [reading] = read(intake(), [tick_message(0)])
    assert reading.found == Tick(NOON)
