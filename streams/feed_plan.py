"""What a feed sends, in which order: the lines of files by event time, with the ticks that make them history.

The plan is a pure function of the files, of the instant at which the feed began and of the number of partitions, so
that whoever goes on with an interrupted feed counts its steps alike.

A tick goes to every partition before the first document of a new interval of 5 s, as `streams.replay.with_ticks` has it,
but only once as many documents as there are partitions were sent since the last one, or when an hour begins, which is
when buckets close. So each partition's statement holds (what follows a tick was published after it), time stands at
most that many documents behind, no bucket stays open into the next, and the ticks hardly outnumber the documents: a
year of 41,877 tweets on 8 partitions takes 74,000 of them instead of 331,000.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from processors.clock import bucket_start
from processors.errors import PoisonError
from processors.identity import partition_of
from processors.messages import DeadLetter, Document, Kind, Tick
from streams.codec import decode_document
from streams.replay import TICK_INTERVAL

QUIET_INTERVAL: Final = timedelta(hours=1)

_NEWS: Final = re.compile(rb'"kind"\s*:\s*"news"')


@dataclass(frozen=True, slots=True)
class Line:
    """One record to send as it stands in its file. `published_at` is None where it is no document:
    it is sent all the same, for enrich to refuse with its bytes."""

    kind: Kind
    key: str
    published_at: datetime | None
    raw: bytes

    def partition(self, count: int) -> int:
        """Its partition among `count` of its topic."""
        return partition_of(self.key, count)


Step = Line | DeadLetter | Tick
"""A record for an input topic, one that is refused here and now, or a tick for all input partitions."""


def as_step(item: Document | DeadLetter, raw: bytes) -> Line | DeadLetter:
    """What becomes of one line: see `streams.files.ordered_as`.

    Refused here is what enrich could not refuse: a line over the limit, and one that lacks its kind only, which a topic
    would lend it.
    """
    if isinstance(item, Document):
        return Line(item.kind, item.identity, item.published_at, raw)
    if not raw:
        return item
    kind: Kind = "news" if _NEWS.search(raw) else "social"
    if item.reason == "missing-field" and _acceptable(raw, kind):
        return item
    return Line(kind, f"{item.origin.place}:{item.origin.offset}", None, raw)


def with_rounds(
    steps: Iterable[Line | DeadLetter], partitions: int, silent_until: datetime | None = None
) -> Iterator[Step]:
    """`steps` with the ticks for `partitions` input partitions, and one at the end that says no more than the last
    document did: it closes nothing too early. With `silent_until` all ticks say so, and the last one that it is reached."""
    reached: datetime | None = None
    latest: datetime | None = None
    since = 0
    for step in steps:
        if isinstance(step, Line) and step.published_at is not None:
            latest = bucket_start(step.published_at, TICK_INTERVAL)
            if reached is None or (latest > reached and (since >= partitions or _another_hour(reached, latest))):
                reached, since = latest, 0
                yield Tick(latest, silent_until=silent_until)
            since += 1
        yield step
    if silent_until is not None and (latest is None or latest < silent_until):
        latest = silent_until
    if latest is not None and latest != reached:
        yield Tick(latest, silent_until=silent_until)


def _another_hour(reached: datetime, latest: datetime) -> bool:
    return bucket_start(latest, QUIET_INTERVAL) > bucket_start(reached, QUIET_INTERVAL)


def _acceptable(raw: bytes, kind: Kind) -> bool:
    try:
        decode_document(raw, kind)
    except PoisonError:
        return False
    return True
