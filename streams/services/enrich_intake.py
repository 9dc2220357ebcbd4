"""How enrich reads: each record in its place, none skipped, each judged by the time of its own partition.

A position is where the next record of a partition has to be. Faust has lost its place before (a commit that ran ahead
when partitions moved), so every step is looked at: what is not there must not be there in the log either.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

from processors.enrichment import Enricher, Prepared
from processors.errors import InvariantError, PoisonError
from processors.messages import Kind, Origin, Tick
from streams.codec import decode, decode_document
from streams.deadletters import refusal_of
from streams.services.enrich_records import Reading
from streams.topics import TICK, TYPE_HEADER

Place = tuple[str, int]
"""Topic and partition."""

_LOG = logging.getLogger("tocsin")


class Message(Protocol):
    """A record as Faust hands it on; `timestamp` is the broker's append time in seconds."""

    @property
    def topic(self) -> str: ...
    @property
    def partition(self) -> int: ...
    @property
    def offset(self) -> int: ...
    @property
    def timestamp(self) -> float: ...
    @property
    def headers(self) -> Sequence[tuple[str, bytes]] | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def generation_id(self) -> int: ...


class Log(Protocol):
    """What the broker knows about an input partition."""

    async def committed(self, place: Place) -> int | None:
        """Where the group has to begin; None where it never was."""
        ...

    async def first(self, place: Place, offset: int) -> int:
        """The offset of the first record at or after `offset`, which exists."""
        ...

    async def last_tick(self, place: Place, before: int) -> datetime | None:
        """The time of the last tick before that offset, as far back as is worth looking."""
        ...


@dataclass(slots=True)
class Position:
    """Where a partition is read: by which generation of the group, the next offset, and the time so far."""

    generation: int
    next: int
    now: datetime | None


class Intake:
    """Reads the messages of the input topics, whose kinds are given by name. `hole` hears how many offsets of a
    partition are not in the log."""

    def __init__(
        self,
        kinds: Mapping[str, Kind],
        log: Log,
        enricher: Enricher,
        future_tolerance: timedelta,
        hole: Callable[[Place, int], None],
    ) -> None:
        self._kinds, self._log, self._enricher = kinds, log, enricher
        self._tolerance, self._hole = future_tolerance, hole
        self._positions: dict[Place, Position] = {}

    async def read(self, message: Message) -> Reading:
        """What `message` is. Raises InvariantError where records before it were skipped that are in the log."""
        place = message.topic, message.partition
        position = self._positions.get(place)
        if position is None or (position.generation, position.next) != (message.generation_id, message.offset):
            position = self._positions[place] = await self._resumed(place, message, position)
        position.next = message.offset + 1
        found = self._found(message, position.now)
        if isinstance(found, Tick):
            position.now = found.at
        return Reading(
            origin=Origin(message.topic, message.partition, message.offset),
            kind=self._kinds[message.topic],
            original=message.value or b"",
            received=round(message.timestamp * 1000),
            found=found,
        )

    def next_offset(self, place: Place) -> int | None:
        """Where the next record of a partition has to be; None where none was read."""
        position = self._positions.get(place)
        return position.next if position else None

    async def _resumed(self, place: Place, message: Message, position: Position | None) -> Position:
        """The position at `message`, which does not simply follow the one before."""
        known = position.next if position else None
        here = position is not None and position.generation == message.generation_id
        begin = known if here else await self._log.committed(place)
        expected = begin or 0
        if message.offset > expected:
            first = await self._log.first(place, expected)
            if first < message.offset:
                raise InvariantError(
                    f"{place[0]}/{place[1]}: offset {message.offset} came where {expected} was due, and the log has "
                    f"{first}: records were skipped; starting again reads them"
                )
            if begin is not None:  # otherwise the log is older than the group, and has forgotten its beginning
                _LOG.warning("%s/%d: the log has nothing from %d to %d", *place, expected, message.offset - 1)
                self._hole(place, message.offset - expected)
        now = position.now if position and known == message.offset else await self._log.last_tick(place, message.offset)
        return Position(message.generation_id, message.offset, now)

    def _found(self, message: Message, now: datetime | None) -> Prepared | Tick | PoisonError:
        try:
            return self._understood(message, now)
        except Exception as error:  # noqa: BLE001 - whatever it is, it costs one record
            return refusal_of(error)

    def _understood(self, message: Message, now: datetime | None) -> Prepared | Tick:
        received = datetime.fromtimestamp(message.timestamp, UTC)
        value = message.value or b""
        kind_of_record = dict(message.headers or ()).get(TYPE_HEADER)
        if kind_of_record is None:
            document = decode_document(
                value, self._kinds[message.topic], now=received, future_tolerance=self._tolerance
            )
            return self._enricher.prepare(document, now)
        if kind_of_record != TICK:
            raise PoisonError(
                "unknown-type", f"the header {TYPE_HEADER} says {kind_of_record!r}: leave it out for a document"
            )
        tick = decode(Tick, value)
        if tick.at > received + self._tolerance:
            raise PoisonError("future-timestamp", f"a tick of {tick.at} lies ahead of the present: check its clock")
        return tick
