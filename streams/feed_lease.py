"""One feed a prefix at a time: whoever feeds is the member of a consumer group, and the broker knows whether it lives.

The broker forgets a member that was killed after its session. Of feeds that begin at the same moment the earliest gets
the group's one partition. A feed that was frozen for longer than its session learns that it was given up before it goes
on; what it had sent by then may stand on the topics twice, and counts once.
"""

from collections.abc import Collection
from time import monotonic, sleep, time_ns
from typing import Final, Self

from kafka import ConsumerRebalanceListener, KafkaConsumer, TopicPartition
from kafka.errors import RetriableError

from processors.errors import ConfigurationError, RetryableError
from streams.kafka_clients import admin, broker_errors, consumer
from streams.services.dealer import Dealer
from streams.settings import Settings
from streams.topics import Topics

SESSION_SECONDS: Final = 6
"""After that much silence the broker gives a feed up; it takes no less unless told to."""

_GRACE_SECONDS: Final = 4
_ANSWER_SECONDS: Final = 60.0
_WEEK_MS: Final = 7 * 86_400_000
"""A feed that waits for the time of a line asks for nothing, and is none the worse for it."""


class FeedLease:
    """The right to feed the prefix of `settings`, from entering to leaving the context.

    Entering waits until the broker has given up a feed that was killed. Raises ConfigurationError where another feed
    runs, RetryableError where Kafka fails.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._group = Topics(settings.kafka).group("feed")
        self._place = TopicPartition(Topics(settings.kafka).name("canary"), 0)
        self._membership = _Membership()

    def __enter__(self) -> Self:
        until = monotonic() + SESSION_SECONDS + _GRACE_SECONDS
        while feed_runs(self._settings):
            if monotonic() > until:
                raise self._refusal()
            sleep(0.5)
        self._consumer: KafkaConsumer = consumer(
            self._settings.kafka,
            group=self._group,
            client_id=f"feed-{time_ns()}",  # the members' names begin with it, and the first by name is dealt the partition
            session_timeout_ms=1000 * SESSION_SECONDS,
            heartbeat_interval_ms=1000 * SESSION_SECONDS // 3,
            max_poll_interval_ms=_WEEK_MS,
            partition_assignment_strategy=(Dealer([self._place]),),
            metrics_enabled=False,
        )
        try:
            with broker_errors(self._settings.kafka, "looking whether another feed runs"):
                self._join()
            if not self._consumer.assignment():
                raise self._refusal()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._consumer.close(autocommit=False, timeout_ms=5_000)

    def keep(self) -> None:
        """Answer to the broker; call it now and then. Raises RetryableError where the broker has given this feed up."""
        with broker_errors(self._settings.kafka, "feeding; the same command goes on where it stood"):
            self._consumer.poll(timeout_ms=0)
            # Where another came or went the group is joined anew, which polls that do not wait would never complete.
            while not (self._membership.joined or self._membership.lost):
                self._consumer.poll(timeout_ms=500)
        if self._membership.lost:
            raise RetryableError(
                "this feed was silent for so long that Kafka gave it up, and another may have begun: the same command goes "
                "on where it stood"
            )

    def _join(self) -> None:
        self._consumer.subscribe([self._place.topic], listener=self._membership)
        until = monotonic() + _ANSWER_SECONDS
        while not self._membership.joined:
            if monotonic() > until:
                raise RetryableError(f"Kafka has not let this feed begin for {_ANSWER_SECONDS:.0f} s: try again")
            self._consumer.poll(timeout_ms=500)

    def _refusal(self) -> ConfigurationError:
        return ConfigurationError(
            f"another feed is writing to the prefix {self._settings.kafka.prefix}: wait until it is done, or feed into "
            "another kafka.prefix"
        )


def feed_runs(settings: Settings) -> bool:
    """Whether a feed runs on the prefix, or was killed so recently that the broker still counts on it."""
    group = Topics(settings.kafka).group("feed")
    until = monotonic() + _ANSWER_SECONDS
    with admin(settings.kafka) as client, broker_errors(settings.kafka, "looking whether a feed runs"):
        while True:
            try:
                found = client.describe_groups([group])[group]
                if found["error"] is None or found["group_state"] == "Dead":  # never joined, or forgotten
                    return bool(found["members"])
            except RetriableError:
                if monotonic() > until:
                    raise
            if monotonic() > until:
                raise RetryableError(f"Kafka does not say whether a feed runs: {found['error']}")
            sleep(0.2)  # it has just started: it makes the topic that keeps its groups, or reads it


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
