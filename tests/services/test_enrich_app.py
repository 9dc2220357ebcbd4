"""What enrich's queues hold at most: records, and bytes."""

import asyncio
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mode.utils.queues import FlowControlEvent

from streams.services.enrich_app import TAKEN_BYTES, WAITING_BYTES, BoundedQueue, batches
from tests.services.enrich_parts import Event, Message

SIZES = st.lists(st.integers(0, 2 * TAKEN_BYTES), max_size=30)


def events(sizes: list[int]) -> list[Event]:
    whole = bytes(max(sizes, default=0))
    return [Event(Message(offset, memoryview(whole)[:size]), []) for offset, size in enumerate(sizes)]  # type: ignore[arg-type]


@given(SIZES)
def test_a_batch_is_parted_in_order_into_parts_of_bounded_bytes(sizes: list[int]) -> None:
    parts = list(batches(events(sizes)))
    assert [event.message.offset for part in parts for event in part] == list(range(len(sizes)))
    for part in parts:
        assert len(part) == 1 or sum(len(event.message.value or b"") for event in part) <= TAKEN_BYTES


@given(SIZES)
def test_a_batch_is_parted_no_more_often_than_it_must(sizes: list[int]) -> None:
    parts = [[len(event.message.value or b"") for event in part] for part in batches(events(sizes))]
    for part, after in pairwise(parts):
        assert sum(part) + after[0] > TAKEN_BYTES


def queue(maxsize: int) -> Any:
    return BoundedQueue(maxsize, flow_control=FlowControlEvent())  # type: ignore[arg-type]


@pytest.mark.parametrize(("size", "fits"), [(100, 64), (WAITING_BYTES // 16, 16), (2 * WAITING_BYTES, 1)])
def test_a_queue_is_full_after_so_many_records_or_so_many_bytes(size: int, fits: int) -> None:
    async def filled() -> int:
        waiting = queue(64)
        for event in events([size] * 200):
            if waiting.full():
                break
            waiting.force_put_nowait(event)
        return len(waiting._queue)

    held = asyncio.run(filled())
    assert fits * 3 // 4 <= held <= fits


@given(st.lists(st.one_of(st.integers(0, 2**20), st.none()), max_size=60))
def test_a_queue_is_empty_again_when_all_was_taken(steps: list[int | None]) -> None:
    async def used() -> int:
        waiting = queue(64)
        for step in steps:
            if step is not None:
                waiting.force_put_nowait(events([step])[0])
            elif not waiting.empty():
                waiting.get_nowait()
        while not waiting.empty():
            waiting.get_nowait()
        return int(waiting.qsize())

    assert asyncio.run(used()) == 0


def test_a_queue_that_is_cleared_is_empty() -> None:
    async def cleared() -> tuple[int, bool]:
        waiting = queue(64)
        waiting.force_put_nowait(events([10])[0])
        waiting.clear()
        return waiting.qsize(), waiting.empty()

    assert asyncio.run(cleared()) == (0, True)
