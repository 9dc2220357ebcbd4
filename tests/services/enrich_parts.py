"""Parts of enrich for its tests: messages as Faust hands them on, a model and a log that are what a test needs."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from processors.companies import CompanyMaster
from processors.enrichment import Classification, Enricher, Prepared
from processors.errors import PoisonError
from processors.messages import Tick
from streams.codec import encode
from streams.pipeline import ModelLabeller
from streams.service_settings import KafkaSettings
from streams.services.enrich_intake import Intake, Place
from streams.services.enrich_records import Composer
from streams.services.kafka_batches import Record
from streams.settings import Settings, load_master
from streams.testkit import WordClassifier
from streams.topics import TICK, TYPE_HEADER, Topics

NOON = datetime(2024, 5, 6, 12, tzinfo=UTC)
TOPICS = Topics(KafkaSettings(prefix="t", news_partitions=2, social_partitions=2, mention_partitions=3))
KINDS = {name: kind for kind, (name, _) in TOPICS.inputs.items()}

_MASTER: CompanyMaster = load_master(Settings())


def enricher() -> Enricher:
    return Enricher(_MASTER, [WordClassifier().model], "0" * 16, timedelta(hours=24))


@dataclass
class Message:
    offset: int = 0
    value: bytes | None = b""
    headers: Sequence[tuple[str, bytes]] | None = ()
    topic: str = "t.news"
    partition: int = 0
    generation_id: int = 1
    timestamp: float = NOON.timestamp()


@dataclass
class Event:
    message: Message
    acked: list[int]

    def ack(self) -> bool:
        self.acked.append(self.message.offset)
        return True


def document(id: str = "1", **fields: Any) -> bytes:
    content = {"id": id, "source": "wire", "published_at": NOON, "text": "Boeing shares rises as orders grow"}
    return encode({**content, **fields})


def tick(at: datetime = NOON) -> bytes:
    return encode(Tick(at))


def tick_message(offset: int, at: datetime = NOON, **fields: Any) -> Message:
    return Message(offset, tick(at), ((TYPE_HEADER, TICK),), **fields)


@dataclass
class KnownLog:
    """A log of one partition: which offsets it has, what is committed, which ticks stand in it by offset."""

    offsets: Sequence[int] = range(10_000)
    at: int | None = None
    ticks: dict[int, datetime] = field(default_factory=dict)

    async def committed(self, place: Place) -> int | None:
        return self.at

    async def first(self, place: Place, offset: int) -> int:
        return min(known for known in self.offsets if known >= offset)

    async def last_tick(self, place: Place, before: int) -> datetime | None:
        earlier = [offset for offset in self.ticks if offset < before]
        return self.ticks[max(earlier)] if earlier else None


def intake(log: KnownLog | None = None, holes: list[int] | None = None) -> Intake:
    heard: list[int] = [] if holes is None else holes
    return Intake(
        KINDS, log or KnownLog(), enricher(), timedelta(minutes=10), lambda place, offsets: heard.append(offsets)
    )


def composer() -> Composer:
    return Composer(TOPICS, enricher())


class Words:
    """`WordClassifier`, asked as Triton is."""

    async def label(self, prepared: Sequence[Prepared]) -> list[Classification | PoisonError | None]:
        return list(ModelLabeller(WordClassifier()).label(prepared))


@dataclass
class Written:
    """A log that keeps what is published, call by call."""

    calls: list[list[Record]] = field(default_factory=list)

    async def publish(self, records: Iterable[Record]) -> None:
        self.calls.append(list(records))
