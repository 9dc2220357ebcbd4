"""The alerts of a running Tocsin, for programs: typed, only what was committed, each once, from wherever you left off.

    from streams.client import Alerts

    with Alerts(KafkaSettings(servers=("broker:9092",)), position=load()) as alerts:
        for alert in alerts:
            act_on(alert)
            save(alerts.position)

There are no threads: Kafka is asked while you iterate. A broker that goes away later is waited for.
"""

import logging
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import datetime, timedelta
from time import monotonic
from types import TracebackType
from typing import Any, Final, Self

from kafka import KafkaConsumer, TopicPartition

from processors.errors import ConfigurationError, PoisonError
from processors.messages import Alert
from streams.codec import decode
from streams.kafka_clients import broker_errors, lone_consumer
from streams.log_reader import bounds, partitions_of
from streams.service_settings import KafkaSettings
from streams.topics import Topics

_POLL_SECONDS: Final = 0.5
_AHEAD: Final = timedelta(days=1)
"""No alert says that it rang later than this after the broker received it, whatever clocks are set to."""

_REMEMBERED: Final = 100_000
"""Ids of alerts that are known again when they come twice."""

log = logging.getLogger(__name__)


class PositionError(ConfigurationError):
    """A position that is none, or one of another prefix."""


class Alerts:
    """An iterator over alerts, and a context manager; what comes in one partition comes in its order.

    Without more it gives what rings from now on. With `since` (aware) every alert that rang then or later, as its `at`
    says; with `incident` that incident's events only, from its first to its close, which ends the iteration; with
    `position`, what another reader's `position` said, everything after that. A record that is no alert, or one of a
    newer version, is told to `unreadable` (logged by default) and passed over.

    Entering raises ConfigurationError where there is no such topic or `position` is none, RetryableError where no broker
    answers.
    """

    def __init__(
        self,
        settings: KafkaSettings | None = None,
        *,
        since: datetime | None = None,
        incident: str | None = None,
        position: str | None = None,
        unreadable: Callable[[str], None] = log.warning,
    ) -> None:
        self._settings = settings or KafkaSettings()
        self._since, self._incident, self._position = since, incident, position
        self._unreadable = unreadable
        self._topic = Topics(self._settings).name("alerts")
        self._pending: deque[Any] = deque()
        self._seen: dict[str, None] = {}
        self._next: dict[int, int] = {}
        self._is_over = False

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.enter_context(broker_errors(self._settings, "reading the alerts"))
            self._consumer: KafkaConsumer = stack.enter_context(lone_consumer(self._settings))
            partitions = self._consumer.partitions_for_topic(self._topic)
            if not partitions:
                raise ConfigurationError(
                    f"there is no topic {self._topic}: set kafka.prefix, or run `tocsin topics create`"
                )
            self._places = partitions_of(self._topic, len(partitions))
            self._ends = {place: bounds(self._consumer, place)[1] for place in self._places}
            self._next = self._starts()
            self._consumer.assign(self._places)
            for place in self._places:
                self._consumer.seek(place, self._next[place.partition])
            self._closing = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.__exit__(kind, error, trace)

    @property
    def position(self) -> str:
        """Where the next alert is looked for, in one line of text: what was given so far lies before it."""
        return ",".join(f"{partition}:{offset}" for partition, offset in sorted(self._next.items()))

    def __iter__(self) -> Iterator[Alert]:
        return self

    def __next__(self) -> Alert:
        while not self._is_over:
            if alert := self.poll(_POLL_SECONDS):
                return alert
        raise StopIteration

    def poll(self, seconds: float) -> Alert | None:
        """The next alert, or None where none comes for so long."""
        until = monotonic() + seconds
        while not self._is_over:
            while self._pending:
                if alert := self._take(self._pending.popleft()):
                    return alert
            left = until - monotonic()
            if left <= 0:
                break
            self._fetch(left)
        return None

    def kept(self) -> list[Alert]:
        """What is there already, to the end as it was on entering, by time. Iterating goes on with what came since."""
        past = []
        later: list[Any] = []
        while not self._is_over:
            while self._pending:
                record = self._pending.popleft()
                if record.offset >= self._ends[TopicPartition(self._topic, record.partition)]:
                    later.append(record)
                elif alert := self._take(record):
                    past.append(alert)
            if all(self._consumer.position(place) >= end for place, end in self._ends.items()):
                break
            self._fetch(_POLL_SECONDS)
        self._pending.extend(later)
        return sorted(past, key=lambda alert: (alert.at, alert.incident, alert.sequence))

    def _fetch(self, seconds: float) -> None:
        with broker_errors(self._settings, "reading the alerts"):
            for records in self._consumer.poll(timeout_ms=max(1, int(1000 * seconds))).values():
                self._pending.extend(records)

    def _take(self, record: Any) -> Alert | None:
        """The alert that `record` is, if it is wanted; the position moves behind it."""
        self._next[record.partition] = record.offset + 1
        try:
            alert = decode(Alert, record.value or b"")
        except PoisonError as error:
            self._unreadable(
                f"{record.topic}, partition {record.partition}, offset {record.offset} is no alert: {error}"
            )
            return None
        if alert.id in self._seen:
            return None
        self._seen[alert.id] = None
        if len(self._seen) > _REMEMBERED:
            del self._seen[next(iter(self._seen))]
        if self._since is not None and alert.at < self._since:
            return None
        if self._incident is not None:
            if alert.incident != self._incident:
                return None
            self._is_over = alert.event == "close"
        return alert

    def _starts(self) -> dict[int, int]:
        """Where to begin in each partition."""
        if self._position is not None:
            return parsed(self._position, len(self._places))
        if self._since is not None:
            earliest = int((self._since - _AHEAD).timestamp() * 1000)
            found = self._consumer.offsets_for_times(dict.fromkeys(self._places, max(0, earliest)))
            return {
                place.partition: found[place].offset if found.get(place) else end for place, end in self._ends.items()
            }
        if self._incident is not None:
            return {place.partition: bounds(self._consumer, place)[0] for place in self._places}
        return {place.partition: end for place, end in self._ends.items()}


def parsed(position: str, partitions: int) -> dict[int, int]:
    """The offset by partition that a position stands for. Raises PositionError where it is none of this topic."""
    try:
        offsets = {int(partition): int(offset) for partition, offset in (p.split(":") for p in position.split(","))}
    except ValueError:
        offsets = {}
    if sorted(offsets) != list(range(partitions)) or min(offsets.values()) < 0:
        raise PositionError(
            f"{position[:80]!a} is no position in {partitions} partitions: give what `position` said, or `since`"
        )
    return offsets
