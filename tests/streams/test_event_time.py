"""Real tweets brought by partitions of the input at unequal pace: what comes of them is what comes of the file in order."""

import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from processors.detection import DetectionSettings
from processors.messages import Alert, Document, SeriesPoint, Tick, WideRecord
from streams.codec import encode
from streams.feed_plan import Line, with_rounds
from streams.files import ordered
from streams.observer import Observer
from streams.partition_detector import LogRecord, PartitionDetector, Place
from streams.pipeline import ModelLabeller
from streams.replay import make_pipeline, with_ticks
from streams.settings import Settings
from streams.testkit import WordClassifier
from streams.topics import TICK

TWEETS = 1500
UNTIL = datetime(2014, 7, 25, 12, tzinfo=UTC)
"""A text of the last hour joins two stories, of which one began six days before and is folded by then."""

SETTINGS = replace(Settings(), detection=DetectionSettings(warm_up_days=3, ahead_seconds=0))
PARTITIONS = 8
BATCH = 256
WIDE = ("topic", "sector", "source", "market")


class Wide(Observer):
    """What a replay of the file says of the wide series."""

    def __init__(self) -> None:
        self.records: dict[str, WideRecord] = {}
        self.told: list[Alert] = []
        self.closed: list[SeriesPoint] = []

    def wide(self, batch: Sequence[WideRecord]) -> None:
        self.records |= {record.document.identity: record for record in batch}

    def alerts(self, batch: Sequence[Alert]) -> None:
        self.told += [alert for alert in batch if alert.series_kind in WIDE]

    def points(self, batch: Sequence[SeriesPoint]) -> None:
        self.closed += [point for point in batch if point.kind in WIDE]


@pytest.fixture(scope="module")
def tweets(data_dir: Path) -> list[Document]:
    documents = ordered([data_dir / "tweets-2014.jsonl.gz"], now=datetime.now(UTC))
    return [item for item in documents if isinstance(item, Document) and item.published_at < UNTIL][-TWEETS:]


@pytest.fixture(scope="module")
def in_order(tweets: list[Document]) -> Wide:
    found = Wide()
    labeller = ModelLabeller(WordClassifier(negative=frozenset({"loss", "down", "lower", "fall", "miss", "short"})))
    make_pipeline(SETTINGS, labeller, found).run(with_ticks(tweets))
    return found


def unequal(tweets: list[Document], seed: int) -> Iterator[Document | Tick]:
    """The tweets as a feed sends them to partitions of the input, of which now this, now that one is read ahead."""
    chance = random.Random(seed)
    lines = (Line("social", tweet.identity, tweet.published_at, b"") for tweet in tweets)
    documents = {tweet.identity: tweet for tweet in tweets}
    streams: defaultdict[int, list[Document | Tick]] = defaultdict(list)
    for step in with_rounds(lines, PARTITIONS):
        if isinstance(step, Line):
            streams[step.partition(PARTITIONS)].append(documents[step.key])
        elif isinstance(step, Tick):
            for partition in range(PARTITIONS):
                streams[partition].append(Tick(step.at, f"social/{partition}"))
    while left := [partition for partition in sorted(streams) if streams[partition]]:
        partition = chance.choice(left)
        for _ in range(chance.choice([1, 1, 2, 5])):
            batch, streams[partition] = streams[partition][:BATCH], streams[partition][BATCH:]
            yield from (step for step in batch if isinstance(step, Document))
            yield from [step for step in batch if isinstance(step, Tick)][-1:]


@pytest.mark.data
@pytest.mark.parametrize("seed", range(3))
def test_tweets_at_unequal_pace_ring_and_count_as_the_file_in_order(
    tweets: list[Document], in_order: Wide, seed: int
) -> None:
    origins = frozenset(f"social/{partition}" for partition in range(PARTITIONS))
    detector = PartitionDetector.begin(Place("wide", 0, "tocsin.wide"), SETTINGS.detector, origins)
    alerts: list[Alert] = []
    points: list[SeriesPoint] = []
    most = 0
    for step in unequal(tweets, seed):
        if isinstance(step, Tick):
            record = LogRecord(detector.offset, TICK, encode(step))
        elif step.identity in in_order.records:
            record = LogRecord(detector.offset, None, encode(in_order.records[step.identity]))
        else:
            continue
        for effects in detector.apply(record):
            alerts += effects.alerts
            points += effects.points
        most = max(most, detector.waiting)
    assert most > TWEETS / 3, "partitions were far apart"
    assert alerts == in_order.told
    assert points == in_order.closed
    assert len(points) > 1000 and alerts
