"""What deliver shows of itself."""

from collections.abc import Iterable
from datetime import UTC, datetime
from functools import partial
from typing import Final, get_args

from kafka import TopicPartition
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from streams.deliver.postman import Fate, Outcome, Postman
from streams.services import metrics

_FAILED: Final = "failed"
"""A try that was followed by others, or by none."""

_SECONDS: Final = (0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 300, 1800, 7200, 86_400)


class DeliverMetrics:
    """The metrics of one worker."""

    def __init__(self, registry: CollectorRegistry, postmen: Iterable[Postman]) -> None:
        self._deliveries = Counter(
            "tocsin_deliveries",
            "Messages by channel and what became of them",
            ["channel", "outcome"],
            registry=registry,
        )
        self._seconds = Histogram(
            "tocsin_delivery_seconds",
            "From when a message was decided on to the channel's taking it",
            ["channel"],
            buckets=_SECONDS,
            registry=registry,
        )
        self._dead = metrics.dead_letters(registry)
        self._held = Gauge("tocsin_deliveries_held", "Messages that wait for the end of quiet hours", registry=registry)
        self._lag = metrics.lag(registry)
        canary = Gauge(
            "tocsin_deliver_canary_seconds", "Age of the latest canary that came this far", registry=registry
        )
        self._canary = _now()
        canary.set_function(lambda: (_now() - self._canary).total_seconds())
        waiting = Gauge(
            "tocsin_deliveries_waiting", "Messages that a channel has not taken yet", ["channel"], registry=registry
        )
        trouble = Gauge(
            "tocsin_channel_trouble", "1 while a channel does not take what it is sent", ["channel"], registry=registry
        )
        for postman in postmen:
            name = postman.channel.name
            waiting.labels(name).set_function(partial(_waiting, postman))
            trouble.labels(name).set_function(partial(_trouble, postman))
            for outcome in (*get_args(Fate), _FAILED):  # what is there from the beginning is seen to rise
                self._deliveries.labels(name, outcome).inc(0)

    def done(self, outcome: Outcome) -> None:
        """A message arrived, or was given up."""
        delivery = outcome.delivery
        self._deliveries.labels(delivery.channel, outcome.fate).inc()
        self._deliveries.labels(delivery.channel, _FAILED).inc(outcome.failed)
        if outcome.fate == "sent":
            self._seconds.labels(delivery.channel).observe((_now() - delivery.since).total_seconds())

    def dead(self, reason: str) -> None:
        """A record was refused, or a message was, and its dead letter is written."""
        self._dead.labels("deliver", reason).inc()

    def held(self, count: int) -> None:
        """So many messages wait for the end of quiet hours."""
        self._held.set(count)

    def lag(self, place: TopicPartition, records: int) -> None:
        """So many records wait."""
        self._lag.labels(place.topic, str(place.partition)).set(records)

    def canary(self, published_at: datetime) -> None:
        """A canary came this far."""
        self._canary = max(self._canary, published_at)


def _waiting(postman: Postman) -> float:
    return postman.waiting


def _trouble(postman: Postman) -> float:
    return float(bool(postman.trouble))


def _now() -> datetime:
    return datetime.now(UTC)
