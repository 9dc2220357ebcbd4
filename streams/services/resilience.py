"""How a service lives with a dependency that is away: jittered waits, and a breaker whose state can be seen."""

import random
from collections.abc import Iterator
from typing import Literal

from streams.service_settings import ServiceSettings

BreakerState = Literal["closed", "half-open", "open"]


def waits(settings: ServiceSettings, rng: random.Random | None = None) -> Iterator[float]:
    """Seconds to wait before each next try, without end: full jitter under a ceiling that doubles.

    (Brooker 2015, Exponential Backoff And Jitter: the same load on the server with the fewest calls.)
    """
    rng = rng or random.Random()
    ceiling = settings.retry_first
    while True:
        yield rng.uniform(settings.retry_first / 2, ceiling)
        ceiling = min(2 * ceiling, settings.retry_longest)


class Breaker:
    """Whether a dependency is asked at all. Instants are seconds of one monotonic clock, given by the caller.

    Closed: ask. After `failures` failures in a row it opens: ask nobody. After `rest` seconds it is half-open: one
    caller may try; success closes it, failure opens it again.
    """

    def __init__(self, failures: int = 3, rest: float = 5.0) -> None:
        self._allowed = failures
        self._rest = rest
        self._failed = 0
        self._opened_at: float | None = None
        self._trying = False

    @property
    def state(self) -> BreakerState:
        """What it was when last asked or told."""
        if self._opened_at is None:
            return "closed"
        return "half-open" if self._trying else "open"

    def wait(self, now: float) -> float:
        """Seconds until the dependency may be asked; 0 means: ask now, and tell what came of it."""
        if self._opened_at is None:
            return 0.0
        remaining = self._opened_at + self._rest - now
        if remaining <= 0:
            self._trying = True
            return 0.0
        return remaining

    def succeeded(self) -> None:
        """The dependency answered."""
        self._failed, self._opened_at, self._trying = 0, None, False

    def failed(self, now: float) -> bool:
        """The dependency did not; whether it counts as away from now on, once for each time that it is."""
        self._failed += 1
        was_closed = self._opened_at is None
        if self._trying or self._failed >= self._allowed:
            self._opened_at, self._trying = now, False
        return was_closed and self._opened_at is not None
