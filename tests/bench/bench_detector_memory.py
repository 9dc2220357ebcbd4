"""What one detector needs for 10,000 companies: memory, bytes a series, time of a day's close, bytes of state written.

Run: ``.venv/bin/python tests/bench/bench_detector_memory.py [COMPANIES] [DAYS]``. Every company and topic is heard of once in
the first two days, so that all series there can be (21 a company) are there; then companies write by Zipf's law and
nearly all series idle. State is saved every 5 s of event time as `tocsin run detect` does: in the last minutes 200
records a second arrive.
"""

import gc
import random
import resource
import sys
import time
from collections.abc import Iterator
from datetime import datetime, timedelta

from bench_detector import SENTIMENT, START, VERSIONS

from processors.clock import Clock
from processors.detection import DetectorSettings
from processors.detector import Detector
from processors.labels import TOPICS
from processors.messages import DocumentSummary, Mention, Tick, Topic

A_DAY = 8_000
DENSE, DENSE_MINUTES = 200, 5
SAVE = timedelta(seconds=5)


def main() -> None:
    """Print what was measured."""
    companies, days = (int(argument) for argument in (*sys.argv[1:], 10_000, 21)[:2])
    gc.set_threshold(20_000, 20, 20)  # as `tocsin run detect` does
    before = resident()
    drive = Drive()
    every = [(company, topic) for topic in TOPICS for company in range(companies)]
    drive.feed(mentions(every, START, timedelta(days=2)))
    generator = random.Random(1)
    weights = [1 / (rank + 1) for rank in range(companies)]
    busy = generator.choices(range(companies), weights, k=A_DAY * (days - 2))
    drive.feed(
        mentions([(c, generator.choice(TOPICS)) for c in busy], START + timedelta(days=2), timedelta(days=days - 2))
    )
    gc.collect()
    names = [key for key, _ in drive.detector.pieces()]
    series = sum(name.startswith("series/") for name in names)
    grown = resident() - before
    print(f"{companies:,} companies, {series:,} series, {days} days, {drive.records:,} records")
    print(
        f"memory: {grown / 2**20:,.0f} MiB grown, {peak() / 2**20:,.0f} MiB at most; {grown / series:,.0f} bytes a series"
    )
    print(f"longest close of a day {drive.longest:.2f} s; {drive.records / drive.busy:,.0f} records/s")
    quiet, drive.written, drive.records = drive.written / drive.records, 0, 0
    dense = generator.choices(range(companies), weights, k=DENSE * 60 * DENSE_MINUTES)
    pairs = [(c, generator.choice(TOPICS)) for c in dense]
    drive.feed(mentions(pairs, START + timedelta(days=days), timedelta(minutes=DENSE_MINUTES)))
    print(
        f"state written: {quiet:,.0f} bytes a record at 0.1 records/s, "
        f"{drive.written / drive.records:,.0f} at {DENSE} records/s; a save every {SAVE.seconds} s"
    )


class Drive:
    """A detector that is fed, ticked and saved; what that took."""

    def __init__(self) -> None:
        self.detector = Detector(DetectorSettings())
        self.clock = Clock(frozenset({""}))
        self.records = self.written = 0
        self.busy = self.longest = 0.0
        self._changed: set[str] = set()
        self._at = START

    def feed(self, records: Iterator[Mention]) -> None:
        """Apply records with a tick and a save every 5 s, where anything came in between."""
        for record in records:
            if record.document.published_at >= self._at:
                self._save()
                self._at = record.document.published_at
                self._at -= timedelta(seconds=self._at.second % 5, microseconds=self._at.microsecond)
                self.clock = self.clock.advance("", self._at)
                started = time.process_time()
                self._changed |= self.detector.apply(Tick(self._at), self.clock).changed
                self.longest = max(self.longest, time.process_time() - started)
                self._at += SAVE
            started = time.process_time()
            self._changed |= self.detector.apply(record, self.clock).changed
            self.busy += time.process_time() - started
            self.records += 1

    def _save(self) -> None:
        for key, content in self.detector.pieces(self._changed):
            self.written += len(key) + len(content or b"")
        self._changed.clear()


def mentions(pairs: list[tuple[int, str]], start: datetime, span: timedelta) -> Iterator[Mention]:
    """A mention for each (company, topic), evenly over `span` from `start` on."""
    generator = random.Random(str(start))
    words = [f"word{i}" for i in range(4000)]
    labels = generator.choices(("negative", "neutral", "positive"), (7, 68, 25), k=len(pairs))
    for index, ((company, topic), label) in enumerate(zip(pairs, labels, strict=True)):
        document = DocumentSummary(
            identity=f"bench/{start:%m%d}-{index}",
            source="bench",
            kind="social",
            published_at=start + span * index / len(pairs),
            sentiment=SENTIMENT[label],
            topic=Topic(topic, 0.9),  # type: ignore[arg-type]
            excerpt=" ".join(generator.choices(words, k=14)),
            signature=generator.randbytes(64).hex(),
            author=f"author{generator.randrange(100_000)}",
            reach=100,
            repost_of=None,
            url=None,
            language="en",
            late=False,
            versions=VERSIONS,
        )
        yield Mention(f"C{company}", f"S{company % 11}", "America/New_York", 1, document)


def resident() -> int:
    """Bytes of memory in use."""
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * resource.getpagesize()


def peak() -> int:
    """Bytes of memory in use at most so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    main()
