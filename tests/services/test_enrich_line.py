"""The order of a batch's way: labelled, published, ticked, acknowledged; and nothing after a fault."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any

import pytest
from enrich_parts import NOON, Event, KnownLog, Message, Words, Written, composer, document, intake, tick_message
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from processors.enrichment import Classification, Prepared
from processors.errors import InvariantError, PoisonError, RetryableError
from streams.services.enrich_line import Line
from streams.services.enrich_metrics import EnrichMetrics
from streams.services.kafka_batches import Record
from streams.testkit import WordClassifier


class Bench:
    """A line with everything around it; `acked` lists the acknowledged offsets in order."""

    def __init__(self, model: Any = None, log: Any = None) -> None:
        self.acked: list[int] = []
        self.log = log or Written()
        self.registry = CollectorRegistry()
        self.batches = 0
        metrics = EnrichMetrics(self.registry, [WordClassifier().model])
        self.line = Line(intake(KnownLog(at=0)), model or Words(), composer(), self.log, metrics, self._done)

    def _done(self) -> None:
        self.batches += 1

    def events(self, *messages: Message) -> list[Event]:
        return [Event(message, self.acked) for message in messages]

    def count(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(name, labels)


def run(work: Callable[[], Awaitable[None]]) -> None:
    async def within() -> None:
        await asyncio.wait_for(work(), 20)

    asyncio.run(within())


class Held:
    """A model that answers its calls when told to, each in its turn."""

    def __init__(self) -> None:
        self.calls: list[asyncio.Future[None]] = []

    async def label(self, prepared: Sequence[Prepared]) -> list[Classification | PoisonError | None]:
        call: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.calls.append(call)
        await call
        return await Words().label(prepared)


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


def test_a_tick_is_published_after_the_documents_of_its_batch_and_then_all_is_acknowledged() -> None:
    async def work() -> None:
        bench = Bench()
        await bench.line.take(bench.events(Message(0, document()), tick_message(1), Message(2, document("2"))))
        await bench.line.close()
        documents, ticks = bench.log.calls
        assert all(record.key != b"news/0" for record in documents)
        assert all(record.key == b"news/0" for record in ticks)
        assert bench.acked == [0, 1, 2]
        assert bench.batches == 1

    run(work)


@given(st.lists(st.integers(1, 3), min_size=1, max_size=6), st.randoms())
def test_batches_are_published_and_acknowledged_in_order_however_the_model_answers(
    sizes: list[int], random: Any
) -> None:
    async def work() -> None:
        model = Held()
        bench = Bench(model)
        offsets = iter(range(100))

        async def feed() -> None:
            for size in sizes:
                await bench.line.take(
                    bench.events(*(Message(o, document(str(o))) for _, o in zip(range(size), offsets)))
                )

        feeding = asyncio.create_task(feed())
        while bench.batches < len(sizes):
            await settle()
            assert len(model.calls) <= bench.batches + 2, "no more than two batches are in hand"
            waiting = [call for call in model.calls if not call.done()]
            if waiting:
                random.choice(waiting).set_result(None)
        await feeding
        assert bench.acked == list(range(sum(sizes)))
        keys = [r.key for call in bench.log.calls for r in call if r.topic == "t.documents"]
        assert keys == [f"wire/{offset}".encode() for offset in range(sum(sizes))]

    run(work)


def test_what_the_broker_did_not_take_is_not_acknowledged_nor_is_anything_after_it() -> None:
    class Refusing(Written):
        async def publish(self, records: Iterable[Record]) -> None:
            raise RetryableError("no broker")

    async def work() -> None:
        bench = Bench(log=Refusing())
        await bench.line.take(bench.events(Message(0, document())))
        await bench.line.take(bench.events(Message(1, document("2"))))
        with pytest.raises(RetryableError):
            await bench.line.failed
        await settle()
        assert bench.acked == []
        assert bench.batches == 0

    run(work)


def test_a_skipped_record_ends_the_line_and_nothing_more_is_taken() -> None:
    async def work() -> None:
        bench = Bench()
        await bench.line.take(bench.events(Message(0, document())))
        late = asyncio.create_task(bench.line.take(bench.events(Message(5, document()))))
        with pytest.raises(InvariantError):
            await bench.line.failed
        again = asyncio.create_task(bench.line.take(bench.events(Message(1, document()))))
        await settle()
        assert not late.done()
        assert not again.done()
        assert bench.acked == [0]

    run(work)


def test_a_refused_text_costs_one_document() -> None:
    class Choosy:
        async def label(self, prepared: Sequence[Prepared]) -> list[Classification | PoisonError | None]:
            answers = await Words().label(prepared)
            return [
                PoisonError("model-refused", "no") if "odd" in one.text else answer
                for one, answer in zip(prepared, answers, strict=True)
            ]

    async def work() -> None:
        bench = Bench(Choosy())
        texts = ("Shares rise as orders grow", "The odd one is about shares", "Shares fall as orders shrink")
        await bench.line.take(bench.events(*(Message(o, document(str(o), text=t)) for o, t in enumerate(texts))))
        await bench.line.close()
        [records] = bench.log.calls
        assert [r.key for r in records if r.topic == "t.documents"] == [b"wire/0", b"wire/2"]
        assert len([r for r in records if r.topic == "t.deadletters"]) == 1
        assert bench.acked == [0, 1, 2]
        assert bench.count("tocsin_dead_letters_total", stage="enrich", reason="model-refused") == 1
        assert bench.count("tocsin_documents_total", outcome="labelled") == 2
        assert bench.count("tocsin_documents_total", outcome="refused") == 1
        assert bench.count("tocsin_seconds_since_document", source="wire") is not None

    run(work)


def test_a_closed_line_finishes_what_is_in_hand_and_takes_nothing() -> None:
    async def work() -> None:
        model = Held()
        bench = Bench(model)
        await bench.line.take(bench.events(tick_message(0, NOON), Message(1, document())))
        await settle()
        closing = asyncio.create_task(bench.line.close())
        late = asyncio.create_task(bench.line.take(bench.events(Message(2, document()))))
        await settle()
        assert not closing.done()
        model.calls[0].set_result(None)
        await closing
        assert bench.acked == [0, 1]
        assert bench.line.idle
        late.cancel()

    run(work)
