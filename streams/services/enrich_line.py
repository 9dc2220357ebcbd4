"""The way of a batch through enrich: read, labelled, published, acknowledged. The order is what loses nothing.

While one batch waits for its labels or for the broker, the next is read and labelled; it is published and acknowledged
only after the one before it. So whatever is acknowledged, everything before it in its partition is done.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from time import time
from typing import Final, Protocol

from processors.enrichment import Classification, Prepared
from processors.errors import PoisonError
from processors.messages import Tick
from streams.services.enrich_intake import Intake, Message
from streams.services.enrich_metrics import EnrichMetrics
from streams.services.enrich_records import Composer, Reading
from streams.services.kafka_batches import Record

IN_HAND: Final = 2
"""Batches at once: one more than the one that waits keeps the model busy."""

SLICE: Final = 32
"""Documents between two looks at the event loop: other work waits no longer than for these, some 10 ms."""


class Event(Protocol):
    """A record of the stream, to be acknowledged once."""

    @property
    def message(self) -> Message: ...
    def ack(self) -> bool: ...


class Model(Protocol):
    """Whatever labels documents and may refuse some."""

    async def label(self, prepared: Sequence[Prepared]) -> Sequence[Classification | PoisonError | None]:
        """One answer per document, in order; None for one that no model reads."""
        ...


class Log(Protocol):
    """Where records are written."""

    async def publish(self, records: Iterable[Record]) -> None:
        """Return when all are safe."""
        ...


class Line:
    """Carries batches of events, in order. `done` is called after each acknowledged batch.

    The first thing that goes wrong ends the line: `failed` gets it, and nothing is acknowledged any more.
    """

    def __init__(
        self,
        intake: Intake,
        model: Model,
        composer: Composer,
        log: Log,
        metrics: EnrichMetrics,
        done: Callable[[], None],
    ) -> None:
        self._intake, self._model, self._composer, self._log = intake, model, composer, log
        self._metrics, self._done = metrics, done
        self._free = asyncio.Semaphore(IN_HAND)
        self._latest: asyncio.Task[None] | None = None
        self._carried: set[asyncio.Task[None]] = set()
        self._closed = False
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @property
    def idle(self) -> bool:
        """Whether no batch is in hand."""
        return not self._carried

    async def take(self, events: Sequence[Event]) -> None:
        """Read `events` and see to the rest beside; returns when the next batch may come, never after the end."""
        await self._free.acquire()
        if self._closed:
            await asyncio.Future()
        try:
            readings = await self._read(events)
        except asyncio.CancelledError:
            self._free.release()
            raise
        except BaseException as error:  # noqa: BLE001 - told by `failed`
            self._fail(error)
            await asyncio.Future()
        self._latest = asyncio.create_task(self._carry(events, readings, self._latest))
        self._carried.add(self._latest)
        self._latest.add_done_callback(self._finished)

    async def close(self) -> None:
        """Take nothing more; returns when what is in hand is acknowledged."""
        self._closed = True
        await asyncio.gather(*self._carried)

    async def _read(self, events: Sequence[Event]) -> list[Reading]:
        readings = []
        for number, event in enumerate(events, start=1):
            readings.append(await self._intake.read(event.message))
            if number % SLICE == 0:
                await asyncio.sleep(0)
        return readings

    async def _carry(
        self, events: Sequence[Event], readings: Sequence[Reading], before: asyncio.Task[None] | None
    ) -> None:
        # 1. Labels, while the batch before may still be on its way.
        documents = [reading for reading in readings if not isinstance(reading.found, Tick)]
        read = [reading.found for reading in documents if isinstance(reading.found, Prepared)]
        answers = iter(await self._model.label(read))
        now = round(time() * 1000)
        written = []
        for number, reading in enumerate(documents, start=1):
            answer = next(answers) if isinstance(reading.found, Prepared) else None
            written.append(self._composer.compose(reading, answer, now))
            if number % SLICE == 0:
                await asyncio.sleep(0)
        # 2. The batch before is acknowledged; if it never is, neither is this one.
        if before is not None:
            await before
        # 3. Everything that the documents became is safe.
        await self._log.publish(record for result in written for record in result.records)
        # 4. Time passes: what came before each tick is safe now.
        ticks = list(self._composer.ticks(readings))
        if ticks:
            await self._log.publish(ticks)
        # 5. Acknowledged in order, with nothing awaited between.
        for event in events:
            event.ack()
        self._metrics.batch(zip(documents, written, strict=True), len(events))
        self._done()

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._carried.discard(task)
        if not task.cancelled() and (error := task.exception()):
            self._fail(error)
        else:
            self._free.release()

    def _fail(self, error: BaseException) -> None:
        self._closed = True
        if not self.failed.done():
            self.failed.set_exception(error)
