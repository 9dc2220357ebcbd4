"""Pushes the page *Now* to all that look at it: made once for all, sent when it changes."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from typing import Any, Final

from processors.errors import TocsinError

_PAUSE: Final = 1.0
_SHARE: Final = 8.0
"""Of the time, at most this part is spent on making the view."""

_HEARTBEAT: Final = 15.0

View = Callable[[], dict[str, Any]]


class Hub:
    """Makes `view` (which may block) while anybody listens, and tells each listener what is new."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._listeners: set[asyncio.Queue[str]] = set()
        self._task: asyncio.Task[None] | None = None
        self._latest: str | None = None
        self._closed = False

    @property
    def listeners(self) -> int:
        """How many listen."""
        return len(self._listeners)

    async def listen(self) -> AsyncIterator[str]:
        """Server-sent events: `now` with the view whenever it changed, the present one first; `trouble` with a reason
        where it cannot be made; a comment now and then, so that a broken line shows."""
        queue: asyncio.Queue[str] = asyncio.Queue(maxsize=4)
        self._listeners.add(queue)
        if self._latest is not None:
            queue.put_nowait(self._latest)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._work())
        try:
            yield "retry: 2000\n\n"
            while not self._closed:
                try:
                    yield await asyncio.wait_for(queue.get(), _HEARTBEAT)
                except TimeoutError:
                    yield ": still here\n\n"
        finally:
            self._listeners.discard(queue)

    def close(self) -> None:
        """End all that listen."""
        self._closed = True
        for queue in self._listeners:
            _put(queue, ": the end\n\n")

    async def _work(self) -> None:
        while self._listeners and not self._closed:
            began = time.monotonic()
            event = await asyncio.to_thread(self._made)
            if event != self._latest:
                self._latest = event
                for queue in self._listeners:
                    _put(queue, event)
            await asyncio.sleep(max(_PAUSE, _SHARE * (time.monotonic() - began)))
        self._latest = None  # whoever comes next sees what is so then

    def _made(self) -> str:
        try:
            return event_of("now", self._view())
        except TocsinError as error:
            return event_of("trouble", {"why": str(error)})


def event_of(name: str, data: dict[str, Any]) -> str:
    """One server-sent event."""
    return f"event: {name}\ndata: {json.dumps(data, ensure_ascii=False, separators=(',', ':'))}\n\n"


def _put(queue: asyncio.Queue[str], event: str) -> None:
    """A listener that is slow misses what is old."""
    if queue.full():
        queue.get_nowait()
    queue.put_nowait(event)
