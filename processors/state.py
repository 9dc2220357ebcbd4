"""State in pieces: what one event changes can be taken back as a whole, and floats are written exactly."""

import json
from collections.abc import Callable
from typing import Any, Final, Generic, Protocol, Self, TypeVar

from processors.errors import InvariantError
from processors.journal import Journal
from processors.migration import UPGRADES

STATE_VERSIONS: Final = {
    "baseline": 2,
    "bucket": 2,
    "detector": 1,
    "evidence": 1,
    "held": 1,
    "history": 1,
    "identities": 2,
    "incident": 3,
    "models": 1,
    "pool": 2,
    "profile": 1,
    "series": 1,
    "story": 1,
    "terms": 1,
}
"""Which form each kind of piece is written in. Who changes a form raises its number, and reads the one before too:
see `processors.migration`."""


class Piece(Protocol):
    """A mutable part of the state that is written as one record."""

    def copy(self) -> Self:
        """A copy that shares nothing mutable."""
        ...

    def pack(self) -> Any:
        """JSON-ready content."""
        ...

    @classmethod
    def unpack(cls, packed: Any) -> Self:
        """The piece whose `pack()` this is."""
        ...


class Store(Protocol):
    """Pieces of one kind, by name; a piece's key is ``prefix/name``."""

    @property
    def prefix(self) -> str:
        """What the kind's keys begin with."""
        ...

    def names(self) -> list[str]:
        """All names, sorted, so that nothing depends on the order of arrival or of a restore."""
        ...

    def read(self, name: str) -> bytes | None:
        """One piece as JSON; None when there is none."""
        ...

    def write(self, name: str, content: bytes) -> None:
        """Puts a restored piece. Raises InvariantError when it does not fit."""
        ...


class Changes(Journal):
    """What one event changes: the keys of pieces, and how to take it all back."""

    __slots__ = ("_keys", "_tables")

    def __init__(self) -> None:
        super().__init__()
        self._keys: set[str] = set()
        self._tables: list[Table[Any]] = []

    def mark(self, key: str) -> None:
        """Notes that the piece of `key` changed, appeared or vanished."""
        self._keys.add(key)

    def join(self, table: "Table[Any]") -> None:
        """Notes that a table has copies to restore."""
        self._tables.append(table)

    def commit(self) -> frozenset[str]:
        """Makes the changes final; gives their keys."""
        keys = frozenset(self._keys)
        self._end()
        self.begin()
        return keys

    def rollback(self) -> bool:
        """Takes the changes back; whether there were any."""
        changed = bool(self._keys)
        self.undo()
        for table in self._tables:
            table.restore_copies()
        self._end()
        return changed

    def _end(self) -> None:
        for table in self._tables:
            table.drop_copies()
        self._tables.clear()
        self._keys.clear()


P = TypeVar("P", bound=Piece)


class Table(Generic[P]):
    """Mutable pieces of one kind: copied at their first change within an event."""

    def __init__(self, prefix: str, kind: type[P], changes: Changes) -> None:
        """An empty table."""
        self.prefix = prefix
        self._kind = kind
        self._changes = changes
        self._now: dict[str, P] = {}
        self._before: dict[str, P | None] = {}

    def get(self, name: str) -> P | None:
        """The piece, for reading only."""
        return self._now.get(name)

    def __getitem__(self, name: str) -> P:
        return self._now[name]

    def __len__(self) -> int:
        return len(self._now)

    def edit(self, name: str, make: Callable[[], P] | None = None) -> P:
        """The piece, for writing; when it is not there, made, or KeyError where that is not asked for."""
        piece = self._now.get(name)
        if piece is None:
            if make is None:
                raise KeyError(f"{self.prefix}/{name}")
            piece = make()
            self.replace(name, piece)
        elif name not in self._before:
            copied = piece.copy()
            self.replace(name, copied)
            return copied
        return piece

    def replace(self, name: str, piece: P) -> None:
        """Puts a piece in place of what is there."""
        self._keep(name)
        self._now[name] = piece

    def drop(self, name: str) -> None:
        """Forget a piece; its key becomes a tombstone."""
        if name in self._now:
            self._keep(name)
            del self._now[name]

    def _keep(self, name: str) -> None:
        if not self._before:
            self._changes.join(self)
        if name not in self._before:
            self._before[name] = self._now.get(name)
            self._changes.mark(f"{self.prefix}/{name}")

    def drop_copies(self) -> None:
        """Makes the event's changes final."""
        self._before = {}

    def restore_copies(self) -> None:
        """Takes the event's changes back."""
        for name, piece in self._before.items():
            if piece is None:
                self._now.pop(name, None)
            else:
                self._now[name] = piece
        self._before = {}

    def names(self) -> list[str]:
        """All names, sorted."""
        return sorted(self._now)

    def read(self, name: str) -> bytes | None:
        """One piece as JSON; None when there is none."""
        piece = self._now.get(name)
        return None if piece is None else sealed(self.prefix, piece.pack())

    def write(self, name: str, content: bytes) -> None:
        """Puts a restored piece. Raises InvariantError when it does not fit."""
        self._now[name] = fitted(f"{self.prefix}/{name}", content, self._kind.unpack)


T = TypeVar("T")


def fitted(key: str, content: bytes, unpack: Callable[[Any], T]) -> T:
    """The piece `key` unpacked, also one of the version before. Raises InvariantError when it is of any other version, is
    no JSON or does not fit."""
    kind = key.partition("/")[0]
    try:
        version, packed = json.loads(content)
        if version == STATE_VERSIONS[kind]:
            return unpack(packed)
        if version == STATE_VERSIONS[kind] - 1 and kind in UPGRADES:
            return unpack(UPGRADES[kind](packed))
    except (ValueError, TypeError, KeyError, IndexError) as error:
        raise InvariantError(f"state piece {key!r} does not fit: {error!r}; rebuild from the log") from error
    raise InvariantError(
        f"state piece {key!r} is of version {version!r}, which this release does not know: rebuild from the log"
    )


def is_former(key: str, content: bytes) -> bool:
    """Whether the piece `key` was written by another release, in the form of the version before."""
    return not content.startswith(b"[%d," % STATE_VERSIONS[key.partition("/")[0]])


def sealed(kind: str, packed: Any) -> bytes:
    """A piece as it is written: its kind's version and its content."""
    return exact_json([STATE_VERSIONS[kind], packed])


def exact_json(value: Any) -> bytes:
    """JSON with sorted keys in which every float reads back to the same bits (`repr` of Python)."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode("utf-8", "surrogatepass")
