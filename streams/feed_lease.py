"""One feed a prefix at a time, as `streams.lease` keeps it. What a feed that was given up had sent by then may stand on the
topics twice, and counts once."""

from time import monotonic, sleep
from typing import Final, Self

from kafka.errors import RetriableError

from processors.errors import ConfigurationError, RetryableError
from streams.kafka_clients import admin, broker_errors
from streams.lease import ANSWER_SECONDS, SESSION_SECONDS, Lease
from streams.settings import Settings
from streams.topics import Topics

_GRACE_SECONDS: Final = 4


class FeedLease:
    """The right to feed the prefix of `settings`, from entering to leaving the context.

    Entering waits until the broker has given up a feed that was killed. Raises ConfigurationError where another feed
    runs, RetryableError where Kafka fails.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lease = Lease(settings, "feed")

    def __enter__(self) -> Self:
        until = monotonic() + SESSION_SECONDS + _GRACE_SECONDS
        while feed_runs(self._settings):
            if monotonic() > until:
                raise self._refusal()
            sleep(0.5)
        self._lease.__enter__()
        if not self._lease.held:
            self._lease.__exit__()
            raise self._refusal()
        return self

    def __exit__(self, *_: object) -> None:
        self._lease.__exit__()

    def keep(self) -> None:
        """Answer to the broker; call it now and then. Raises RetryableError where the broker has given this feed up."""
        if not self._lease.keep():
            raise RetryableError(
                "this feed was silent for so long that Kafka gave it up, and another may have begun: the same command goes "
                "on where it stood"
            )

    def _refusal(self) -> ConfigurationError:
        return ConfigurationError(
            f"another feed is writing to the prefix {self._settings.kafka.prefix}: wait until it is done, or feed into "
            "another kafka.prefix"
        )


def feed_runs(settings: Settings) -> bool:
    """Whether a feed runs on the prefix, or was killed so recently that the broker still counts on it."""
    group = Topics(settings.kafka).group("feed")
    until = monotonic() + ANSWER_SECONDS
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
