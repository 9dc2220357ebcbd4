"""`tocsin run deliver`: alarms to the desks that want them, on the channels that they name, until they have arrived.

One process works on a prefix, others stand by. What it decides on is written, with how far it read, in one transaction:
so an alert is decided on once, and a message that was sent but not struck out before a kill is sent again with its id.
"""

import logging
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Event
from typing import Any, Final

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from processors.errors import ConfigurationError, PoisonError
from processors.messages import Alert, Canary, DeadLetter, Feedback, Origin
from streams.codec import decode, encode
from streams.deadletters import dead_letter, refusal_of
from streams.deliver.book import Book, Change, applied, drop, put, read_to
from streams.deliver.delivery import CHANNEL_GONE, NO_CHANNEL, NOT_DELIVERED, UNDELIVERED, Delivery
from streams.deliver.postman import Outcome, Postman
from streams.deliver.sending import Speech
from streams.desk_file import DeskFile, read_desks
from streams.kafka_clients import broker_errors, lone_consumer, positions
from streams.lease import Lease
from streams.letters import REPLAYED_HEADER, original_of
from streams.log_reader import bounds, header_of, partitions_of, read_range
from streams.names import Names
from streams.services.deliver_metrics import DeliverMetrics
from streams.services.detect_transactions import Transactions
from streams.services.detect_watchdog import Watchdog
from streams.services.kafka_batches import Record
from streams.services.monitor import Monitor
from streams.services.resilience import waits
from streams.settings import Settings, load_master
from streams.topics import Topics
from streams.topics_admin import check_topics

_POLL_MS: Final = 200
_LOOK_SECONDS: Final = 5.0
"""Between two looks at the ends of the partitions."""

_WATCHDOG_SECONDS: Final = 60.0
_FIRST_WAIT: Final = 1.0
_STOP_SECONDS: Final = 9.0

_REASONS: Final = {"given-up": NOT_DELIVERED, "gone": CHANNEL_GONE}

log = logging.getLogger("tocsin.deliver")


def run(settings: Settings, monitor: Monitor, stop: Event) -> None:
    """Deliver until `stop` is set; see `runner.Service`. Raises ConfigurationError for desks that are not sound."""
    master = load_master(settings)
    if not settings.deliver.desks:
        raise ConfigurationError("nobody is to be told of alarms: set deliver.desks to a file of desks")
    stated = read_desks(Path(settings.deliver.desks), master)
    if not stated.desks:
        log.warning("%s states no desk, so nobody is told of alarms", settings.deliver.desks)
    check_topics(settings)
    speech = Speech(Names(master), settings.deliver.console, settings.deliver.timeout)
    with broker_errors(settings.kafka, "delivering"), Lease(settings, "deliver") as lease:
        if lease.stand_by(stop, monitor.progress.made):
            watchdog = Watchdog(_WATCHDOG_SECONDS)
            watchdog.start()
            try:
                Worker(settings, monitor, stated, speech, watchdog, lease).run(stop)
            finally:
                watchdog.stop()


class Worker:
    """The one process that works."""

    def __init__(
        self, settings: Settings, monitor: Monitor, stated: DeskFile, speech: Speech, watchdog: Watchdog, lease: Lease
    ) -> None:
        self._settings = settings
        self._progress = monitor.progress
        self._watchdog = watchdog
        self._lease = lease
        topics = self._topics = Topics(settings.kafka)
        self._group = topics.group("deliver")
        self._alerts, self._letters = topics.name("alerts"), topics.name("deadletters")
        self._feedback, self._canary = topics.name("feedback"), topics.name("canary")
        self._read = [
            *partitions_of(self._alerts, topics.wide_output + 1),
            TopicPartition(self._letters, 0),
            TopicPartition(self._feedback, 0),
        ]
        self._book = Book(stated.desks, stated.channels)
        self._outcomes: SimpleQueue[Outcome] = SimpleQueue()
        first = replace(
            settings.services, retry_first=_FIRST_WAIT, retry_longest=max(settings.deliver.retry_longest, _FIRST_WAIT)
        )
        patience = timedelta(hours=settings.deliver.give_up_hours)
        self._postmen = {
            name: Postman(channel, speech, patience, partial(waits, first), self._outcomes)
            for name, channel in stated.channels.items()
        }
        self._metrics = DeliverMetrics(monitor.registry, self._postmen.values())

    def run(self, stop: Event) -> None:
        """Take over, then read, decide and send until `stop`; what is in hand is finished then."""
        with ExitStack() as stack:
            self._consumer: KafkaConsumer = stack.enter_context(lone_consumer(self._settings.kafka))
            self._take_over()
            stack.callback(self._transactions.close)
            looked = time.monotonic()
            while not stop.is_set():
                self._take(self._consumer.poll(timeout_ms=_POLL_MS))
                self._strike()
                self._fold()
                self._lease.keep()
                if time.monotonic() - looked > _LOOK_SECONDS:
                    self._look()
                    looked = time.monotonic()
                self._watchdog.beat()
            until = time.monotonic() + _STOP_SECONDS
            for postman in self._postmen.values():
                postman.end(0)
            for postman in self._postmen.values():
                postman.end(max(0.0, until - time.monotonic()))
            self._strike()

    def _take_over(self) -> None:
        """Begin where the former process ended, however it did."""
        # 1. Fence: what it has open is resolved, and it can decide nothing more.
        self._transactions = Transactions(self._settings.kafka, self._group)
        # 2. The book as it was written.
        place = TopicPartition(self._topics.name("deliveries"), 0)
        for record in read_range(self._consumer, place, *bounds(self._consumer, place)):
            self._watchdog.beat()
            self._book.apply(Change(record.key.decode("utf-8", "surrogatepass"), record.value))
        # 3. Go on behind what was decided on. A first start begins with what rings from now on; what is muted, is.
        starts = {}
        for place in self._read:
            begin, end = bounds(self._consumer, place)
            position = self._book.position(place.topic, place.partition)
            if position is not None:
                starts[place] = max(begin, position)
            else:
                starts[place] = begin if place.topic == self._feedback else end
        canary = TopicPartition(self._canary, 0)
        begin, end = bounds(self._consumer, canary)
        self._consumer.assign([*self._read, canary])
        self._consumer.seek(canary, max(begin, end - 1))
        for place, offset in starts.items():
            self._consumer.seek(place, offset)
        # 4. Write where that is, and give up what waits for a channel that is not stated any more.
        changes = applied(self._book, [read_to(place.topic, place.partition, at) for place, at in starts.items()])
        changes += applied(self._book, list(self._book.forgotten()))
        self._end(
            changes, [(one, NO_CHANNEL, f"there is no channel {one.channel}") for one in self._book.stranded()], starts
        )
        # 5. Send what waits.
        self._hand_over(self._book.waiting)

    def _take(self, polled: dict[TopicPartition, list[Any]]) -> None:
        """The commit path: ended at any step, nothing is lost, and what is sent again has the id that it had."""
        changes: list[Change] = []
        letters: list[DeadLetter] = []
        ends: dict[TopicPartition, int] = {}
        # 1. Decide what each record brings about. Only in memory: a kill forgets it, and the records are read again.
        for place, records in polled.items():
            for record in records:
                try:
                    changes += applied(self._book, list(self._decide(record)))
                except Exception as error:  # noqa: BLE001 - whatever it is, it costs one record
                    letters += self._refusal(record, error)
            if place.topic != self._canary:
                ends[place] = records[-1].offset + 1
        if not ends:
            return
        changes += applied(self._book, [read_to(place.topic, place.partition, at) for place, at in ends.items()])
        # 2. Make it true: messages, threads, mutes and how far was read, all at once or not at all. Where another process
        #    has taken over, this one is fenced: it ends, and has decided nothing.
        self._commit(changes, letters, ends)
        # 3. Only now is anything sent.
        self._hand_over(decode(Delivery, change.value or b"") for change in changes if _is_message(change))
        # 4. What a channel has taken is struck out when it has answered (`_strike`).

    def _decide(self, record: Any) -> Iterator[Change]:
        """What one record brings about."""
        now = datetime.now(UTC)
        value = record.value or b""
        if record.topic == self._alerts:
            origin = Origin(record.topic, record.partition, record.offset)
            yield from self._book.rang(decode(Alert, value), origin, now)
        elif record.topic == self._feedback:
            yield from self._book.heard(decode(Feedback, value))
        elif record.topic == self._canary:
            self._metrics.canary(decode(Canary, value).published_at)
        elif header_of(record, REPLAYED_HEADER) is not None:
            letter = decode(DeadLetter, value)
            if letter.reason in UNDELIVERED:
                delivery = decode(Delivery, original_of(letter))
                if postman := self._postmen.get(delivery.channel):
                    postman.reopen()
                yield put(replace(delivery, since=now, held_until=None))

    def _refusal(self, record: Any, error: Exception) -> list[DeadLetter]:
        """The dead letter of a record that cannot be read; index tells of dead letters that are none."""
        refused = refusal_of(error)
        log.warning("%s/%d/%d rings nobody: %s", record.topic, record.partition, record.offset, refused)
        if record.topic != self._alerts:
            return []
        return [
            dead_letter("deliver", refused, Origin(record.topic, record.partition, record.offset), record.value or b"")
        ]

    def _strike(self) -> None:
        """Strike out what channels have answered for; what did not arrive becomes a dead letter in the same breath."""
        done: list[Outcome] = []
        while True:
            try:
                done.append(self._outcomes.get_nowait())
            except Empty:
                break
        if not done:
            return
        failed = [(one.delivery, _REASONS[one.fate], one.why) for one in done if one.fate != "sent"]
        self._end(applied(self._book, [drop(one.delivery.id) for one in done if one.fate == "sent"]), failed, {})
        for outcome in done:
            self._metrics.done(outcome)

    def _end(
        self, changes: list[Change], failed: Sequence[tuple[Delivery, str, str]], ends: dict[TopicPartition, int]
    ) -> None:
        """Write `changes`, and of what failed, with reason and words, the dead letters."""
        letters = []
        for delivery, reason, why in failed:
            log.warning("a message of %s to %s is given up: %s", delivery.desk, delivery.channel, why)
            told = PoisonError(reason, f"{delivery.channel}, for {delivery.desk}: {why}")
            letters.append(dead_letter("deliver", told, delivery.origin, encode(delivery)))
            changes += applied(self._book, [drop(delivery.id)])
        self._commit(changes, letters, ends)

    def _fold(self) -> None:
        """What quiet hours held back is sent when they end."""
        changes = applied(self._book, list(self._book.fold(datetime.now(UTC))))
        if changes:
            self._commit(changes, [], {})
            self._hand_over(decode(Delivery, change.value or b"") for change in changes if _is_message(change))
        self._metrics.held(len(self._book.held))

    def _commit(
        self, changes: Sequence[Change], letters: Sequence[DeadLetter], ends: dict[TopicPartition, int]
    ) -> None:
        book = self._topics.name("deliveries")
        records = [Record(book, 0, change.key.encode("utf-8", "surrogatepass"), change.value, ()) for change in changes]
        records += [Record(self._letters, 0, letter.id.encode(), encode(letter), ()) for letter in letters]
        if records:
            offsets = {(place.topic, place.partition): offset for place, offset in ends.items()}
            self._transactions.commit(records, offsets, self._group)
        for letter in letters:
            self._metrics.dead(letter.reason)

    def _hand_over(self, deliveries: Iterable[Delivery]) -> None:
        """Let the channels send what is to be sent now."""
        for delivery in deliveries:
            if delivery.held_until is not None:
                continue
            if postman := self._postmen.get(delivery.channel):
                postman.put(delivery)
            else:
                why = f"there is no channel {delivery.channel}"
                self._end([], [(delivery, NO_CHANNEL, why)], {})

    def _look(self) -> None:
        """How much waits; and whether nothing comes because there is nothing, or because no broker answers."""
        try:
            ends = self._consumer.end_offsets(self._read, timeout_ms=10 * _POLL_MS)
            read = positions(self._consumer, ends, 10 * _POLL_MS)
        except KafkaError:
            self._progress.waits_for(f"Kafka at {', '.join(self._settings.kafka.servers)}")
            return
        for place, end in ends.items():
            self._metrics.lag(place, end - read[place])
        self._progress.made()


def _is_message(change: Change) -> bool:
    """Whether a change is a message that begins to wait."""
    return change.value is not None and change.key.startswith("delivery/")
