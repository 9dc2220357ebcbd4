"""`tocsin feed`: files of documents into the input topics, as history with its own clock.

Where an interrupted feed stands is read back from the topics themselves: each record carries the feed's mark (which
files, when it began, which step of the plan). One idempotent producer that never gives a record up writes each
partition in the order of the plan; so what a partition has of a feed is a beginning of what it should have, and the
mark of its latest record tells where to go on, whatever ended the process. No state is kept elsewhere that could be
lost or contradict the log.
"""

import hashlib
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import chain
from pathlib import Path
from time import monotonic, sleep
from typing import Any, Final, Self

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.consumer.fetcher import ConsumerRecord
from kafka.errors import KafkaTimeoutError

from processors.clock import bucket_start
from processors.errors import ConfigurationError
from processors.identity import format_instant
from processors.messages import DeadLetter, Tick
from streams.codec import encode
from streams.feed_lease import FeedLease
from streams.feed_plan import Line, Step, as_step, with_rounds
from streams.files import Progress, ordered_as
from streams.kafka_clients import broker_errors, lone_consumer, producer
from streams.log_reader import backwards, bounds, header_of, partitions_of, read_range, tick_of
from streams.replay import TICK_INTERVAL
from streams.settings import Settings
from streams.topics import FEED_HEADER, TICK, TYPE_HEADER, Topics
from streams.topics_admin import check_topics

_LIVE: Final = timedelta(seconds=30)
"""A tick that nobody fed and that is younger than this, or than three intervals of a clock, is a running clock's."""

_UNDER_WAY_RECORDS: Final = 10_000
_UNDER_WAY_BYTES: Final = 32 * 1024 * 1024
"""Sent but not yet acknowledged, at most."""

_FOREVER_MS: Final = 2**31 - 1
_KEEP_SECONDS: Final = 1.0
"""Between two looks at whether this feed is still the one."""

Reached = Callable[[int], None]
"""Told how many steps of the feed are done."""


@dataclass(frozen=True, slots=True)
class Mark:
    """What a fed record says of its feed: a hash of the files and its silence, when it began (ms since 1970), its step."""

    files: str
    began: int
    step: int

    def header(self) -> tuple[str, bytes]:
        """As a header of a record."""
        return FEED_HEADER, f"{self.files} {self.began} {self.step}".encode()

    @classmethod
    def of(cls, record: ConsumerRecord) -> Self | None:
        """The mark of a record, None where no feed wrote it."""
        files, _, rest = (header_of(record, FEED_HEADER) or b"").decode("ascii", "replace").partition(" ")
        began, _, step = rest.partition(" ")
        return cls(files, int(began), int(step)) if began.isdecimal() and step.isdecimal() else None


@dataclass(frozen=True, slots=True)
class End:
    """What the end of one input partition tells: its latest tick, when that came, the feed that wrote it, if one did;
    and how far the feed at hand got in it. `expired`: older records are no longer kept."""

    place: TopicPartition
    tick: Tick | None = None
    tick_came: datetime | None = None
    tick_by: Mark | None = None
    own: Mark | None = None
    expired: bool = False


@dataclass(slots=True)
class FeedSummary:
    """What a feed did. `unreadable` of the `lines` sent are no documents, for enrich to refuse; `present` steps were
    there from before; `refused` are on the dead-letter topic."""

    lines: int = 0
    unreadable: int = 0
    ticks: int = 0
    present: int = 0
    seconds: float = 0.0
    refused: list[DeadLetter] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast to feed: `speed` times the speed of history, or at most `max_rate` lines a second; both None: as fast
    as Kafka takes them."""

    speed: float | None = None
    max_rate: float | None = None


def feed_files(
    paths: Sequence[Path],
    settings: Settings,
    pace: Pace = Pace(),
    *,
    silent: bool = False,
    until: datetime | None = None,
    reading: Progress | None = None,
    start: Callable[[int], Reached] = lambda steps: lambda done: None,
    stood: dict[TopicPartition, int] | None = None,
) -> FeedSummary:
    """Send every line of `paths` (JSONL or gzip) to its input topic in order of event time, with ticks between.

    With `silent` it is history to learn from: of incidents that open up to `until`, or up to the instant at which the feed
    began, nothing is told, and time has passed up to there when all is sent.

    `reading` is told bytes read while the files are put in order; `start` is then told the number of lines and gives
    what is told how many are done. Called again with the same files after an interruption it goes on where it stood.
    `stood`, empty at first, takes the step that each input partition had reached; given again after a GivenUpError, what
    was sent since then counts as sent, not as present.

    Raises ConfigurationError, before anything is sent, where a file cannot be read or is damaged, where another feed or a
    clock runs on the prefix, where its time is already later than the files, or, with `silent`, where it runs at all, or
    where `until` is yet to come; RetryableError where Kafka fails, GivenUpError where it gave the feed up.
    """
    began = monotonic()
    if until is not None and until > datetime.now(UTC):
        raise ConfigurationError(
            f"--until {format_instant(until)} is yet to come, and time cannot pass up to there: give an instant of the past, "
            "or none for now"
        )
    files = _content_of(paths) + _silence_of(silent, until)
    check_topics(settings)
    topics = Topics(settings.kafka)
    with FeedLease(settings) as lease:
        with broker_errors(settings.kafka, "looking where the feed stands"):
            ends = _ends(settings, topics, files)
        own = next((end.own for end in ends if end.own), None)
        mark = Mark(files, own.began if own else int(datetime.now(UTC).timestamp() * 1000), 0)
        now = datetime.fromtimestamp(mark.began / 1000, UTC)
        lines = ordered_as(paths, as_step, now=now, progress=reading)
        if lines.damage:
            raise ConfigurationError("\n".join((*lines.damage, "nothing was sent")))
        if silent:
            _check_silence(ends, files, settings)
        _check_time(ends, files, _first_instant(lines), settings)
        with broker_errors(settings.kafka, "feeding; the same command goes on where it stood"):
            silent_until = (until or bucket_start(now, TICK_INTERVAL)) if silent else None
            steps = with_rounds(lines, len(ends), silent_until)
            stood = {} if stood is None else stood
            summary = _send(steps, settings, topics, mark, ends, pace, start(len(lines)), lease, stood)
    summary.seconds = monotonic() - began
    return summary


def _send(
    steps: Iterable[Step],
    settings: Settings,
    topics: Topics,
    mark: Mark,
    ends: Sequence[End],
    pace: Pace,
    reached: Reached,
    lease: FeedLease,
    stood: dict[TopicPartition, int],
) -> FeedSummary:
    done = {end.place: end.own.step if end.own else -1 for end in ends}
    if not stood:
        stood.update(done)
    summary = FeedSummary()
    letters: set[bytes] | None = None
    timer = _Timer(pace)
    passed = 0
    with _Sender(settings, lease) as sender:
        for step, item in enumerate(steps):
            header = Mark(mark.files, mark.began, step).header()
            if isinstance(item, Tick):
                for place in (place for place, last in done.items() if step > last):
                    sender.send(place, None, encode(item), [(TYPE_HEADER, TICK), header])
                summary.ticks += sum(step > last for last in stood.values())
                continue
            passed += 1
            if isinstance(item, DeadLetter):
                letters = _letters_on(settings, topics) if letters is None else letters
                key = item.id.encode()
                if key not in letters:
                    sender.send(TopicPartition(topics.name("deadletters"), 0), key, encode(item), [header])
                summary.refused.append(item)
                continue
            name, count = topics.inputs[item.kind]
            place = TopicPartition(name, item.partition(count))
            if step <= stood[place]:
                summary.present += 1
                continue
            summary.lines += 1
            summary.unreadable += item.published_at is None
            if step <= done[place]:
                continue
            timer.wait(item.published_at)
            sender.send(place, item.key.encode("utf-8", "surrogatepass"), item.raw, [header])
            reached(passed)
        sender.settle()
    reached(passed)
    return summary


class _Sender:
    """A producer of which no more is under way than memory should hold, and which waits for Kafka without end; it sends
    as long as the feed's lease lasts."""

    def __init__(self, settings: Settings, lease: FeedLease) -> None:
        self._lease = lease
        self._kept = monotonic()
        self._producer: KafkaProducer = producer(
            settings.kafka,
            batch_size=128 * 1024,
            delivery_timeout_ms=_FOREVER_MS,  # a record given up would leave a gap before those behind it
            max_block_ms=_FOREVER_MS,
            metrics_enabled=False,
        )
        self._under_way: deque[tuple[Any, int]] = deque()
        self._bytes = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._producer.close(timeout=0)
        except KafkaTimeoutError:
            # It waits first for what is under way, and leaves its thread to go on sending where that does not end in time.
            self._producer._sender.force_close()

    def send(self, place: TopicPartition, key: bytes | None, value: bytes, headers: list[tuple[str, bytes]]) -> None:
        """Send one record; wait for earlier ones where too much is under way."""
        if (silent := monotonic() - self._kept) > _KEEP_SECONDS:
            self._lease.keep(silent)
            self._kept = monotonic()
        future = self._producer.send(place.topic, value, key, headers, place.partition)
        self._under_way.append((future, len(value)))
        self._bytes += len(value)
        while len(self._under_way) > _UNDER_WAY_RECORDS or self._bytes > _UNDER_WAY_BYTES:
            self._wait()

    def settle(self) -> None:
        """Wait until everything is acknowledged."""
        while self._under_way:
            self._wait()

    def _wait(self) -> None:
        future, size = self._under_way[0]
        while not future.is_done:
            try:
                future.get(timeout=1)
            except KafkaTimeoutError:
                continue  # Kafka is away, or slow: the producer goes on trying
        future.get(timeout=0)
        self._under_way.popleft()
        self._bytes -= size


class _Timer:
    """Waits until a line is due."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._began: float | None = None
        self._first: datetime | None = None
        self._lines = 0

    def wait(self, published_at: datetime | None) -> None:
        """Sleep until the next line, published at `published_at`, is due."""
        now = monotonic()
        self._began = now if self._began is None else self._began
        due = self._began
        if self._pace.max_rate:
            due += self._lines / self._pace.max_rate
        if self._pace.speed and published_at is not None:
            self._first = self._first or published_at
            due += (published_at - self._first).total_seconds() / self._pace.speed
        self._lines += 1
        if due > now:
            sleep(due - now)


def _ends(settings: Settings, topics: Topics, files: str) -> list[End]:
    places = list(chain.from_iterable(partitions_of(name, count) for name, count in topics.inputs.values()))
    with lone_consumer(settings.kafka, isolation="read_uncommitted", fetch_max_wait_ms=50) as reader:
        return [_end(reader, place, files) for place in places]


def _end(reader: KafkaConsumer, place: TopicPartition, files: str) -> End:
    """Looks back to the latest tick: what lies before it cannot be of a feed that has not ticked since.

    Where the feed at hand wrote, it looks further for how far that got: what a frozen one had under way may stand behind.
    """
    end = End(place, expired=bounds(reader, place)[0] > 0)
    for number, record in enumerate(backwards(reader, place)):
        mark = Mark.of(record)
        if mark and mark.files == files and (end.own is None or mark.step > end.own.step):
            end = replace(end, own=mark)
        if end.tick is None and (tick := tick_of(record)):
            came = datetime.fromtimestamp(record.timestamp / 1000, UTC)
            end = replace(end, tick=tick, tick_came=came, tick_by=mark)
        if end.tick and (end.own is None or number > _UNDER_WAY_RECORDS):
            break
    return end


def _check_silence(ends: Sequence[End], files: str, settings: Settings) -> None:
    """Refuse to be silent where time ran before: incidents that were told would end untold."""
    for end in ends:
        if end.tick and not (end.tick_by and end.tick_by.files == files):
            raise ConfigurationError(
                f"time already runs on the prefix {settings.kafka.prefix}: {end.place.topic}, partition {end.place.partition}, has "
                f"a tick of {format_instant(end.tick.at)} that a clock or another feed wrote. History is learnt before the clock "
                "first runs: bootstrap into another kafka.prefix, all files at once; or, to go on with a bootstrap that was "
                "interrupted, give the same files and the same --until as before"
            )


def _check_time(ends: Sequence[End], files: str, first: datetime | None, settings: Settings) -> None:
    """Refuse to write history where time is another's, or already past it."""
    prefix = settings.kafka.prefix
    started = any(end.own for end in ends)
    for end in ends:
        where = f"{end.place.topic}, partition {end.place.partition}"
        if started and end.own is None and end.expired:
            raise ConfigurationError(
                f"cannot go on: {where} no longer keeps what this feed wrote to it before; feed into another kafka.prefix"
            )
        if end.tick is None or end.tick_came is None or (end.tick_by and end.tick_by.files == files):
            continue
        age = datetime.now(UTC) - end.tick_came
        if end.tick_by is None and age < max(_LIVE, 3 * timedelta(seconds=settings.clock.tick_seconds)):
            raise ConfigurationError(
                f"a clock is running on the prefix {prefix}: history and the present cannot share one clock; stop "
                "`tocsin run clock`, or feed into another kafka.prefix"
            )
        if first is not None and end.tick.at > first:
            raise ConfigurationError(
                f"time on the prefix {prefix} has already reached {format_instant(end.tick.at)} ({where}), these files "
                f"begin at {format_instant(first)}: all before would come late; feed them into another kafka.prefix"
            )


def _first_instant(lines: Iterable[Line | DeadLetter]) -> datetime | None:
    """What the first tick will say."""
    instants = (line.published_at for line in lines if isinstance(line, Line) and line.published_at)
    first = next(instants, None)
    return bucket_start(first, TICK_INTERVAL) if first else None


def _letters_on(settings: Settings, topics: Topics) -> set[bytes]:
    """The keys of all dead letters that are there."""
    place = TopicPartition(topics.name("deadletters"), 0)
    with lone_consumer(settings.kafka, fetch_max_wait_ms=50) as reader:
        return {record.key for record in read_range(reader, place, *bounds(reader, place)) if record.key}


def _silence_of(silent: bool, until: datetime | None) -> str:
    """What a mark says of it, so that the same files with another silence are another feed."""
    if not silent:
        return ""
    return f"-silent-{format_instant(until)}" if until else "-silent"


def _content_of(paths: Sequence[Path]) -> str:
    """A hash of what the files hold, in the order given."""
    digest = hashlib.sha256()
    for path in paths:
        if not path.is_file():
            raise ConfigurationError(f"cannot read {path}: no such file, or none that could be read twice")
        try:
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
        except OSError as error:
            raise ConfigurationError(f"cannot read {path}: {error.strerror}") from None
    return digest.hexdigest()[:16]
