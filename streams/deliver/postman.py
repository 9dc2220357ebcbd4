"""One channel's messages, in a thread of their own: a channel that is slow or away makes no other wait.

What is about one incident is sent in its order; what cannot be sent now is tried again, later and later, until it is given
up. A channel that is away, or wants to be left alone, is left alone as a whole.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from math import inf
from queue import SimpleQueue
from time import monotonic
from typing import Literal

from streams.channels import Channel
from streams.deliver.delivery import Delivery
from streams.deliver.sending import Failure, Speech, send

Waits = Callable[[], Iterator[float]]
"""Makes the seconds to wait before each next try."""

Fate = Literal["sent", "given-up", "gone"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a delivery, and of the tries before (`failed` of them); `why` it was not sent."""

    delivery: Delivery
    fate: Fate
    why: str = ""
    failed: int = 0


@dataclass
class _Thread:
    """Messages about one incident, and when the first of them is tried next (monotonic)."""

    waiting: deque[Delivery] = field(default_factory=deque)
    waits: Iterator[float] | None = None
    after: float = -inf
    failed: int = 0


class Postman:
    """Sends what is `put`; what came of it is put into `outcomes`. Given up after `patience`."""

    def __init__(
        self, channel: Channel, speech: Speech, patience: timedelta, waits: Waits, outcomes: "SimpleQueue[Outcome]"
    ) -> None:
        self.channel = channel
        self._speech, self._patience, self._waits, self._outcomes = speech, patience, waits, outcomes
        self._threads: dict[tuple[str, str], _Thread] = {}
        self._changed = threading.Condition()
        self._resting = waits()
        self._after = -inf
        self._trouble = ""
        self._gone = ""
        self._ends = False
        self._worker = threading.Thread(target=self._work, name=f"channel {channel.name}", daemon=True)
        self._worker.start()

    @property
    def waiting(self) -> int:
        """How many messages have not arrived."""
        with self._changed:
            return sum(len(thread.waiting) for thread in self._threads.values())

    @property
    def trouble(self) -> str:
        """Why the channel did not take the last message; empty where it did."""
        return self._trouble

    def put(self, delivery: Delivery) -> None:
        """Send it when its turn comes."""
        with self._changed:
            self._threads.setdefault((delivery.desk, delivery.thread), _Thread()).waiting.append(delivery)
            self._changed.notify()

    def reopen(self) -> None:
        """Ask a channel again that wanted no more messages: somebody sends one again on purpose."""
        with self._changed:
            self._gone = ""

    def end(self, seconds: float) -> None:
        """Finish what is in hand, for so long at most; what waits is not sent."""
        with self._changed:
            self._ends = True
            self._changed.notify()
        self._worker.join(seconds)

    def _work(self) -> None:
        while (chosen := self._next()) is not None:
            key, delivery = chosen
            failure = Failure("gone", self._gone) if self._gone else send(self.channel, delivery, self._speech)
            with self._changed:
                self._settle(key, delivery, failure)

    def _next(self) -> tuple[tuple[str, str], Delivery] | None:
        """What to send now, once there is something; None at the end."""
        with self._changed:
            while not self._ends:
                key = min(self._threads, key=lambda key: self._threads[key].after, default=None)
                now = monotonic()
                due = inf if key is None else max(self._threads[key].after, self._after)
                if key is not None and (due <= now or self._gone):
                    return key, self._threads[key].waiting[0]
                self._changed.wait(None if due == inf else due - now)
        return None

    def _settle(self, key: tuple[str, str], delivery: Delivery, failure: Failure | None) -> None:
        """What follows from a try."""
        thread = self._threads[key]
        if failure is None:
            self._trouble, self._resting, self._after = "", self._waits(), -inf
            self._done(key, Outcome(delivery, "sent", failed=thread.failed))
            return
        thread.failed += 1
        self._trouble = failure.why
        if failure.scope == "gone":
            self._gone = failure.why
            self._done(key, Outcome(delivery, "gone", failure.why, thread.failed))
        elif datetime.now(UTC) - delivery.since >= self._patience:
            self._done(key, Outcome(delivery, "given-up", failure.why, thread.failed))
        elif failure.scope == "channel":
            self._after = monotonic() + max(next(self._resting), failure.wait or 0.0)
        else:
            thread.waits = thread.waits or self._waits()
            thread.after = monotonic() + max(next(thread.waits), failure.wait or 0.0)

    def _done(self, key: tuple[str, str], outcome: Outcome) -> None:
        thread = self._threads[key]
        thread.waiting.popleft()
        thread.waits, thread.after, thread.failed = None, -inf, 0
        if not thread.waiting:
            del self._threads[key]
        self._outcomes.put(outcome)
