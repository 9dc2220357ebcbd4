"""One partition of the log in the hands of this process: its detector, and the transactions that make its work true.

There are two kinds. One publishes what a batch of records brought about, and how far that goes: many a second, small.
The other saves the state that changed since it was saved last: every few seconds, so that a piece that changes all the time
is written once. Whoever starts in between applies what came after the state again, telling nothing (`detect_start`).
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from processors.errors import InvariantError
from processors.messages import Alert
from processors.reordering import Stages
from streams.applied import APPLIED, PUBLISHED
from streams.cloud_events import event_headers
from streams.log_reader import header_of
from streams.partition_detector import Effects, LogRecord, Message, PartitionDetector
from streams.services.detect_transactions import FencedError, Transactions
from streams.services.kafka_batches import Record
from streams.topics import TYPE_HEADER, Topics

CAUSE_HEADER: Final = "offset"
"""Of alerts and points: the offset of the record in the log that brought them about."""

STAGE_HEADERS: Final = ("published", "received", "labelled")
"""When a document reached each stage, in milliseconds since 1970: passed on from the mention to its alerts."""

RANG_HEADER: Final = "rang"

_BY_PARTITION: Final = ("alerts", "series")
"""The results that have a partition for each of the log."""

_DELETED_AT_ONCE: Final = 5_000

_PUBLISHED_AT_ONCE: Final = 20_000
"""Results after which a transaction ends, amid a record if need be: the broker gives it a few seconds only."""


@dataclass(slots=True)
class Committed:
    """What one transaction made true, of so many `records` that are applied with it.

    `outcomes` counts what waited for the clock once more when it is judged. `waited` are, for each alert, the milliseconds
    since its document reached a stage; `sources` those of the documents.
    """

    records: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    alerts: list[Alert] = field(default_factory=list)
    points: int = 0
    sources: set[str] = field(default_factory=set)
    waited: list[tuple[str, int]] = field(default_factory=list)
    seconds: float = 0.0

    def note(self, effects: Effects) -> None:
        """Count what became of one record."""
        self.outcomes[effects.outcome] += effects.outcome != "step"
        self.points += len(effects.points)
        if effects.source is not None:
            self.sources.add(effects.source)
        if effects.alerts:
            self.alerts += effects.alerts
            self.waited += waits(effects.stages, int(time.time() * 1000))
        if effects.dead_letter is not None:
            self.reasons[effects.dead_letter.reason] += 1


class Saved(NamedTuple):
    """What one saving of the state wrote, in bytes of values, and how long it took."""

    size: int
    seconds: float


class OwnedPartition:
    """A partition that no other process can commit for. Any exception means: end the process, nothing is certain."""

    def __init__(
        self,
        detector: PartitionDetector,
        transactions: Transactions,
        topics: Topics,
        output: int,
        beat: Callable[[], None],
    ) -> None:
        """`beat` is told of every step: what many waited for takes a while."""
        self.detector = detector
        self._beat = beat
        self.place = detector.place
        self._transactions = transactions
        self._topics = topics
        self._output = output
        self._state_topic = topics.name("state")
        self._group = topics.group("detect")
        self._is_fresh = True
        self._saved_at = time.monotonic()

    @property
    def offset(self) -> int:
        """That of the next record to apply."""
        return self.detector.offset

    def delete(self, keys: Sequence[str]) -> None:
        """Delete the pieces of an unsound state, ``_applied`` first, so that a crash in between leaves no sound one."""
        ordered = sorted(keys, key=lambda key: key != APPLIED)
        for first in range(0, len(ordered), _DELETED_AT_ONCE):
            self._commit([self._state(key, None) for key in ordered[first : first + _DELETED_AT_ONCE]])

    def is_due(self, seconds: float, records: int) -> bool:
        """Whether there is something to save, and it was saved longer ago or is behind by more than that."""
        behind = self.detector.unsaved
        return behind >= records or (behind > 0 and time.monotonic() - self._saved_at >= seconds)

    def save(self) -> Saved:
        """Write the state that changed since it was saved last, all or nothing."""
        started = time.monotonic()
        records = [self._state(key, content) for key, content in self.detector.save()]
        self._commit(records)
        self._saved_at = time.monotonic()
        return Saved(sum(len(record.value or b"") for record in records), self._saved_at - started)

    def give_up(self) -> Saved | None:
        """Save the state for whoever has the partition next, where it is not theirs already, and let it go."""
        saved = None
        try:
            if self.detector.unsaved:
                saved = self.save()
        except FencedError:
            pass  # the next owner has restored the state that was saved before, and caught up by itself
        self._transactions.close()
        return saved

    def transact(self, records: Sequence[Any]) -> Iterator[Committed]:
        """Apply records as they came from the consumer, and make what they bring about true, in as many transactions as
        that takes: a tick that many waited for takes several.

        Raises InvariantError for a gap in the offsets, after everything before it is committed: a hole in the log looks
        the same after a restart, and is then counted and passed over.
        """
        sound = contiguous([record.offset for record in records], self.offset, self._is_fresh)
        done, started = Committed(), time.perf_counter()
        results: list[Record] = []
        for record in records[:sound]:
            # 1. Apply each record, step by step, and note what it brings about.
            for effects in self.detector.apply(log_record(record)):
                self._beat()
                done.note(effects)
                results += self._results(self.detector.publish(effects), record.offset, effects.stages)
                if len(results) >= _PUBLISHED_AT_ONCE:
                    yield self._publish(results, done, started)
                    done, results, started = Committed(), [], time.perf_counter()
            done.records += 1
        if done.records:
            yield self._publish(results, done, started)
        if sound < len(records):
            raise InvariantError(
                f"{self.place}: offset {self.offset} was expected, {records[sound].offset} came; if the log has a hole "
                "there, the next start finds the same and goes on behind it"
            )

    def _publish(self, results: list[Record], done: Committed, started: float) -> Committed:
        # 2. How far all is published is part of it.
        results.append(self._state(PUBLISHED, self.detector.published.encode()))
        # 3. All of it becomes true at once, the group's offset too.
        self._commit(results)
        self._is_fresh = False
        done.seconds = time.perf_counter() - started
        return done

    def _commit(self, records: Sequence[Record]) -> None:
        self._transactions.commit(records, {(self.place.topic, self.place.partition): self.offset}, self._group)

    def _results(self, messages: Iterable[Message], offset: int, stages: Stages) -> Iterator[Record]:
        for topic, key, value, alert in messages:
            headers = []
            if topic in _BY_PARTITION:
                headers.append((CAUSE_HEADER, str(offset).encode()))
            if alert is not None:
                headers += event_headers(alert, self._topics.settings.prefix)
                headers += stages
                headers.append((RANG_HEADER, str(int(time.time() * 1000)).encode()))
            partition = self._output if topic in _BY_PARTITION else 0
            yield Record(self._topics.name(topic), partition, _key(key), value, tuple(headers))

    def _state(self, key: str, content: bytes | None) -> Record:
        return Record(self._state_topic, self._output, _key(key), content, ())


def _key(key: str) -> bytes:
    return key.encode("utf-8", "surrogatepass")


def log_record(record: Any) -> LogRecord:
    """A consumer's record as the detector takes it."""
    stages = tuple((name, value) for name, value in record.headers if name in STAGE_HEADERS and value is not None)
    return LogRecord(record.offset, header_of(record, TYPE_HEADER), record.value, stages)


def contiguous(offsets: Sequence[int], expected: int, is_fresh: bool) -> int:
    """How many of the first `offsets` follow each other without a gap from `expected` on.

    Right after a start (`is_fresh`) the first may lie behind a gap: a log that is asked for a record and gives a later
    one has none in between. An offset before `expected` is let through, for the detector to refuse.
    """
    for index, offset in enumerate(offsets):
        if offset > expected and not (is_fresh and index == 0):
            return index
        expected = offset + 1
    return len(offsets)


def waits(stages: Stages, now: int) -> Iterator[tuple[str, int]]:
    """For each stage that a document has passed, the milliseconds from there to `now`."""
    for name, value in stages:
        if value.isdigit():
            yield name, now - int(value)
