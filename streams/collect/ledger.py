"""What collect knows of its sources: what was sent of each, and how far it has looked. Thread-safe, no I/O.

A **mark** names what was sent, within a source: 16 hexadecimal digits of an identity's hash; of a line of a file, which
file and where it ended (``file:offset``). A mark is claimed before its record is sent, and kept once the broker has
acknowledged it; with that, under the same lock, the record's offset becomes the place up to which this ledger knows the
log. One idempotent producer writes each partition in order and hears of it in order: so whatever a partition has beyond
that place was sent by us and is not known here yet, and is found by reading on from there.
"""

import hashlib
import json
import threading
from collections.abc import Iterable
from datetime import UTC, datetime
from time import monotonic
from typing import Any, Final, Literal

from processors.errors import FatalError, RetryableError
from processors.identity import format_instant
from streams.collect.memory import MARK_BYTES, Memory

MEMORY_SIZE: Final = 10_000
FEED_GENERATIONS: Final = 2
PUSH_GENERATIONS: Final = 16

POSITIONS: Final = "positions"
"""The key of the record that tells up to where the log is known."""

Place = tuple[str, int]
Record = tuple[str, bytes | None]
"""Key and value of a record of the state."""

Claim = Literal["new", "sent", "under-way"]


def mark_of(identity: str) -> str:
    """The mark of a document."""
    return hashlib.sha256(identity.encode("utf-8", "surrogatepass")).hexdigest()[: 2 * MARK_BYTES]


class Ledger:
    """The sources of `generations`, each with that many generations of its memory."""

    def __init__(self, generations: dict[str, int]) -> None:
        self._memories = {name: Memory(MEMORY_SIZE, count) for name, count in generations.items()}
        self._cursors: dict[str, dict[str, Any]] = {}
        self._lines: dict[str, set[str]] = {name: set() for name in generations}
        self._positions: dict[Place, int] = {}
        self._claimed: set[tuple[str, str]] = set()
        self._changed: set[str] = set()
        self._moved = False
        self._failure: Exception | None = None
        self._news = threading.Condition()

    # What is sent.

    def claim(self, source: str, mark: str) -> Claim:
        """Whether `mark` is still to be sent: by whoever asks, if it is new."""
        with self._news:
            if (source, mark) in self._claimed:
                return "under-way"
            if mark in (self._lines[source] if ":" in mark else self._memories[source]):
                return "sent"
            self._claimed.add((source, mark))
            return "new"

    def release(self, source: str, mark: str) -> None:
        """It is not sent after all."""
        with self._news:
            self._claimed.discard((source, mark))
            self._news.notify_all()

    def acknowledged(self, source: str, mark: str, topic: str, partition: int, offset: int) -> None:
        """The record of `mark` stands there. A source that is no longer declared has no marks."""
        with self._news:
            self._claimed.discard((source, mark))
            self._reach((topic, partition), offset + 1)
            if source in self._memories:
                if ":" in mark:
                    self._lines[source].add(mark)
                    self._changed.add(source)
                else:
                    self._memories[source].add([mark])
            self._news.notify_all()

    def failed(self, error: Exception) -> None:
        """A record was given up: what follows is unknown, and so is everything from here on."""
        with self._news:
            self._failure = self._failure or error
            self._news.notify_all()

    def check(self) -> None:
        """Raises RetryableError where a record was given up."""
        if isinstance(self._failure, FatalError | RetryableError):
            raise self._failure
        if self._failure is not None:
            why = f"{type(self._failure).__name__}: {self._failure}"
            raise RetryableError(f"Kafka did not take a document ({why}); the next start sees which it has")

    def settled(self, source: str, marks: Iterable[str], seconds: float | None = None) -> bool:
        """Wait until none of `marks` is under way, at most `seconds`; whether that is so. Raises as `check` does."""
        waiting = [(source, mark) for mark in marks]
        until = None if seconds is None else monotonic() + seconds
        with self._news:
            while True:
                self.check()
                while waiting and waiting[-1] not in self._claimed:
                    waiting.pop()
                left = None if until is None else until - monotonic()
                if not waiting or (left is not None and left <= 0):
                    return not waiting
                self._news.wait(left)

    @property
    def under_way(self) -> int:
        """Records sent and not acknowledged."""
        return len(self._claimed)

    # How far a source was looked at.

    def cursor(self, source: str) -> dict[str, Any]:
        """What `move` was last told; empty before."""
        with self._news:
            return dict(self._cursors.get(source, {}))

    def move(self, source: str, cursor: dict[str, Any], listed: Iterable[str] = ()) -> None:
        """Go on from `cursor`: everything before it is acknowledged. `listed` are marks that the source still lists: they
        are remembered anew. Of lines those before the cursor are not asked for again, and forgotten; others, which were
        read back, are still to come."""
        with self._news:
            left = self._cursors.get(source, {}).get("file")
            self._lines[source] = {mark for mark in self._lines[source] if not _is_behind(mark, cursor, left)}
            self._cursors[source] = dict(cursor)
            self._memories[source].add(listed)
            self._changed.add(source)

    # What survives.

    def positions(self) -> dict[Place, int]:
        """Up to where each partition is known."""
        with self._news:
            return dict(self._positions)

    def begin_at(self, positions: dict[Place, int]) -> None:
        """Know the log up to here, at least: where nothing is known of a partition yet."""
        with self._news:
            for place, offset in positions.items():
                self._reach(place, offset)

    def changes(self) -> list[Record]:
        """The records of the state that changed since the last call, in the order in which they have to be written: the
        positions last, because what they leave out is not looked for again."""
        with self._news:
            records: list[Record] = []
            for name, memory in self._memories.items():
                records += [(f"seen/{name}/{slot}", _json(value)) for slot, value in memory.changes()]
            for name in sorted(self._changed):
                value = {"cursor": self._cursors.get(name, {}), "lines": sorted(self._lines[name])}
                records.append((f"source/{name}", _json(value)))
            if records or self._moved:
                places = [[topic, partition, offset] for (topic, partition), offset in sorted(self._positions.items())]
                at = format_instant(datetime.now(UTC))
                records.append((POSITIONS, _json({"at": at, "places": places})))
            self._changed.clear()
            self._moved = False
            return records

    def restore(self, key: str, value: bytes) -> None:
        """Take in one record of the state. Raises ValueError, KeyError or TypeError for what `changes` never gave."""
        record = json.loads(value)
        kind, _, rest = key.partition("/")
        name = rest.rpartition("/")[0] if kind == "seen" else rest
        if key == POSITIONS:
            self.begin_at({(str(topic), int(partition)): int(offset) for topic, partition, offset in record["places"]})
        elif name not in self._memories:
            return  # declared no longer
        elif kind == "seen":
            self._memories[name].restore(record)
        elif kind == "source":
            self._cursors[name], self._lines[name] = dict(record["cursor"]), set(record["lines"])
        else:
            raise ValueError(f"no record of the state is called {key!a}")

    def _reach(self, place: Place, offset: int) -> None:
        if offset > self._positions.get(place, -1):
            self._positions[place] = offset
            self._moved = True


def _is_behind(mark: str, cursor: dict[str, Any], left: str | None) -> bool:
    """Whether the line of `mark` lies before `cursor`, of which the last one stood in the file `left`."""
    file, _, end = mark.rpartition(":")
    return int(end) <= cursor.get("offset", 0) if file == cursor.get("file") else file == left


def _json(value: dict[str, Any]) -> bytes:
    return json.dumps(value, separators=(",", ":"), sort_keys=True).encode()
