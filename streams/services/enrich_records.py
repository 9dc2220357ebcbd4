"""What enrich writes for what it read: pure functions from readings and labels to records.

| read | written |
| --- | --- |
| a document | itself, labelled, to documents; one mention per company; one wide record |
| a document that no model reads | itself, unlabelled, to documents; an `Unlabelled` to every partition of the mentions and to wide, so that nothing else counts under its identity |
| the canary | itself to documents; if labelled, a `Canary` to wide: it feeds no series |
| anything refused | a dead letter |
| a tick | itself, with its origin, to every partition of the mentions and to wide |
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, Literal

from processors.enrichment import Classification, Enriched, Enricher, Prepared
from processors.errors import PoisonError
from processors.identity import partition_of
from processors.messages import Canary, DeadLetter, Kind, Origin, Tick, Unlabelled
from streams.codec import MAX_MESSAGE_BYTES, encode, too_large
from streams.deadletters import dead_letter, refusal_of
from streams.services.kafka_batches import Record
from streams.topics import CANARY, CANARY_SOURCE, TICK, TYPE_HEADER, UNLABELLED, Topics

Outcome = Literal["labelled", "unlabelled", "late", "refused"]


@dataclass(frozen=True, slots=True)
class Reading:
    """What one input record turned out to be. `received` is the broker's append time, milliseconds since 1970."""

    origin: Origin
    kind: Kind
    original: bytes
    received: int
    found: Prepared | Tick | PoisonError


@dataclass(frozen=True, slots=True)
class Written:
    """What a document becomes: `outcome` is for counting, `reason` is that of a dead letter."""

    outcome: Outcome
    records: tuple[Record, ...]
    reason: str = ""


class Composer:
    """Turns readings into records for the topics of one prefix."""

    def __init__(self, topics: Topics, enricher: Enricher) -> None:
        self._enricher = enricher
        self._count = topics.settings.mention_partitions
        self._documents, self._mentions = topics.name("documents"), topics.name("mentions")
        self._wide, self._dead = topics.name("wide"), topics.name("deadletters")
        self._log = (*((self._mentions, partition) for partition in range(self._count)), (self._wide, 0))

    def compose(self, reading: Reading, answer: Classification | PoisonError | None, labelled: int) -> Written:
        """The records for a document or a refused record, given the model's `answer` (None where it was not asked).

        `labelled` is the present, in milliseconds since 1970. Whatever goes wrong costs this one document, which
        becomes a dead letter.
        """
        found = reading.found
        try:
            if isinstance(answer, PoisonError):
                raise answer
            if isinstance(found, PoisonError):
                raise found
            assert isinstance(found, Prepared), "ticks are composed apart"
            records = tuple(self._records(reading, found, self._enricher.assemble(found, answer), labelled))
        except Exception as error:  # noqa: BLE001 - whatever it is, it costs one record
            refusal = refusal_of(error)
            return Written("refused", (self._dead_letter(reading, refusal),), refusal.reason)
        return Written("late" if found.late else "labelled" if answer else "unlabelled", records)

    def ticks(self, ticks: Iterable[Reading]) -> Iterator[Record]:
        """The last tick of each input partition among `ticks`, for everyone whose clock it moves."""
        for origin, tick in last_ticks(ticks).items():
            value = encode(replace(tick, origin=origin))
            for topic, partition in self._log:
                yield Record(topic, partition, origin.encode(), value, ((TYPE_HEADER, TICK),))

    def _records(self, reading: Reading, prepared: Prepared, enriched: Enriched, labelled: int) -> Iterator[Record]:
        document = enriched.document
        key = document.identity.encode()
        headers = (
            ("published", _digits(milliseconds(document.published_at))),
            ("received", _digits(reading.received)),
            ("labelled", _digits(labelled)),
        )
        memo: dict[int, str] = {}  # the summary stands in every mention and in the wide record
        value = encode(document, memo)
        if len(value) > MAX_MESSAGE_BYTES:
            raise too_large(len(value), MAX_MESSAGE_BYTES)
        yield Record(self._documents, partition_of(document.identity, self._count), key, value, headers)
        if document.source == CANARY_SOURCE:
            if enriched.wide is not None:
                canary = encode(Canary(document.identity, document.published_at))
                yield Record(self._wide, 0, CANARY, canary, ((TYPE_HEADER, CANARY), *headers))
            return
        if enriched.wide is None:
            note = encode(Unlabelled(document.identity, document.published_at))
            for topic, partition in self._log:
                yield Record(topic, partition, key, note, ((TYPE_HEADER, UNLABELLED), *headers))
            return
        for mention in enriched.mentions:
            partition = partition_of(mention.company, self._count)
            yield Record(self._mentions, partition, mention.company.encode(), encode(mention, memo), headers)
        yield Record(self._wide, 0, WIDE_KEY, encode(enriched.wide, memo), headers)

    def _dead_letter(self, reading: Reading, refusal: PoisonError) -> Record:
        letter: DeadLetter = dead_letter("enrich", refusal, reading.origin, reading.original)
        return Record(self._dead, 0, letter.id.encode(), encode(letter), (("received", _digits(reading.received)),))


WIDE_KEY: Final = b"market"


def last_ticks(ticks: Iterable[Reading]) -> dict[str, Tick]:
    """By origin (``news/3``), the last tick of each input partition, as silent as the most silent of them."""
    last: dict[str, Tick] = {}
    for reading in ticks:
        if isinstance(tick := reading.found, Tick):
            origin = f"{reading.kind}/{reading.origin.partition}"
            silences = [each.silent_until for each in (tick, last.get(origin)) if each and each.silent_until]
            last[origin] = replace(tick, silent_until=max(silences, default=None))
    return last


def milliseconds(instant: datetime) -> int:
    """Since 1970."""
    return round(instant.timestamp() * 1000)


def _digits(number: int) -> bytes:
    return b"%d" % number
