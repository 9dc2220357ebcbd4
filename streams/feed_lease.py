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


class GivenUpError(RetryableError):
    """The broker has given this feed up, and another may have begun: the same feed anew goes on where it stood."""


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

    def keep(self, silent: float) -> None:
        """Answer to the broker, `silent` seconds after the last time; call it now and then. Raises GivenUpError where the
        broker has given this feed up: it was frozen for longer than its session, or the broker was away."""
        # After a long silence the client learns of that too late: what has become due would be sent before.
        stays = silent < SESSION_SECONDS or self._lease.client in feeds(self._settings)
        if not (stays and self._lease.stays()):
            raise GivenUpError("Kafka did not hear of this feed for so long that it gave it up")

    def _refusal(self) -> ConfigurationError:
        return ConfigurationError(
            f"another feed is writing to the prefix {self._settings.kafka.prefix}: wait until it is done, or feed into "
            "another kafka.prefix"
        )


def feed_runs(settings: Settings) -> bool:
    """Whether a feed runs on the prefix, or was killed so recently that the broker still counts on it."""
    return bool(feeds(settings))


def feeds(settings: Settings) -> list[str]:
    """The clients that the broker counts as feeds of the prefix."""
    group = Topics(settings.kafka).group("feed")
    until = monotonic() + ANSWER_SECONDS
    with admin(settings.kafka) as client, broker_errors(settings.kafka, "looking whether a feed runs"):
        while True:
            try:
                found = client.describe_groups([group])[group]
                if found["error"] is None or found["group_state"] == "Dead":  # never joined, or forgotten
                    return [member["client_id"] for member in found["members"]]
            except RetriableError:
                if monotonic() > until:
                    raise
            if monotonic() > until:
                raise RetryableError(f"Kafka does not say whether a feed runs: {found['error']}")
            sleep(0.2)  # it has just started: it makes the topic that keeps its groups, or reads it
