"""An identity that is sent again with another text: enrich and detect make of it what a replay of the file makes."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from enrich_parts import NOON, TOPICS, composer, enricher
from hypothesis import given, settings
from hypothesis import strategies as st

from processors.messages import Document, LabelledDocument, Origin, SeriesPoint, Tick
from streams.codec import encode
from streams.observer import Observer
from streams.partition_detector import LogRecord, PartitionDetector, Place
from streams.pipeline import ModelLabeller
from streams.replay import make_pipeline, with_ticks
from streams.services.enrich_records import Reading
from streams.settings import Settings
from streams.testkit import WordClassifier
from streams.topics import TICK, TYPE_HEADER

COMPANIES = ("Boeing", "Apple", "Walmart", "Pfizer", "Chevron", "Coca-Cola")
CHINESE = "波音公司股价下跌，因为订单减少"
Counted = dict[tuple[str, str], tuple[int, ...]]


class Points(Observer):
    """What closed buckets counted, the documents that are indexed, and how many were duplicates."""

    def __init__(self) -> None:
        self.counted: Counted = {}
        self.indexed: list[LabelledDocument] = []
        self.repeated = 0

    def documents(self, batch: Sequence[LabelledDocument]) -> None:
        self.indexed += batch

    def duplicates(self, batch: Sequence[Document]) -> None:
        self.repeated += len(batch)

    def points(self, batch: Sequence[SeriesPoint]) -> None:
        for point in batch:
            counts = (point.negative, point.neutral, point.positive, point.stories)
            if any(counts):
                self.counted[point.series, point.start.isoformat()] = counts


def texts(*said: tuple[str, str]) -> list[Document]:
    """Documents a minute apart, by identity and text."""
    return [
        Document(name, "feed", "social", NOON + timedelta(minutes=n), text=text) for n, (name, text) in enumerate(said)
    ]


def names(*companies: str) -> str:
    return f"{' and '.join(companies) or 'The market'} said that revenue falls after a fraud, and more"


def replayed(documents: list[Document]) -> Points:
    found = Points()
    pipeline = make_pipeline(Settings(), ModelLabeller(WordClassifier()), found, TOPICS.settings.mention_partitions)
    pipeline.run([*with_ticks(documents), Tick(NOON + timedelta(days=1))])
    return found


def served(documents: list[Document]) -> Counted:
    """What enrich and detect count, without Kafka between them."""
    origin = "social/0"
    partitions = TOPICS.settings.mention_partitions
    places = [*(Place("mentions", p, "t.mentions") for p in range(partitions)), Place("wide", 0, "t.wide")]
    detectors = {
        (place.topic, place.partition): PartitionDetector.begin(place, Settings().detector, frozenset({origin}))
        for place in places
    }
    found = Points()

    def apply(topic: str, partition: int, kind: bytes | None, value: bytes | None) -> None:
        if (detector := detectors.get((topic, partition))) is not None:
            for effects in detector.apply(LogRecord(detector.offset, kind, value)):
                found.points(effects.points)

    steps: list[Any] = [*with_ticks(documents), Tick(NOON + timedelta(days=1))]
    for step in steps:
        if isinstance(step, Tick):
            for topic, partition in detectors:
                apply(topic, partition, TICK, encode(Tick(step.at, origin)))
            continue
        prepared = enricher().prepare(step, None)
        answer = None
        if prepared.model_text:
            [answer] = WordClassifier().classify([prepared.model_text], [prepared.names])
        reading = Reading(Origin("t.social", 0, 0), "social", b"", 0, prepared)
        for record in composer().compose(reading, answer, 0).records:
            apply(record.topic, record.partition, dict(record.headers).get(TYPE_HEADER), record.value)
    return found.counted


TEXTS = st.one_of(
    st.just(CHINESE), st.lists(st.sampled_from(COMPANIES), unique=True, max_size=6).map(lambda some: names(*some))
)


@settings(max_examples=40)
@given(st.lists(st.tuples(st.sampled_from(["1", "2"]), TEXTS), min_size=1, max_size=6))
def test_whatever_is_sent_again_counts_alike_in_the_services_and_in_a_replay(said: list[tuple[str, str]]) -> None:
    documents = texts(*said)
    assert served(documents) == replayed(documents).counted


def test_a_further_company_counts_once_and_what_was_counted_counts_no_more() -> None:
    found = replayed(texts(("1", names("Boeing")), ("1", names("Boeing", "Apple")), ("1", names("Apple"))))
    assert {series: counts for (series, _), counts in found.counted.items() if series.startswith("company:")} == {
        "company:BA": (1, 0, 0, 1),
        "company:AAPL": (1, 0, 0, 1),
    }
    assert found.counted["market:all", NOON.isoformat()] == (1, 0, 0, 1)
    assert [document.text for document in found.indexed] == [names("Boeing")]
    assert found.repeated == 2
