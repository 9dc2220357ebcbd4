"""How many mentions a second one detector applies on one core, and how many bytes of state a mention writes.

Run: ``.venv/bin/python tests/bench/bench_detector.py``. The mix is that of a year of real tweets: 88 companies of very
different volume, 7 % of the texts negative, a quarter of them reposts or near-duplicates; a tick a minute.
"""

import gc
import random
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from processors.clock import Clock
from processors.detection import DetectorSettings
from processors.detector import Detector
from processors.labels import TOPICS
from processors.messages import DocumentSummary, Mention, Sentiment, Tick, Topic, Versions
from processors.signatures import signature_of

START = datetime(2026, 1, 5, tzinfo=UTC)
VERSIONS = Versions("model", "1", "hash", "dictionary", "settings")
SENTIMENT = {
    "negative": Sentiment("negative", 0.9, 0.05, 0.05),
    "neutral": Sentiment("neutral", 0.05, 0.9, 0.05),
    "positive": Sentiment("positive", 0.05, 0.05, 0.9),
}


def mentions(number: int, hours: float, seed: int = 1) -> list[Mention]:
    """`number` mentions over `hours`, in time order."""
    random_ = random.Random(seed)
    words = [f"word{i}" for i in range(4000)]
    weights = [1 / (rank + 1) for rank in range(88)]
    texts: list[str] = []
    found = []
    for index in range(number):
        if texts and random_.random() < 0.25:
            text = random_.choice(texts[-200:])
        else:
            text = " ".join(random_.choices(words, k=14))
            texts.append(text)
        label = random_.choices(("negative", "neutral", "positive"), (7, 68, 25))[0]
        company = random_.choices(range(88), weights)[0]
        document = DocumentSummary(
            identity=f"bench/{index}",
            source="bench",
            kind="social",
            published_at=START + timedelta(hours=hours * index / number),
            sentiment=SENTIMENT[label],
            topic=Topic(random_.choice(TOPICS), 0.9),
            excerpt=text,
            signature=signature_of(text),
            author=f"author{random_.randrange(number // 4)}",
            reach=100,
            repost_of=None,
            url=None,
            language="en",
            late=False,
            versions=VERSIONS,
        )
        found.append(Mention(f"C{company}", f"S{company % 9}", "America/New_York", 1, document))
    return found


def main() -> None:
    """Print mentions a second and bytes of state a mention."""
    history = mentions(51_000, 24 * 17, seed=2)
    records = later(mentions(45_000, 24 * 15, seed=1), timedelta(days=17))
    detector, clock = Detector(DetectorSettings()), Clock(frozenset({""}))
    clock = apply(detector, clock, history, 3600).clock
    gc.freeze()  # what was prepared beforehand is no part of a detector's work
    gc.set_threshold(20_000, 20, 20)  # as `tocsin run detect` does
    found = apply(detector, clock, records, 60)
    size = sum(len(content or b"") for _, content in detector.pieces())
    print(
        f"{len(records) / found.mentions:,.0f} mentions/s; ticks and closing buckets took {found.ticks:.1f} s for 15 days; "
        f"{found.changed / len(records):.1f} pieces a mention, {found.alerts} alerts, {size / 1e6:.1f} MB of state"
    )


def later(records: list[Mention], shift: timedelta) -> list[Mention]:
    """The same mentions, `shift` later and under other identities."""
    return [
        replace(
            record,
            document=replace(
                record.document,
                identity=f"later-{record.document.identity}",
                published_at=record.document.published_at + shift,
            ),
        )
        for record in records
    ]


class Applied(NamedTuple):
    """The clock reached, seconds of processor time in mentions and in ticks, pieces changed by mentions, alerts."""

    clock: Clock
    mentions: float
    ticks: float
    changed: int
    alerts: int


def apply(detector: Detector, clock: Clock, records: list[Mention], every: int) -> Applied:
    """Apply `records` with a tick `every` so many seconds."""
    changed = alerts = 0
    in_ticks = 0.0
    next_tick = records[0].document.published_at
    began = time.process_time()
    for mention in records:
        if mention.document.published_at >= next_tick:  # asking the clock costs about 2 µs: not for every mention
            started = time.process_time()
            while mention.document.published_at >= next_tick:
                clock = clock.advance("", next_tick)
                alerts += len(detector.apply(Tick(next_tick), clock).alerts)
                next_tick += timedelta(seconds=every)
            in_ticks += time.process_time() - started
        outcomes = detector.apply(mention, clock)
        alerts += len(outcomes.alerts)
        changed += len(outcomes.changed)
    in_mentions = time.process_time() - began - in_ticks
    return Applied(clock, in_mentions, in_ticks, changed, alerts)


if __name__ == "__main__":
    main()
