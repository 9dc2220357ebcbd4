"""Safety measures, each of which can be reverted in the services of a run: a scenario has to fail then.

What is reverted is a function of the running process, replaced from outside (see `injected`), or a property of the model
that Triton serves. So it is shown that the matrix would notice if the measure were not there.
"""

import asyncio
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal


@dataclass(frozen=True, slots=True)
class Measure:
    """What is reverted: in which service (or in the model), by `revert`; the scenario that has to fail, and what one of its
    faults says then, at least in part."""

    name: str
    service: Literal["enrich", "detect", "index", "model"]
    without: str
    scenario: str
    tells: tuple[str, ...]
    revert: Callable[[], None]


def acknowledge_at_read() -> None:
    """enrich acknowledges what it reads before anything of it is written."""
    from streams.services.enrich_line import Event, Line

    take = Line.take

    async def acknowledged(self: Line, events: Sequence[Event]) -> None:
        for event in events:
            event.ack()
        await take(self, events)

    Line.take = acknowledged  # type: ignore[method-assign]


def commit_before_the_write() -> None:
    """index acknowledges a batch to Kafka before Elasticsearch has it."""
    from kafka import OffsetAndMetadata

    from streams.services.index import Polled, Worker

    index = Worker._index

    def committed(self: Worker, polled: Polled) -> None:
        self._consumer.commit({p: OffsetAndMetadata(r[-1].offset + 1, "", -1) for p, r in polled.items()})
        index(self, polled)

    Worker._index = committed  # type: ignore[method-assign]


def believe_every_answer() -> None:
    """index takes every answer to an item for a success."""
    from streams import elastic_bulk

    elastic_bulk.classify = lambda status, error: elastic_bulk.Result("created")


def no_fencing() -> None:
    """Every detect worker has transactional ids of its own, so that none fences another."""
    from streams.services.detect_transactions import Transactions

    begin = Transactions._begin

    async def own(self: Transactions) -> None:
        self._id = f"{self._id}-{os.getpid()}"
        await begin(self)

    Transactions._begin = own  # type: ignore[method-assign]


def nothing_applied_again() -> None:
    """detect goes on behind what was published, with the state that was saved before it."""
    from streams.partition_detector import PartitionDetector

    def catch_up(self: PartitionDetector, records: Any, published: Any, *_: Any) -> None:
        self._offset, self._missing, self._told = published.offset, published.missing, published.told

    PartitionDetector.catch_up = catch_up  # type: ignore[method-assign]


def read_what_is_not_committed() -> None:
    """detect reads topics that are written in transactions as the clients do by default."""
    from streams import kafka_clients

    consumer = kafka_clients.consumer

    def uncommitted(settings: Any, **options: Any) -> Any:
        return consumer(settings, **{**options, "isolation": "read_uncommitted"})

    kafka_clients.consumer = uncommitted


def no_memory_of_identities() -> None:
    """detect counts a document as often as it comes."""
    from processors.ledger import Ledger

    Ledger.knows = lambda self, key, *owners: False  # type: ignore[method-assign]


def no_look_at_offsets() -> None:
    """enrich takes what it is given for all there is."""
    from streams.services.enrich_intake import Intake, Position

    async def resumed(self: Intake, place: Any, message: Any, position: Position | None) -> Position:
        return Position(message.generation_id, message.offset, position.now if position else None)

    Intake._resumed = resumed  # type: ignore[method-assign]


def ticks_at_once() -> None:
    """enrich passes ticks on as it reads them, before the documents that came before them are safe."""
    from streams.services.enrich_line import Line

    carry = Line._carry

    async def hasty(self: Line, events: Any, readings: Any, before: asyncio.Task[None] | None) -> None:
        await self._log.publish(list(self._composer.ticks(readings)))
        await carry(self, events, readings, before)

    Line._carry = hasty  # type: ignore[method-assign]


def look_at_neighbours() -> None:
    """The model labels a text by its batch; see the fault of that name in `fault_model`."""


_ALL: Final[Iterable[Measure]] = (
    Measure(
        "acknowledging-after-the-write",
        "enrich",
        "enrich acknowledges at reading",
        "model-slow",
        ("is lost",),
        acknowledge_at_read,
    ),
    Measure(
        "committing-after-the-write",
        "index",
        "index acknowledges before Elasticsearch has answered",
        "crashes-of-index",
        ("is lost", "in the index"),
        commit_before_the_write,
    ),
    Measure(
        "looking-at-every-item",
        "index",
        "index believes that every item was written",
        "index-answers-wrongly",
        ("is lost", "in the index"),
        believe_every_answer,
    ),
    Measure(
        "fencing", "detect", "detect's ids fence nobody", "freezes", ("alerts", "series", "detect gave up"), no_fencing
    ),
    Measure(
        "applying-again-what-was-published",
        "detect",
        "detect takes the state that was saved for that of what was published",
        "kills",
        ("relived", "detect gave up"),
        nothing_applied_again,
    ),
    Measure(
        "reading-committed-only",
        "detect",
        "detect reads aborted transactions",
        "crashes-of-detect",
        ("relived", "detect gave up", "cannot go on"),
        read_what_is_not_committed,
    ),
    Measure(
        "memory-of-identities",
        "detect",
        "detect counts what comes twice twice",
        "kills",
        ("relived",),
        no_memory_of_identities,
    ),
    Measure(
        "contiguous-offsets",
        "enrich",
        "enrich does not look whether records were skipped",
        "client-skips",
        ("is lost",),
        no_look_at_offsets,
    ),
    Measure(
        "holding-ticks-back",
        "enrich",
        "enrich passes ticks on at once",
        "model-down",
        ("overtook", "something passed"),
        ticks_at_once,
    ),
    Measure(
        "labels-without-neighbours",
        "model",
        "the model labels a text by its batch",
        "labels-alone",
        ("texts have several labels",),
        look_at_neighbours,
    ),
)

MEASURES: Final[dict[str, Measure]] = {measure.name: measure for measure in _ALL}
