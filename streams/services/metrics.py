"""The metrics that several services show alike: one declaration of each, so that one dashboard reads them all."""

from collections.abc import Callable
from time import time
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Enum, Gauge, Histogram

MOST_SOURCES: Final = 200
"""Sources told apart: whoever writes input can invent names, and each costs memory for good."""

_SECONDS: Final = (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 300, 1800)


def dead_letters(registry: CollectorRegistry) -> Counter:
    """Counts refused records."""
    return Counter("tocsin_dead_letters", "Refused records by stage and reason", ["stage", "reason"], registry=registry)


def latency(registry: CollectorRegistry) -> Histogram:
    """Observes how long a document took to the end of a stage, in seconds."""
    return Histogram(
        "tocsin_latency_seconds",
        "From the broker's receipt of a document to the end of a stage",
        ["stage"],
        buckets=_SECONDS,
        registry=registry,
    )


def lag(registry: CollectorRegistry) -> Gauge:
    """Shows how many records wait in a partition."""
    return Gauge("tocsin_lag_records", "Records waiting to be read", ["topic", "partition"], registry=registry)


def breaker(registry: CollectorRegistry) -> Enum:
    """Shows the state of the breaker before a dependency."""
    return Enum(
        "tocsin_breaker",
        "Whether a dependency is asked",
        ["dependency"],
        states=["closed", "half-open", "open"],
        registry=registry,
    )


class Silence:
    """Shows on a gauge with the label ``source`` for how many seconds each source has not been heard.

    Only `most` sources are told apart, whichever are heard first: None for those that are declared, not invented.
    """

    def __init__(self, gauge: Gauge, most: int | None = MOST_SOURCES) -> None:
        self._gauge, self._most = gauge, most
        self._heard: dict[str, float] = {}

    def hear(self, source: str, at: float) -> None:
        """A document of `source` came at `at`, in seconds since 1970."""
        if source not in self._heard:
            if len(self._heard) == self._most:
                return
            self._gauge.labels(source).set_function(self._since(source))
        self._heard[source] = at

    def _since(self, source: str) -> Callable[[], float]:
        return lambda: time() - self._heard[source]
