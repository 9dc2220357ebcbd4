"""What enrich writes for what it reads."""

import asyncio
import base64
from dataclasses import replace
from datetime import timedelta

import pytest
from enrich_parts import NOON, KnownLog, Message, composer, document, intake, tick_message

from processors.enrichment import Classification
from processors.errors import FatalError, InvariantError, PoisonError
from processors.identity import partition_of
from processors.messages import Canary, DeadLetter, LabelledDocument, Mention, Tick, Unlabelled, WideRecord
from streams.codec import decode
from streams.services.enrich_records import Reading, Written
from streams.services.kafka_batches import Record
from streams.testkit import WordClassifier

[POSITIVE] = WordClassifier().classify(["rises"])
LABELLED = 1_715_000_000_123


def read(*messages: Message) -> list[Reading]:
    async def all_of_them() -> list[Reading]:
        reader = intake(KnownLog(at=messages[0].offset))
        return [await reader.read(message) for message in messages]

    return asyncio.run(all_of_them())


def compose(value: bytes, answer: Classification | PoisonError | None = POSITIVE) -> Written:
    [reading] = read(Message(value=value))
    return composer().compose(reading, answer, LABELLED)


def by_topic(written: Written) -> dict[str, list[Record]]:
    topics: dict[str, list[Record]] = {}
    for record in written.records:
        topics.setdefault(record.topic, []).append(record)
    return topics


def test_a_document_becomes_itself_its_mentions_and_one_wide_record_each_on_its_partition() -> None:
    written = compose(document(text="Boeing and Apple shares rise as orders grow"))
    topics = by_topic(written)
    [indexed], [wide], mentions = topics["t.documents"], topics["t.wide"], topics["t.mentions"]

    assert written.outcome == "labelled"
    assert decode(LabelledDocument, indexed.value).sentiment == POSITIVE.sentiment
    assert (indexed.key, indexed.partition) == (b"wire/1", partition_of("wire/1", 3))
    assert {decode(Mention, mention.value).company for mention in mentions} == {"AAPL", "BA"}
    for mention in mentions:
        company = decode(Mention, mention.value).company
        assert (mention.key, mention.partition) == (company.encode(), partition_of(company, 3))
    assert (wide.key, wide.partition) == (b"market", 0)
    assert decode(WideRecord, wide.value).companies == ("AAPL", "BA")


def test_stage_times_travel_with_every_record_in_milliseconds() -> None:
    noon = b"%d" % (NOON.timestamp() * 1000)
    for record in compose(document(published_at=NOON - timedelta(seconds=1.5))).records:
        assert dict(record.headers) == {
            "published": b"%d" % (NOON.timestamp() * 1000 - 1500),
            "received": noon,
            "labelled": b"%d" % LABELLED,
        }


def test_a_document_that_no_model_reads_is_indexed_unlabelled_and_feeds_no_series() -> None:
    written = compose(document(text="波音公司股价下跌，因为订单减少"), None)
    topics = by_topic(written)
    [record] = topics.pop("t.documents")
    assert written.outcome == "unlabelled"
    assert decode(LabelledDocument, record.value).status == "unlabelled"
    notes = [note for notes in topics.values() for note in notes]
    assert {dict(note.headers)["type"] for note in notes} == {b"unlabelled"}, "that it counts nowhere is all they tell"


def test_of_a_document_that_no_model_reads_all_are_told_who_might_count_another_under_its_identity() -> None:
    topics = by_topic(compose(document(text="波音公司股价下跌，因为订单减少"), None))
    notes = [*topics["t.mentions"], *topics["t.wide"]]
    assert [(note.topic, note.partition) for note in notes] == [*(("t.mentions", p) for p in range(3)), ("t.wide", 0)]
    assert {decode(Unlabelled, note.value) for note in notes} == {Unlabelled("wire/1", NOON)}


def test_the_canary_is_indexed_and_proves_itself_on_wide_but_feeds_no_series() -> None:
    canary = document(source="tocsin-canary", text="Boeing shares are quoted: this is a drill")
    topics = by_topic(compose(canary))
    assert topics.keys() == {"t.documents", "t.wide"}
    [proof] = topics["t.wide"]
    assert proof.key == b"canary"
    assert dict(proof.headers)["type"] == b"canary"
    assert decode(Canary, proof.value) == Canary("tocsin-canary/1", NOON)


def test_a_canary_that_was_not_labelled_proves_nothing() -> None:
    assert by_topic(compose(document(source="tocsin-canary", text="波音公司股价下跌"), None)).keys() == {"t.documents"}


@pytest.mark.parametrize(
    ("value", "answer", "reason"),
    [
        (b"{", None, "invalid-json"),
        (None, None, "invalid-json"),
        (document(kind="social"), None, "kind-mismatch"),
        (document(published_at=NOON + timedelta(minutes=11)), None, "future-timestamp"),
        (document(), PoisonError("model-refused", "unreadable"), "model-refused"),
    ],
)
def test_what_is_refused_becomes_one_dead_letter_with_its_origin_and_bytes(
    value: bytes | None, answer: PoisonError | None, reason: str
) -> None:
    [reading] = read(Message(41, value, partition=1))
    written = composer().compose(reading, answer, LABELLED)
    [record] = written.records
    letter = decode(DeadLetter, record.value)

    assert (written.outcome, written.reason, record.topic, record.partition) == ("refused", reason, "t.deadletters", 0)
    assert (letter.stage, letter.reason) == ("enrich", reason)
    assert (letter.origin.place, letter.origin.partition, letter.origin.offset) == ("t.news", 1, 41)
    assert base64.b64decode(letter.original) == (value or b"")
    assert record.key == letter.id.encode()


def test_what_cannot_be_assembled_costs_one_document(monkeypatch: pytest.MonkeyPatch) -> None:
    [reading] = read(Message(value=document()))
    broken = composer()
    monkeypatch.setattr(broken, "_enricher", None)
    assert broken.compose(reading, POSITIVE, LABELLED).reason == "internal-error"


def test_a_fatal_fault_is_no_fault_of_the_document(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        def assemble(self, *_: object) -> None:
            raise InvariantError("memory")

    [reading] = read(Message(value=document()))
    broken = composer()
    monkeypatch.setattr(broken, "_enricher", Broken())
    with pytest.raises(FatalError):
        broken.compose(reading, POSITIVE, LABELLED)


def test_the_last_tick_of_each_input_partition_goes_to_every_clock_with_its_origin() -> None:
    later = NOON + timedelta(seconds=5)
    readings = read(
        tick_message(0), Message(1, document()), tick_message(2, later), tick_message(0, topic="t.social", partition=1)
    )
    records = list(composer().ticks(readings))
    assert [(r.topic, r.partition) for r in records] == 2 * [*(("t.mentions", p) for p in range(3)), ("t.wide", 0)]
    assert [decode(Tick, r.value) for r in records] == 4 * [Tick(later, "news/0")] + 4 * [Tick(NOON, "social/1")]
    assert all(r.headers == (("type", b"tick"),) for r in records)


def test_the_last_tick_is_as_silent_as_any_before_it() -> None:
    later, silent = NOON + timedelta(seconds=5), NOON + timedelta(hours=1)
    first, last = read(tick_message(0), tick_message(1, later))
    silences = ((silent, None, silent), (silent, NOON, silent), (NOON, silent, silent), (None, None, None))
    for before, after, kept in silences:
        readings = [
            replace(first, found=Tick(NOON, silent_until=before)),
            replace(last, found=Tick(later, silent_until=after)),
        ]
        assert {decode(Tick, r.value) for r in composer().ticks(readings)} == {Tick(later, "news/0", kept)}
