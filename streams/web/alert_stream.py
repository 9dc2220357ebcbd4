"""Alerts pushed to programs as server-sent events: one after the other, from wherever a reader left off.

Of a running service they come from Kafka, and an event's id is a position there; of a run in a folder from its store, and
the id is that of the alert. A reader that comes again with the last id it saw misses nothing and gets nothing twice.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from time import monotonic, sleep
from typing import Final, Protocol
from weakref import WeakSet

from processors.errors import PoisonError
from processors.messages import Alert
from streams.client import Alerts, PositionError
from streams.codec import encode
from streams.settings import Settings
from streams.store import AlertQuery, Store

_MOST: Final = 16
"""Readers at once: each holds a thread and a connection."""

_WAIT_SECONDS: Final = 1.0
_LOOK_SECONDS: Final = 0.5
_HEARTBEATS: Final = 15
_PAGE: Final = 200


class Source(Protocol):
    """What gives one reader its alerts; used by one thread at a time."""

    def next(self, seconds: float) -> tuple[str, Alert] | None:
        """The next alert and the id to come again with; None where none comes for so long."""

    def close(self) -> None:
        """No more are wanted."""


class KafkaSource:
    """Alerts as they are committed. Raises PoisonError for an id that is none, else what `Alerts` raises."""

    def __init__(self, settings: Settings, after: str | None) -> None:
        self._stack = ExitStack()
        try:
            self._alerts = self._stack.enter_context(Alerts(settings.kafka, position=after))
        except PositionError as error:
            raise PoisonError("wrong-value", str(error)) from None

    def next(self, seconds: float) -> tuple[str, Alert] | None:
        """See `Source`."""
        alert = self._alerts.poll(seconds)
        return (self._alerts.position, alert) if alert else None

    def close(self) -> None:
        """See `Source`."""
        self._stack.close()


class StoreSource:
    """Alerts as a run writes them into its store, by time. Raises PoisonError for an id that is none."""

    def __init__(self, store: Callable[[], Store], after: str | None) -> None:
        self._store = store
        query = AlertQuery(limit=1) if after is None else AlertQuery(id_prefix=after, limit=1)
        found = store().alerts(query)
        if after is not None and (not found or found[0].id != after):
            raise PoisonError("wrong-value", f"there is no event {after[:80]!a} to go on after: leave it out")
        self._latest = found[0] if found else None
        self._waiting: deque[Alert] = deque()

    def next(self, seconds: float) -> tuple[str, Alert] | None:
        """See `Source`."""
        until = monotonic() + seconds
        while not self._waiting:
            self._waiting.extend(self._newer())
            if not self._waiting and monotonic() >= until:
                return None
            if not self._waiting:
                sleep(_LOOK_SECONDS)
        self._latest = self._waiting.popleft()
        return self._latest.id, self._latest

    def close(self) -> None:
        """See `Source`: the store belongs to its thread."""

    def _newer(self) -> list[Alert]:
        """All after the one that was given last, oldest first."""
        latest, found = self._latest, list[Alert]()
        query = AlertQuery(since=latest.at if latest else None, limit=_PAGE)
        while True:
            page = self._store().alerts(query)
            newer = [alert for alert in page if latest is None or _place(alert) > _place(latest)]
            found += newer
            if len(newer) < _PAGE:
                return found[::-1]
            query = AlertQuery(since=query.since, limit=_PAGE, after=newer[-1])


class AlertStream:
    """Gives readers their alerts, each in a thread of its own while it waits."""

    def __init__(self, opener: Callable[[str | None], Source]) -> None:
        self._opener = opener
        self._threads = ThreadPoolExecutor(_MOST, "alerts")
        self._sources = WeakSet[Source]()  # of a reader who went before it was served nobody tells
        self._is_closed = False

    @property
    def is_full(self) -> bool:
        """Whether no more can be served."""
        return len(self._sources) >= _MOST

    async def open(self, after: str | None) -> Source:
        """What gives a reader all that comes after the event with that id, or from now on. Raises as the sources do."""
        source = await asyncio.get_running_loop().run_in_executor(self._threads, self._opener, after)
        self._sources.add(source)
        return source

    async def events(self, source: Source) -> AsyncIterator[str]:
        """Server-sent events: `alert` with the alert as JSON; a comment now and then, so that a broken line shows."""
        loop = asyncio.get_running_loop()
        quiet = 0
        try:
            yield "retry: 2000\n\n"
            while not self._is_closed:
                found = await loop.run_in_executor(self._threads, source.next, _WAIT_SECONDS)
                if found is not None:
                    yield f"id: {found[0]}\nevent: alert\ndata: {encode(found[1]).decode('utf-8', 'replace')}\n\n"
                quiet = 0 if found else quiet + 1
                if quiet == _HEARTBEATS:
                    quiet = 0
                    yield ": still here\n\n"
        finally:
            self._sources.discard(source)
            if self._is_closed:
                source.close()
            else:
                self._threads.submit(source.close)

    def close(self) -> None:
        """End all."""
        self._is_closed = True
        self._threads.shutdown(wait=False)


def _place(alert: Alert) -> tuple[object, ...]:
    """Where an alert stands in the order of the store."""
    return alert.at, alert.sequence, alert.id
