"""What deliver remembers: what waits for whom, which incidents rang which desk, which series are muted, how far it read.

It is a table of records by key, kept in a compacted topic. Every change is given as records to write, and holds once they
are written; the same records in any later process make the same book.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Final, NamedTuple

from processors.messages import SCHEMA_VERSION, Alert, Feedback, Origin
from streams.channels import AppriseChannel, Channel
from streams.codec import decode, encode
from streams.deliver.delivery import Delivery, delivery_id, digest_of
from streams.desks import Desk

_DELIVERY: Final = "delivery"
_THREAD: Final = "thread"
_MUTE: Final = "mute"
_POSITION: Final = "position"


class Change(NamedTuple):
    """One record to write: None deletes."""

    key: str
    value: bytes | None


@dataclass(frozen=True, slots=True)
class Thread:
    """An incident that rang a desk and is not over; `alert` rang it first."""

    desk: str
    incident: str
    alert: str
    schema: int = SCHEMA_VERSION


@dataclass(frozen=True, slots=True)
class Mute:
    """A series that people do not want to hear of for a while."""

    series: str
    until: datetime
    schema: int = SCHEMA_VERSION


@dataclass(frozen=True, slots=True)
class Position:
    """The offset of the next record to read of a partition."""

    offset: int
    schema: int = SCHEMA_VERSION


class Book:
    """The book over `desks` and `channels` as they are stated now. Instants are given, aware."""

    def __init__(self, desks: Mapping[str, Desk], channels: Mapping[str, Channel]) -> None:
        self._desks, self._channels = desks, channels
        self._deliveries: dict[str, Delivery] = {}
        self._threads: dict[tuple[str, str], Thread] = {}
        self._mutes: dict[str, Mute] = {}
        self._positions: dict[str, int] = {}

    @property
    def waiting(self) -> list[Delivery]:
        """What is to be sent now, in the order in which it was decided on."""
        found = [delivery for delivery in self._deliveries.values() if delivery.held_until is None]
        return sorted(found, key=lambda one: (one.since, one.origin.partition, one.origin.offset, one.id))

    @property
    def held(self) -> list[Delivery]:
        """What waits for a quiet to end."""
        return [delivery for delivery in self._deliveries.values() if delivery.held_until is not None]

    def apply(self, change: Change) -> None:
        """A record that is written holds. Raises PoisonError for one that is none of a book."""
        kind, _, name = change.key.partition("/")
        if kind == _DELIVERY and change.value is None:
            self._deliveries.pop(name, None)
        elif kind == _DELIVERY:
            self._deliveries[name] = decode(Delivery, change.value or b"")
        elif kind == _THREAD:
            desk, _, incident = name.partition("/")
            if change.value is None:
                self._threads.pop((desk, incident), None)
            else:
                self._threads[desk, incident] = decode(Thread, change.value)
        elif kind == _MUTE and change.value is None:
            self._mutes.pop(name, None)
        elif kind == _MUTE:
            self._mutes[name] = decode(Mute, change.value or b"")
        elif kind == _POSITION:
            self._positions[name] = decode(Position, change.value or b"").offset

    def position(self, topic: str, partition: int) -> int | None:
        """How far a partition was read; None where it never was."""
        return self._positions.get(f"{topic}/{partition}")

    def rang(self, alert: Alert, origin: Origin, now: datetime) -> Iterator[Change]:
        """What `alert` brings about: messages to each desk that it rings, or whose incident it goes on with."""
        for desk in self._desks.values():
            thread = self._threads.get((desk.name, alert.incident))
            is_first = thread is None
            if is_first and (alert.event == "close" or not desk.passes(alert)):
                continue
            if is_first and self._is_muted(alert.series, now):
                continue
            thread = thread or Thread(desk.name, alert.incident, alert.id)
            if alert.event == "close":
                yield Change(f"{_THREAD}/{desk.name}/{alert.incident}", None)
            elif is_first:
                yield Change(f"{_THREAD}/{desk.name}/{alert.incident}", encode(thread))
            held_until = desk.quiet_until(alert, now)
            for name in desk.channels:
                channel = self._channels[name]
                if is_first or self._tells(channel, alert, now):
                    yield put(
                        Delivery(
                            delivery_id(desk.name, name, alert.id),
                            desk.name,
                            name,
                            (alert,),
                            delivery_id(desk.name, name, thread.alert),
                            now,
                            origin,
                            held_until,
                        )
                    )

    def heard(self, feedback: Feedback) -> Iterator[Change]:
        """What people said changes what rings: a series is muted, or no longer."""
        if feedback.kind == "mute" and feedback.until is not None:
            yield Change(f"{_MUTE}/{feedback.series}", encode(Mute(feedback.series, feedback.until)))
        elif feedback.kind == "unmute" and feedback.series in self._mutes:
            yield Change(f"{_MUTE}/{feedback.series}", None)

    def fold(self, now: datetime) -> Iterator[Change]:
        """What was held back until now becomes one message a channel; mutes that are over are forgotten."""
        due = [one for one in self.held if one.held_until is not None and one.held_until <= now]
        place = [(one.desk, one.channel) for one in due]
        for _, pairs in groupby(sorted(zip(place, due, strict=True), key=_held_order), lambda pair: pair[0]):
            held = [delivery for _, delivery in pairs]
            message = digest_of(held, now)
            yield from (drop(one.id) for one in held if one.id != message.id)
            yield put(message)
        yield from (Change(f"{_MUTE}/{mute.series}", None) for mute in self._mutes.values() if mute.until <= now)

    def stranded(self) -> Iterator[Delivery]:
        """What waits for a channel that is not stated any more."""
        return (delivery for delivery in self._deliveries.values() if delivery.channel not in self._channels)

    def forgotten(self) -> Iterator[Change]:
        """Incidents of desks that are not stated any more are let go."""
        for desk, incident in self._threads:
            if desk not in self._desks:
                yield Change(f"{_THREAD}/{desk}/{incident}", None)

    def _tells(self, channel: Channel, alert: Alert, now: datetime) -> bool:
        """Whether a channel is told how an incident goes on."""
        if alert.event != "close" and self._is_muted(alert.series, now):
            return False
        if alert.continued_by is not None and isinstance(channel, AppriseChannel):
            return False  # the incident that goes on tells it
        return alert.event in channel.events

    def _is_muted(self, series: str, now: datetime) -> bool:
        mute = self._mutes.get(series)
        return mute is not None and mute.until > now


def put(delivery: Delivery) -> Change:
    """The record by which a delivery waits."""
    return Change(f"{_DELIVERY}/{delivery.id}", encode(delivery))


def drop(id: str) -> Change:
    """The record by which it does no longer."""
    return Change(f"{_DELIVERY}/{id}", None)


def read_to(topic: str, partition: int, offset: int) -> Change:
    """The record by which a partition is read up to `offset`."""
    return Change(f"{_POSITION}/{topic}/{partition}", encode(Position(offset)))


def applied(book: Book, changes: Sequence[Change]) -> list[Change]:
    """`changes`, which hold in `book` from now on."""
    for change in changes:
        book.apply(change)
    return list(changes)


def _held_order(pair: tuple[tuple[str, str], Delivery]) -> tuple[object, ...]:
    place, delivery = pair
    return place, delivery.alert.at, delivery.alert.incident, delivery.alert.sequence
