"""The detector of one partition of the log, as `tocsin run detect` and `tocsin replay --mentions` use it alike.

The records of ``mentions/p`` or of ``wide/0`` go in by rising offset; what each brings about comes out. Equal records
give equal outcomes and equal state, whatever batches they come in and wherever state was restored in between. That is
why state need not be saved as often as something is published: what came after it is applied again. Documents that run
ahead of the clock wait for it (`processors.reordering`): what a record brings about may come with a later tick.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import chain
from typing import Final, Literal, NamedTuple, Self
from zlib import crc32

from processors.clock import Clock
from processors.detection import DetectorSettings
from processors.detector import Detector
from processors.errors import ConfigurationError, InvariantError, PoisonError
from processors.messages import Alert, Canary, DeadLetter, Mention, Origin, SeriesPoint, Tick, Unlabelled, WideRecord
from processors.reordering import EventTimeDetector, Fate, Held, Judged, Read, Stages
from processors.state import is_former
from streams.applied import APPLIED, PUBLISHED, STATE_VERSION, Adoption, Applied, Inventory, Published, hash_of
from streams.codec import decode, encode
from streams.deadletters import dead_letter, refusal_of
from streams.topics import CANARY, TICK, UNLABELLED

LogName = Literal["mentions", "wide"]
Outcome = Fate | Literal["canary", "unlabelled", "dead-letter"]

FORMER_BYTES: Final = 8 * 2**20
"""Of pieces of the version before, about so many are written anew with a saving: it is one transaction, which has to end
in seconds."""

STATE_MENDED_BY: Final = "`tocsin run detect --rebuild` builds it again from the log"


class LogRecord(NamedTuple):
    """One record of the log; `type` is that of its header, None for an ordinary message; `stages` when its document
    reached each stage, as far as its headers tell."""

    offset: int
    type: bytes | None
    value: bytes | None
    stages: Stages = ()


class Effects(NamedTuple):
    """What became of one record, and what that brought about. `changed` names the pieces of state that changed; `source` is
    that of the document, where one came; `stages` are those of the document that was judged."""

    outcome: Outcome
    alerts: tuple[Alert, ...] = ()
    points: tuple[SeriesPoint, ...] = ()
    dead_letter: DeadLetter | None = None
    canary: Canary | None = None
    changed: frozenset[str] = frozenset()
    source: str | None = None
    stages: Stages = ()


class Message(NamedTuple):
    """One record to publish; `alert` is what the value says, where it is one."""

    topic: Literal["alerts", "series", "deadletters", "canary"]
    key: str
    value: bytes
    alert: Alert | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """One partition of the log. `topic` is its full name, as dead letters tell it."""

    log: LogName
    partition: int
    topic: str

    def __str__(self) -> str:
        return f"{self.log}/{self.partition}"


class PartitionDetector:
    """A detector with its clock and its account of what is applied."""

    def __init__(
        self, place: Place, detector: EventTimeDetector, applied: Applied, clock: Clock, inventory: Inventory
    ) -> None:
        self.place = place
        self._detector = detector
        self._applied = applied
        self._clock = clock
        self._inventory = inventory
        self._offset = applied.offset
        self._missing = applied.missing
        self._open = Counter(applied.open)
        self._told = 0
        self._steps = applied.steps
        self._resumed: _Resumed | None = None
        self._changed: set[str] = set()
        self._former: list[str] = []  # pieces that are yet to be written in this release's form

    @classmethod
    def begin(
        cls,
        place: Place,
        settings: DetectorSettings,
        origins: frozenset[str],
        *,
        offset: int = 0,
        silent_below: int = 0,
    ) -> Self:
        """A detector that knows nothing before `offset`. Nothing is told of records before `silent_below`."""
        applied = Applied(offset, offset, silent_below, (Adoption.of(settings, offset),))
        detector = EventTimeDetector(settings, reader_of(place.log))
        return cls(place, detector, applied, Clock(origins), Inventory())

    @classmethod
    def restore(
        cls, place: Place, settings: DetectorSettings, origins: frozenset[str], pieces: Mapping[str, bytes]
    ) -> Self:
        """The detector as it was when it saved these, ``_applied`` among them. Settings other than those it was
        saved with are adopted from there on.

        Raises InvariantError where the pieces are not all there, or not as they were saved.
        """
        applied = applied_of(pieces)
        kept = {key: content for key, content in pieces.items() if key not in (APPLIED, PUBLISHED)}
        inventory = Inventory(kept)
        if (len(inventory), inventory.checksum) != (applied.pieces, applied.checksum):
            raise InvariantError(
                f"state of {len(inventory)} pieces with checksum {inventory.checksum:08x} was read, "
                f"{applied.pieces} with {applied.checksum:08x} were written: some are missing, stale or damaged"
            )
        if not applied.heard.keys() <= origins:
            unknown = ", ".join(sorted(applied.heard.keys() - origins))
            raise ConfigurationError(
                f"{place} has heard ticks of {unknown}, which kafka.news_partitions and kafka.social_partitions do not "
                "allow for: they are fixed for the life of a prefix"
            )
        clock = Clock(origins, tuple(sorted(applied.heard.items())), applied.silent_until)
        detector = EventTimeDetector.restore(settings, reader_of(place.log), kept)
        restored = cls(place, detector, applied, clock, inventory)
        restored._former = [key for key, content in kept.items() if is_former(key, content)]
        restored._note(settings)
        return restored

    def catch_up(
        self, records: Iterable[LogRecord], published: Published, beat: Callable[[], None] = lambda: None
    ) -> None:
        """Apply again, telling nothing, the records after the state was saved up to where all is `published`; `beat` is told
        of every step. Of the record there, what is published already is not told again when it is applied.

        Raises InvariantError, at the latest when that record is applied, where they do not give what was published then.
        """
        for record in records:
            for effects in self.apply(record):
                self.publish(effects)
                beat()
        reached = self.published
        if published.steps and replace(reached, told=published.told, steps=published.steps) == published:
            self._resumed = _Resumed(self._steps, self._told, published)
            self._steps = published.steps
        elif reached != published:
            raise _contradiction(reached, published)

    def adopt(self, settings: DetectorSettings) -> None:
        """Go on by other settings, exactly as after a `restore` with them."""
        if hash_of(settings) == self._applied.adopted.hash:
            return
        pieces = {key: content for key, content in self._detector.pieces() if content is not None}
        self._detector = EventTimeDetector.restore(settings, reader_of(self.place.log), pieces)
        self._note(settings)

    @property
    def offset(self) -> int:
        """That of the next record."""
        return self._offset

    @property
    def published(self) -> Published:
        """How far all is published, once what was applied is: to be written with it."""
        return Published(self._offset, self._missing, self._told, self._steps)

    @property
    def is_amid(self) -> bool:
        """Whether the next record is published in part."""
        return self._steps > 0

    @property
    def unsaved(self) -> int:
        """How many offsets the state that was last saved is behind."""
        return self._offset - self._applied.offset

    @property
    def open_incidents(self) -> Mapping[str, int]:
        """How many incidents are open, by kind."""
        return self._open

    @property
    def series(self) -> int:
        """How many series there were when the state was last saved."""
        return self._inventory.kinds["series"]

    @property
    def clock(self) -> datetime | None:
        """Where time stands; None before every origin has ticked."""
        return self._clock.now

    @property
    def detector(self) -> Detector:
        """Who judges, as it stands between two effects; for looking only."""
        return self._detector.detector

    @property
    def missing(self) -> int:
        """How many records were not in the log."""
        return self._missing

    @property
    def former(self) -> int:
        """Pieces of state that are yet to be written in this release's form: before the next release none may be left."""
        return len(self._former)

    @property
    def waiting(self) -> int:
        """How many records wait until the clock gets there."""
        return self._detector.waiting

    def apply(self, record: LogRecord) -> Iterator[Effects]:
        """Apply the record at `offset` or, behind a hole in the log, a later one, step by step: it is applied once all of
        its effects were taken.

        A tick lets go of what waited for it, in steps of its own. A record that cannot be processed becomes a dead letter
        and changes nothing, also if it has waited. Raises InvariantError for an offset that was applied before, and
        whatever else makes going on wrong.
        """
        if record.offset < self._offset:
            raise InvariantError(f"{self.place} is applied up to offset {self._offset}: {record.offset} came again")
        resumed, known, count = self._resumed, self._steps, 0
        for count, effects in enumerate(self._process(record), start=1):
            self._changed |= effects.changed
            for alert in effects.alerts:
                self._open[alert.kind] += {"open": 1, "close": -1}.get(alert.event, 0)
            if count <= known and resumed is not None:
                resumed.check(count, self._messages(effects))
            if count <= known or record.offset < self._applied.silent_below:
                effects = Effects(effects.outcome, changed=effects.changed, source=effects.source)
            self._steps = max(count, known)
            yield effects
        if count < known:
            raise InvariantError(
                f"{self.place}: the record at {record.offset} has {count} effects, {known} are published"
            )
        self._resumed, self._steps = None, 0
        self._missing += record.offset - self._offset
        self._offset = record.offset + 1

    def publish(self, effects: Effects) -> list[Message]:
        """What is to be published of effects, to be asked in their order."""
        messages = self._messages(effects)
        self._told = _checksum(messages, self._told)
        return messages

    def _messages(self, effects: Effects) -> list[Message]:
        messages = [Message("alerts", alert.incident, encode(alert), alert) for alert in effects.alerts]
        messages += [Message("series", point.series, encode(point)) for point in effects.points]
        if effects.dead_letter is not None:
            messages.append(Message("deadletters", effects.dead_letter.id, encode(effects.dead_letter)))
        if effects.canary is not None:
            messages.append(Message("canary", "canary", encode(effects.canary)))
        return messages

    def save(self) -> Iterator[tuple[str, bytes | None]]:
        """The state that changed since it was saved last, as records to write together: ``_applied`` and ``_published``
        last; None deletes. Some of the pieces in the form of the version before are written in this one's beside, though
        nothing changed them: the next release will read that and no earlier one."""
        for key, content in chain(self._detector.pieces(self._changed), self._anew()):
            if self._inventory.put(key, content):
                yield key, content
        self._changed.clear()
        self._told = 0
        self._applied = replace(
            self._applied,
            offset=self._offset,
            heard=dict(self._clock.heard),
            silent_until=self._clock.silent_until,
            open={kind: count for kind, count in self._open.items() if count},
            missing=self._missing,
            steps=self._steps,
            pieces=len(self._inventory),
            checksum=self._inventory.checksum,
            state_version=STATE_VERSION,
        )
        yield APPLIED, self._applied.encode()
        yield PUBLISHED, self.published.encode()

    def _anew(self) -> Iterator[tuple[str, bytes | None]]:
        """Some of the pieces in the form of the version before, in this one's."""
        size = 0
        while self._former and size < FORMER_BYTES:
            for key, content in self._detector.pieces([self._former.pop()]):
                size += len(content or b"")
                yield key, content

    def _note(self, settings: DetectorSettings) -> None:
        """Notes that `settings` are in force from the next record on, if they were not."""
        adoption = Adoption.of(settings, self._offset)
        if adoption.hash != self._applied.adopted.hash:
            earlier = tuple(former for former in self._applied.adoptions if former.offset < self._offset)
            self._applied = replace(self._applied, adoptions=(*earlier, adoption))

    def _process(self, record: LogRecord) -> Iterator[Effects]:
        try:
            yield from self._understood(record, Held(record.offset, record.value or b"", record.stages))
        except Exception as error:  # noqa: BLE001 - whatever it is, it costs one record
            yield self._refused(record.offset, record.value or b"", error)

    def _understood(self, record: LogRecord, held: Held) -> Iterator[Effects]:
        if record.type is None:
            event = reader_of(self.place.log)(held.original)
            for judged in self._detector.take(event, self._clock, lambda: held):
                yield self._effects(judged, held)._replace(source=event.document.source)
        elif record.type == TICK:
            yield from self._tick(decode(Tick, held.original), held)
        elif record.type == CANARY:
            yield Effects("canary", canary=decode(Canary, held.original))
        elif record.type == UNLABELLED:
            for judged in self._detector.take(decode(Unlabelled, held.original), self._clock, lambda: held):
                effects = self._effects(judged, held)
                yield effects if effects.dead_letter else effects._replace(outcome="unlabelled")
        else:
            raise PoisonError("unknown-type", f"record of type {record.type!a}: known are tick, canary and unlabelled")

    def _tick(self, tick: Tick, held: Held) -> Iterator[Effects]:
        if tick.origin not in self._clock.origins:
            raise PoisonError(
                "unknown-origin",
                f"tick of {tick.origin!a}, which is no partition of the inputs: known are "
                f"{', '.join(sorted(self._clock.origins))}",
            )
        clock = self._clock.advance(tick.origin, tick.at, tick.silent_until)
        for judged in self._detector.advance(clock):
            yield self._effects(judged, held)
        self._clock = clock

    def _effects(self, judged: Judged, present: Held) -> Effects:
        """The effects of what was judged: of a record that had waited, or of the `present` one."""
        outcomes, record = judged.outcomes, judged.held or present
        if judged.error is not None:
            return self._refused(record.offset, record.original, judged.error)._replace(changed=outcomes.changed)
        return Effects(judged.fate, outcomes.alerts, outcomes.points, changed=outcomes.changed, stages=record.stages)

    def _refused(self, offset: int, original: bytes, error: Exception) -> Effects:
        origin = Origin(self.place.topic, self.place.partition, offset)
        return Effects("dead-letter", dead_letter=dead_letter("detect", refusal_of(error), origin, original))


@dataclass
class _Resumed:
    """A record that was published in part by an earlier process: of its effects, those after `first` were `published` since
    the state was saved, behind others with the checksum `told`."""

    first: int
    told: int
    published: Published

    def check(self, count: int, messages: Iterable[Message]) -> None:
        """Raises InvariantError where the effects up to `count` are not those that were published."""
        if count > self.first:
            self.told = _checksum(messages, self.told)
        if count == self.published.steps and self.told != self.published.told:
            raise _contradiction(replace(self.published, told=self.told), self.published)


def _checksum(messages: Iterable[Message], told: int) -> int:
    """The checksum over the alerts and points among `messages` after those with the checksum `told`."""
    for message in messages:
        if message.topic in ("alerts", "series"):
            told = crc32(message.value, told)
    return told


def _contradiction(reached: Published, published: Published) -> InvariantError:
    return InvariantError(
        f"the log applied again gives {reached}, but {published} was written: another release judged it, or records are "
        "missing"
    )


def reader_of(log: LogName) -> Read:
    """Reads the ordinary messages of a log."""
    return _mention if log == "mentions" else _wide


def _mention(raw: bytes) -> Mention:
    return decode(Mention, raw)


def _wide(raw: bytes) -> WideRecord:
    return decode(WideRecord, raw)


def applied_of(pieces: Mapping[str, bytes]) -> Applied:
    """What a partition's state says it has applied. Raises InvariantError where that is damaged or another version's."""
    try:
        return Applied.decode(pieces[APPLIED])
    except PoisonError as error:
        raise InvariantError(f"its record {APPLIED} cannot be read: {error}") from None


def published_of(pieces: Mapping[str, bytes]) -> Published:
    """How far a partition's state says all is published. Raises InvariantError where that is damaged, missing or
    contradicts the state."""
    applied = applied_of(pieces)
    if applied.state_version == 1:
        return Published(applied.offset, applied.missing)
    try:
        published = Published.decode(pieces[PUBLISHED])
    except (KeyError, PoisonError) as error:
        raise InvariantError(f"its record {PUBLISHED} cannot be read: {error!r}") from None
    if published.offset < applied.offset:
        raise InvariantError(f"its state is applied up to offset {applied.offset}, but published to {published.offset}")
    return published
