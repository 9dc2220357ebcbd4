"""One process at a time: whoever does the work is the member of a consumer group, and the broker knows whether it lives.

The broker forgets a member that was killed after its session. Of members the earliest gets the group's one partition. One
that was frozen for longer than its session learns that it was given up before it goes on.
"""

from collections.abc import Callable, Collection
from threading import Event
from time import monotonic, time_ns
from typing import Final, Self

from kafka import ConsumerRebalanceListener, KafkaConsumer, TopicPartition

from processors.errors import RetryableError
from streams.kafka_clients import broker_errors, consumer
from streams.services.dealer import Dealer
from streams.settings import Settings
from streams.topics import Topics

SESSION_SECONDS: Final = 6
"""After that much silence the broker gives a member up; it takes no less unless told to."""

ANSWER_SECONDS: Final = 60.0
_STAND_BY_MS: Final = 500
_WEEK_MS: Final = 7 * 86_400_000
"""A member that waits for something else asks for nothing, and is none the worse for it."""


class Lease:
    """Membership of the group of `role` on the prefix of `settings`, from entering to leaving the context.

    Entering joins, in which Kafka may take a while. Raises RetryableError where it fails.
    """

    def __init__(self, settings: Settings, role: str) -> None:
        self._settings, self._role = settings, role
        self._place = TopicPartition(Topics(settings.kafka).name("canary"), 0)
        self._membership = _Membership()
        self.client = f"{role}-{time_ns()}"
        """By which the broker tells it from others; the first by name is dealt the partition."""

    def __enter__(self) -> Self:
        self._consumer: KafkaConsumer = consumer(
            self._settings.kafka,
            group=Topics(self._settings.kafka).group(self._role),
            client_id=self.client,  # members' names begin with it
            session_timeout_ms=1000 * SESSION_SECONDS,
            heartbeat_interval_ms=1000 * SESSION_SECONDS // 3,
            max_poll_interval_ms=_WEEK_MS,
            partition_assignment_strategy=(Dealer([self._place]),),
            metrics_enabled=False,
        )
        try:
            with broker_errors(self._settings.kafka, f"looking whether another {self._role} runs"):
                self._join()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._consumer.close(autocommit=False, timeout_ms=5_000)

    @property
    def held(self) -> bool:
        """Whether this member is the one that works."""
        return self._membership.joined and bool(self._consumer.assignment())

    @property
    def loss(self) -> RetryableError:
        """What to end with where this member cannot be sure any more that it is the one that works."""
        return RetryableError(
            f"this {self._role} was silent for so long that Kafka gave it up, and another may have begun: the next start stands by"
        )

    def stand_by(self, stop: Event, each: Callable[[], None]) -> bool:
        """Wait until this member is the one that works; `each` is called meanwhile. False where `stop` was set first.

        Raises RetryableError as `keep` does.
        """
        while not self.held and not stop.is_set():
            self.keep(timeout_ms=_STAND_BY_MS)
            each()
        return not stop.is_set()

    def keep(self, timeout_ms: int = 0) -> None:
        """As `stays`; raises RetryableError where the broker has given this member up."""
        if not self.stays(timeout_ms):
            raise self.loss

    def stays(self, timeout_ms: int = 0) -> bool:
        """Answer to the broker; call it now and then. Whether this member still is one, or was given up meanwhile."""
        with broker_errors(self._settings.kafka, f"staying the one {self._role}"):
            self._poll(timeout_ms)
            # Where another came or went the group is joined anew, which polls that do not wait would never complete.
            while not (self._membership.joined or self._membership.lost):
                self._poll(500)
        return not self._membership.lost

    def _join(self) -> None:
        self._consumer.subscribe([self._place.topic], listener=self._membership)
        until = monotonic() + ANSWER_SECONDS
        while not self._membership.joined:
            if monotonic() > until:
                raise RetryableError(f"Kafka has not let this {self._role} begin for {ANSWER_SECONDS:.0f} s: try again")
            self._poll(500)

    def _poll(self, timeout_ms: int) -> None:
        self._consumer.poll(timeout_ms=timeout_ms)


class _Membership(ConsumerRebalanceListener):  # type: ignore[misc]
    """Whether the group was joined, and whether it was lost. It is told while the consumer polls."""

    def __init__(self) -> None:
        self.joined = self.lost = False

    def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        """They are dealt out anew, and come back to whoever began first."""
        self.joined = False

    def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        """This member is one of the group."""
        self.joined = True

    def on_partitions_lost(self, lost: Collection[TopicPartition]) -> None:
        """The broker had given this member up."""
        self.joined, self.lost = False, True
