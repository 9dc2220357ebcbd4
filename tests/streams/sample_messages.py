"""Messages for tests: each builder takes only what the test is about."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from processors.messages import (
    Alert,
    CompanyLink,
    DeadLetter,
    EvidenceDocument,
    LabelledDocument,
    Measure,
    Origin,
    Sentiment,
    SeriesPoint,
    Term,
    Topic,
    Versions,
)

NOON = datetime(2024, 5, 6, 12, tzinfo=UTC)
VERSIONS = Versions("minilm", "1", "0123456789abcdef", "fedcba9876543210", "0011223344556677")
NEGATIVE = Sentiment("negative", 0.9, 0.07, 0.03)


def labelled_document(id: str = "1", **changes: Any) -> LabelledDocument:
    source = changes.get("source", "wire")
    document = LabelledDocument(
        identity=f"{source}/{id}",
        id=id,
        source=source,
        kind="news",
        published_at=NOON,
        title="Boeing halts deliveries",
        text="An inspection found cracks.",
        url=None,
        author=None,
        language="en",
        symbols=(),
        reach=None,
        repost_of=None,
        metadata={},
        status="labelled",
        late=False,
        companies=(CompanyLink("BA", "Boeing", 0, "name"),),
        sentiment=NEGATIVE,
        topic=Topic("company-product-news", 0.8),
        versions=VERSIONS,
    )
    return replace(document, **changes)


def unlabelled(document: LabelledDocument) -> LabelledDocument:
    return replace(document, status="unlabelled", sentiment=None, topic=None, versions=None)


def series_point(**changes: Any) -> SeriesPoint:
    point = SeriesPoint(
        series="company:BA",
        kind="company",
        start=NOON,
        end=NOON + timedelta(hours=1),
        negative=4,
        neutral=2,
        positive=1,
        stories=6,
        novel_negative=4,
        expected=0.7,
        expected_low=0.0,
        expected_high=3.0,
        surprise=2.9,
    )
    return replace(point, **changes)


def evidence(number: int = 1, **changes: Any) -> EvidenceDocument:
    document = EvidenceDocument(
        identity=f"wire/{number}",
        published_at=NOON - timedelta(minutes=7 * number),
        source="wire",
        author="desk",
        reach=120_000,
        url="https://wire.example/1",
        excerpt=f"Boeing halts deliveries, take {number}",
        p_negative=0.93,
        topic="company-product-news",
        story=f"story-{number}",
        signature="00ff",
        spread=5,
        authors=4,
        coordinated=False,
    )
    return replace(document, **changes)


def alert(id: str = "alert-00aa", **changes: Any) -> Alert:
    made = Alert(
        id=id,
        incident="incident-77",
        continued_by=None,
        sequence=0,
        event="open",
        kind="sentiment",
        tier="urgent",
        series="company:BA",
        series_kind="company",
        company="BA",
        topic=None,
        sector="Industrial Goods",
        source=None,
        polarity="negative",
        at=NOON,
        opened_at=NOON,
        window_end=NOON,
        window_hours=4.0,
        count=Measure(14, 20, 2.1, 0.0, 6.0, 3.2e-7),
        share=Measure(14, 20, 5.4, 2.0, 10.0, 4.1e-5),
        chance_per_year=0.031,
        rung=0.1,
        silent_below=9,
        coordinated=False,
        reason="14 new negative stories about Boeing in 4 h, where 2.1 are usual.",
        evidence=(evidence(1), evidence(2, spread=1, authors=1, author=None, reach=None, url=None)),
        terms=(Term("cracks", 9, 4.4), Term("deliveries halted", 6, 3.1)),
        versions=(VERSIONS,),
    )
    return replace(made, **changes)


def dead_letter(offset: int = 0, **changes: Any) -> DeadLetter:
    letter = DeadLetter(
        stage="enrich",
        reason="invalid-json",
        message="line 1: expected a value",
        origin=Origin("feed.jsonl", 0, offset),
        original="ew==",
        sha256="00" * 32,
        length=1,
    )
    return replace(letter, **changes)
