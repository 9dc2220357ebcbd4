"""The demo's scenario: three weeks of ordinary days, then five days on which something happens.

Everything in it is invented. The companies are real names, so that the shipped dictionary knows them; what is told of
them never happened. The seed decides everything: equal seeds give equal bytes.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Final

from processors.labels import SentimentLabel
from streams.demo.broken import breakages, broken_record
from streams.demo.cast import WIRE
from streams.demo.newsroom import Piece
from streams.demo.ordinary import ordinary_days
from streams.demo.scenes import HISTORY_DAYS, Expectation, scenes, stopped_feed

START: Final = datetime(2025, 9, 8, tzinfo=UTC)
"""A Monday, in weeks without a holiday in New York."""

DAYS: Final = HISTORY_DAYS + 5
LATENESS: Final = timedelta(hours=24)
NOTICE: Final = "An invented scenario: none of it ever happened."


@dataclass(frozen=True, slots=True)
class Arrival:
    """One record as a feed delivers it, at an instant in UTC."""

    at: datetime
    raw: bytes


@dataclass(frozen=True, slots=True)
class Truth:
    """What a run over the scenario should find, known because it was written so.

    `refused` counts the broken records by reason. `meant` is the sentiment that the author of a document (by
    identity) intended. `unlabelled` are the documents in Chinese. `late` are those older than the lateness
    allowance when they arrive.
    """

    expectations: tuple[Expectation, ...]
    documents: int
    duplicates: int
    refused: Mapping[str, int]
    unlabelled: frozenset[str]
    late: frozenset[str]
    meant: Mapping[str, SentimentLabel]
    scene: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Scenario:
    """All arrivals in the order of time, and the truth about them."""

    arrivals: tuple[Arrival, ...]
    truth: Truth


def make_scenario(seed: int = 1) -> Scenario:
    """The scenario of `seed`."""
    stop = stopped_feed(START)
    scripted = scenes(seed, START)
    pieces = [*_delayed(seed, ordinary_days(seed, START, DAYS))]
    pieces += (piece for scene in scripted for piece in scene.pieces)
    end = START + timedelta(days=DAYS)
    heard = [
        piece
        for piece in pieces
        if piece.arrived_at < end and not (piece.source == WIRE and stop.since <= piece.arrived_at < stop.until)
    ]
    heard.sort(key=lambda piece: (piece.arrived_at, piece.identity))
    arrivals = [Arrival(piece.arrived_at, piece.raw) for piece in heard]
    repeated = _repeated(seed, heard, end)
    refused, broken = _broken(seed, heard)
    # A stable order for records of one instant: whatever stands first in this list.
    everything = sorted([*arrivals, *repeated, *broken], key=lambda arrival: arrival.at)
    return Scenario(
        tuple(everything),
        Truth(
            expectations=(*(item for scene in scripted for item in scene.expectations), stop),
            documents=len(heard),
            duplicates=len(repeated),
            refused=refused,
            unlabelled=frozenset(p.identity for p in heard if str(p.fields.get("language", "")).startswith("zh")),
            late=frozenset(p.identity for p in heard if p.arrived_at - p.published_at > LATENESS),
            meant={p.identity: p.meant for p in heard if p.meant},
            scene={p.identity: p.scene for p in heard},
        ),
    )


def _delayed(seed: int, pieces: Iterable[Piece]) -> Iterator[Piece]:
    """`pieces`, of which a few arrive hours after they were published, and fewer after days."""
    rng = Random(f"{seed}/delays")
    for piece in pieces:
        chance = rng.random()
        if chance < 0.022:
            yield replace(piece, arrived_at=piece.published_at + timedelta(hours=min(20, rng.lognormvariate(1.2, 0.8))))
        elif chance < 0.025:
            yield replace(piece, arrived_at=piece.published_at + timedelta(hours=rng.uniform(26, 70)))
        else:
            yield piece


def _repeated(seed: int, heard: list[Piece], end: datetime) -> list[Arrival]:
    """The same identities again, minutes to days later: half of them unchanged, half with another text."""
    rng = Random(f"{seed}/duplicates")
    arrivals = []
    for piece in rng.sample(heard, 120):
        again = piece.arrived_at + timedelta(hours=min(60, rng.lognormvariate(0, 1.6)))
        changed = replace(piece, fields=dict(piece.fields) | {"text": "This record was corrected by its source."})
        if again < end:
            arrivals.append(Arrival(again, (changed if rng.random() < 0.5 else piece).raw))
    return arrivals


def _broken(seed: int, heard: list[Piece]) -> tuple[Mapping[str, int], list[Arrival]]:
    """Broken records: a few on every day, and a feed that sends nothing else for some minutes."""
    rng = Random(f"{seed}/broken")
    burst_from = START + timedelta(days=HISTORY_DAYS + 1, hours=14)
    in_burst = [piece for piece in heard if burst_from <= piece.arrived_at < burst_from + timedelta(hours=1)]
    victims = rng.sample(heard, 110) + rng.sample(in_burst, min(25, len(in_burst)))
    reasons: Counter[str] = Counter()
    arrivals = []
    for name, piece in zip(breakages(rng, len(victims)), victims, strict=True):
        reason, raw = broken_record(name, rng, piece)
        reasons[reason] += 1
        arrivals.append(Arrival(piece.arrived_at, raw))
    return dict(reasons), arrivals
