"""Event time before a detector: what runs ahead of the clock waits in a sort buffer until the clock gets there.

The partitions of the input are read at unequal pace: after an outage, by several workers, or when history is fed, one is
days ahead of another, and the clock is at the slowest. Judged as they come, documents from ahead would be judged before
the time between has passed: before its buckets closed and baselines learnt of them. So a document that lies further
ahead of the clock than an allowance is held. When the clock advances, what it passes is judged in the order (published_at,
source, id) and the hours between close one after the other, as if everything had come in order. The clock is a low
watermark; releasing by it is due to Srivastava and Widom 2004 (Flexible time management in data stream systems).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from heapq import heappop, heappush
from typing import Any, Final, Literal, NamedTuple, Self

from processors.clock import Clock
from processors.detection import DetectorSettings
from processors.detector import Detector, Outcomes
from processors.identity import format_instant
from processors.messages import Mention, Tick, Unlabelled, WideRecord
from processors.series import WIDE
from processors.state import fitted, sealed

_PART_CHARACTERS: Final = 15_000
"""Of a held record in one piece of state: below 64 KiB whatever the characters."""

HELD: Final = "held"
_MEGABYTE: Final = 1_000_000
_EVER: Final = datetime.max.replace(tzinfo=UTC)
_NOTHING: Final = Outcomes()

Stages = tuple[tuple[str, bytes], ...]
"""When a document reached each stage, as the headers of its record tell."""

Read = Callable[[bytes], Mention | WideRecord]
"""What the bytes of a record say."""

Fate = Literal["applied", "held", "released", "early", "step", "tick"]


class Held(NamedTuple):
    """A record of the log that waits: where it stands there, and its bytes."""

    offset: int
    original: bytes
    stages: Stages = ()


class Judged(NamedTuple):
    """What became of a record, or of time that passed.

    A record is `applied` at once or `held`; what was held is `released` when the clock gets there, or applied `early`
    where too much waits. A `step` closes the hours before what is released next, a `tick` all that the clock passed.
    `held` is the record that had waited. With `error` the record could not be processed: nothing changed, but that it
    waits no longer.
    """

    fate: Fate
    outcomes: Outcomes = _NOTHING
    held: Held | None = None
    error: Exception | None = None


class _Place(NamedTuple):
    """Where a record stands in the order of release; `owner` is whose stories it counts in."""

    published_at: datetime
    source: str
    id: str
    offset: int
    owner: str

    @property
    def identity(self) -> str:
        return f"{self.source}/{self.id}"


class SortBuffer:
    """Records in the order of event time. A piece of state is a part of one of them: ``held/OFFSET/PART``."""

    prefix: Final = HELD

    def __init__(self) -> None:
        """Nothing waits."""
        self._order: list[_Place] = []  # a heap
        self._held: dict[int, tuple[_Place, Held]] = {}
        self._owners: dict[str, tuple[str, ...]] = {}  # identity → whose records of it wait
        self.size = 0
        """Bytes of all records that wait."""

    def __len__(self) -> int:
        return len(self._held)

    @property
    def first(self) -> datetime | None:
        """When the earliest of what waits was published."""
        return self._order[0].published_at if self._order else None

    def holds(self, event: Mention | WideRecord | Unlabelled) -> bool:
        """Whether an earlier record waits, under the identity of `event`, that it would count with."""
        if not self._owners:
            return False
        if isinstance(event, Unlabelled):
            return event.identity in self._owners
        return _owner(event) in self._owners.get(event.document.identity, ())

    def put(self, record: Mention | WideRecord, held: Held) -> frozenset[str]:
        """Holds a record; gives the keys of the pieces that this changes."""
        source, _, name = record.document.identity.partition("/")
        self._put(_Place(record.document.published_at, source, name, held.offset, _owner(record)), held)
        return self._keys(held)

    def pop(self) -> tuple[Held, frozenset[str]]:
        """The earliest, which waits no longer, and the keys of the pieces that this changes."""
        place = heappop(self._order)
        _, held = self._held.pop(place.offset)
        self.size -= len(held.original)
        owners = tuple(owner for owner in self._owners.pop(place.identity) if owner != place.owner)
        if owners:
            self._owners[place.identity] = owners
        return held, self._keys(held)

    def names(self) -> list[str]:
        """The names of all pieces, sorted."""
        return sorted(name for _, held in self._held.values() for name in _names(held))

    def read(self, name: str) -> bytes | None:
        """One piece as JSON; None when there is none."""
        offset, _, part = name.partition("/")
        if int(offset) not in self._held:
            return None
        place, held = self._held[int(offset)]
        begin = int(part) * _PART_CHARACTERS
        text = held.original.decode()[begin : begin + _PART_CHARACTERS]
        stages = [[stage, at.decode("latin-1")] for stage, at in held.stages]
        return sealed(self.prefix, [format_instant(place.published_at), place.identity, place.owner, stages, text])

    def restore(self, pieces: Mapping[str, bytes]) -> None:
        """Takes in the pieces, by name, of an earlier buffer. Raises InvariantError naming one that does not fit."""
        parts: dict[int, list[tuple[int, Any]]] = {}
        for name in pieces:
            offset, part = map(int, name.split("/"))
            parts.setdefault(offset, []).append((part, fitted(f"{HELD}/{name}", pieces[name], _unpacked)))
        for number in sorted(parts):
            whole = [content for _, content in sorted(parts[number])]
            published_at, identity, owner, stages, _ = whole[0]
            source, _, name = identity.partition("/")
            original = "".join(content[-1] for content in whole).encode()
            self._put(_Place(published_at, source, name, number, owner), Held(number, original, stages))

    def _put(self, place: _Place, held: Held) -> None:
        heappush(self._order, place)
        self._held[held.offset] = place, held
        self._owners[place.identity] = (*self._owners.get(place.identity, ()), place.owner)
        self.size += len(held.original)

    def _keys(self, held: Held) -> frozenset[str]:
        return frozenset(f"{self.prefix}/{name}" for name in _names(held))


class EventTimeDetector:
    """A detector that judges documents in event time, whatever the order in which partitions of the input bring them.

    With an allowance of 0, documents that come in order within each partition of the input are judged exactly as if all
    of them had come in the order (published_at, source, id). What lies within the allowance of the clock is judged as it
    comes, so that what is live need not wait for a tick. Ticks alone move time; late documents are judged as they
    always were.

    What waits is bounded by `held_megabytes`; beyond that the earliest is applied before its time. A record under an
    identity that waits is a duplicate: the first to come wins. Deterministic, as the detector is.
    """

    def __init__(self, settings: DetectorSettings, read: Read) -> None:
        """An empty detector; `read` gives the bytes of what waited their meaning again."""
        self._read = read
        self._ahead = timedelta(seconds=settings.detection.ahead_seconds)
        self._most = settings.detection.held_megabytes * _MEGABYTE
        self._detector = Detector(settings)
        self._buffer = SortBuffer()

    @property
    def detector(self) -> Detector:
        """Who judges; for looking only."""
        return self._detector

    @property
    def waiting(self) -> int:
        """How many records wait."""
        return len(self._buffer)

    def take(
        self, event: Mention | WideRecord | Unlabelled, clock: Clock, keep: Callable[[], Held]
    ) -> Iterator[Judged]:
        """Judge, or hold, a record that came while time stood at `clock`; `keep` gives what is kept of it while it waits.

        That a text was not labelled is noted at once: nothing about it depends on time.
        """
        buffer = self._buffer
        if buffer.holds(event):
            yield Judged("applied")
        elif isinstance(event, Unlabelled) or self._is_near(event, clock):
            yield self._judge("applied", event, clock)
        else:
            yield Judged("held", Outcomes(changed=buffer.put(event, keep())))
            while buffer.size > self._most:
                yield self._let_go("early", clock)

    def advance(self, clock: Clock) -> Iterator[Judged]:
        """Let time pass up to `clock`. Raises what the work that is due then raises; what was judged before it stays."""
        if clock.now is None:
            yield Judged("tick")
            return
        if self._buffer:
            yield from self._release(clock.now + self._ahead, clock)
        yield Judged("tick", self._detector.apply(Tick(clock.now), clock))

    def finish(self, clock: Clock) -> Iterator[Judged]:
        """Judge what still waits once nothing more can come; time stays where it is."""
        return self._release(_EVER, clock)

    def pieces(self, keys: Iterable[str] | None = None) -> Iterator[tuple[str, bytes | None]]:
        """The state as (key, JSON) pieces of at most 64 KiB, all of them or those of `keys`; None is a tombstone."""
        if keys is None:
            yield from self._detector.pieces()
            held = [f"{HELD}/{name}" for name in self._buffer.names()]
        else:
            of_buffer = {key: key.startswith(f"{HELD}/") for key in keys}
            yield from self._detector.pieces(key for key in of_buffer if not of_buffer[key])
            held = [key for key in of_buffer if of_buffer[key]]
        for key in held:
            yield key, self._buffer.read(key.partition("/")[2])

    @classmethod
    def restore(cls, settings: DetectorSettings, read: Read, pieces: Mapping[str, bytes]) -> Self:
        """The detector whose `pieces()` these are. Raises InvariantError naming a piece that does not fit."""
        held = {key: content for key, content in pieces.items() if key.startswith(f"{HELD}/")}
        restored = cls(settings, read)
        restored._buffer.restore({key.partition("/")[2]: content for key, content in held.items()})
        restored._detector = Detector.restore(
            settings, {key: content for key, content in pieces.items() if key not in held}
        )
        return restored

    def _release(self, before: datetime, clock: Clock) -> Iterator[Judged]:
        """Judge in order what waits and was published before that; time goes along with it, as far as `clock`."""
        while (first := self._buffer.first) is not None and first < before:
            then = clock if clock.now is None or clock.now <= first else clock.standing(first)
            yield Judged("step", self._detector.apply(Tick(first), then))
            yield self._let_go("released", then)

    def _let_go(self, fate: Fate, clock: Clock) -> Judged:
        held, keys = self._buffer.pop()
        judged = self._judge(fate, held, clock)
        return judged._replace(outcomes=judged.outcomes._replace(changed=judged.outcomes.changed | keys), held=held)

    def _is_near(self, record: Mention | WideRecord, clock: Clock) -> bool:
        return clock.now is not None and record.document.published_at < clock.now + self._ahead

    def _judge(self, fate: Fate, event: Mention | WideRecord | Unlabelled | Held, clock: Clock) -> Judged:
        try:
            event = self._read(event.original) if isinstance(event, Held) else event
            return Judged(fate, self._detector.apply(event, clock))
        except Exception as error:  # noqa: BLE001 - whatever it is, it costs one record; the caller says what is more
            return Judged(fate, error=error)


def _owner(record: Mention | WideRecord) -> str:
    """Whose stories a record counts in."""
    return record.company if isinstance(record, Mention) else WIDE


def _names(held: Held) -> list[str]:
    parts = range(0, len(held.original.decode()), _PART_CHARACTERS)
    return [f"{held.offset}/{number}" for number in range(len(parts))]


def _unpacked(packed: Any) -> tuple[datetime, str, str, Stages, str]:
    published_at, identity, owner, stages, text = packed
    return (
        datetime.fromisoformat(published_at),
        identity,
        owner,
        tuple((stage, at.encode("latin-1")) for stage, at in stages),
        text,
    )
