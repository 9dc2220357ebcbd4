"""When which feed is looked at: in its interval, one request at a time to a host, and less often the more it fails."""

import logging
import random
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from time import monotonic
from typing import Any, Final

from processors.errors import TocsinError
from streams.collect.declared import Source
from streams.collect.fetch import FetchError
from streams.collect.look import Looked

LONGEST_REST: Final = 6 * 3600.0
"""Seconds between two looks at a feed that fails, at most; or its interval if that is longer."""

_TICK: Final = 0.2
_BUSY: Final = frozenset({"http-429", "http-503"})
"""Answers that speak for the host, not for the one feed."""

log = logging.getLogger(__name__)

Look = Callable[[Source], Looked]
Heard = Callable[[Source, Looked, float], None]
"""Told what a look brought, and how many seconds it took."""


@dataclass(slots=True)
class _Turn:
    """When a source's next look is due, and how often it failed in a row; seconds of the monotonic clock."""

    source: Source
    due: float
    failures: int = 0


class Schedule:
    """Which feed is next. Pure: instants are seconds of one monotonic clock, given by the caller."""

    def __init__(self, sources: Mapping[Source, float], host_interval: float, rng: random.Random | None = None) -> None:
        """`sources` with the instant of each one's first look."""
        self._turns = {source.name: _Turn(source, due) for source, due in sources.items()}
        self._host_interval = host_interval
        self._rng = rng or random.Random()
        self._busy: set[str] = set()
        self._free: dict[str, float] = {}

    def take(self, now: float) -> Source | None:
        """A feed that is due and whose host nobody asks at the moment; it is being looked at until `done`."""
        for turn in sorted(self._turns.values(), key=lambda turn: turn.due):
            if turn.due > now:
                return None
            host = turn.source.host
            if host not in self._busy and self._free.get(host, 0.0) <= now:
                self._busy.add(host)
                turn.due = float("inf")
                return turn.source
        return None

    def done(self, source: Source, now: float, failure: FetchError | None = None) -> float:
        """The look is over; gives the seconds until the next one at the same feed."""
        turn = self._turns[source.name]
        self._busy.discard(source.host)
        wait = self._host_interval
        if failure is None:
            turn.failures = 0
            rest = source.interval * self._rng.uniform(0.95, 1.05)
        else:
            turn.failures += 1
            ceiling = max(float(source.interval), min(source.interval * 2.0**turn.failures, LONGEST_REST))
            rest = max(self._rng.uniform(ceiling / 2, ceiling), failure.retry_after or 0.0)
            if failure.outcome in _BUSY:
                wait = max(wait, failure.retry_after or 0.0)
        self._free[source.host] = now + wait
        turn.due = now + rest
        return rest


class Poller:
    """Looks at feeds, several at once, in threads of its own, as long as `may_take`."""

    def __init__(
        self,
        sources: Sequence[Source],
        cursors: Mapping[str, Mapping[str, Any]],
        look: Look,
        heard: Heard,
        *,
        workers: int,
        host_interval: float,
        may_take: Callable[[], bool],
    ) -> None:
        now, wall = monotonic(), datetime.now(UTC)
        first = {source: now + _rest(source, cursors.get(source.name, {}), wall) for source in sources}
        self._schedule = Schedule(first, host_interval)
        self._look, self._heard, self._may_take = look, heard, may_take
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="feed")
        self._slots = threading.Semaphore(workers)
        self._lock = threading.Lock()

    def run(self, stop: threading.Event) -> None:
        """Until `stop` is set. Raises nothing: what a look meets is told to `heard`."""
        while not stop.wait(_TICK):
            while self._may_take() and self._slots.acquire(blocking=False):
                with self._lock:
                    source = self._schedule.take(monotonic())
                if source is None:
                    self._slots.release()
                    break
                self._pool.submit(self._work, source)

    def _work(self, source: Source) -> None:
        began = monotonic()
        failure: FetchError | None = None
        try:
            looked = self._look(source)
        except FetchError as error:
            failure, looked = error, Looked(error.outcome)
        except TocsinError:
            return  # Kafka gave something up: the service ends
        except Exception as error:
            log.exception("looking at %s went wrong", source.name)
            failure, looked = FetchError("internal-error", repr(error)), Looked("internal-error")
        now = monotonic()
        with self._lock:
            rest = self._schedule.done(source, now, failure)
        self._slots.release()
        if failure is not None:
            log.warning("%s: %s; next look in %.0f s", source.name, failure, rest)
        self._heard(source, looked, now - began)


def _rest(source: Source, cursor: Mapping[str, Any], now: datetime) -> float:
    """Seconds until a feed is due that was last read as `cursor` says: starting again is no reason to ask again."""
    if not cursor.get("read"):
        return 0.0
    age = (now - datetime.fromisoformat(cursor["read"])).total_seconds()
    return min(max(0.0, source.interval - age), float(source.interval))
