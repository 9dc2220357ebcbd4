"""State in pieces: tables whose changes within one event can be taken back, and a JSON that keeps floats exactly."""

import json
from collections.abc import Callable, Iterator
from typing import Any, Generic, Protocol, Self, TypeVar

from processors.errors import InvariantError


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


P = TypeVar("P", bound=Piece)


class Table(Generic[P]):
    """Pieces of one kind by name. What `touch` and `drop` change within one event can be taken back as a whole."""

    def __init__(self, prefix: str, kind: type[P]) -> None:
        """An empty table; its keys are ``prefix/name``."""
        self.prefix = prefix
        self._kind = kind
        self._now: dict[str, P] = {}
        self._before: dict[str, P | None] = {}

    def get(self, name: str) -> P | None:
        """The piece, for reading only."""
        return self._now.get(name)

    def __getitem__(self, name: str) -> P:
        return self._now[name]

    def touch(self, name: str, make: Callable[[], P]) -> P:
        """The piece, for writing; made new when it is not there."""
        piece = self._now.get(name)
        if name not in self._before:
            self._before[name] = piece
            piece = make() if piece is None else piece.copy()
            self._now[name] = piece
        elif piece is None:
            piece = self._now[name] = make()
        return piece

    def edit(self, name: str) -> P:
        """The piece that must be there, for writing. Raises KeyError when it is not."""
        if name not in self._before:
            before = self._now[name]
            self._now[name] = before.copy()
            self._before[name] = before
        return self._now[name]

    def replace(self, name: str, piece: P) -> None:
        """Puts a new piece in place of what is there."""
        self._before.setdefault(name, self._now.get(name))
        self._now[name] = piece

    def drop(self, name: str) -> None:
        """Forget a piece; its key becomes a tombstone."""
        piece = self._now.pop(name, None)
        if piece is not None:
            self._before.setdefault(name, piece)

    def names(self) -> list[str]:
        """All names, sorted, so that nothing depends on the order of arrival or of a restore."""
        return sorted(self._now)

    def __len__(self) -> int:
        return len(self._now)

    def commit(self) -> Iterator[str]:
        """Makes the event's changes final and gives their keys."""
        for name in self._before:
            yield f"{self.prefix}/{name}"
        self._before = {}

    def rollback(self) -> bool:
        """Takes the event's changes back; whether there were any."""
        touched = bool(self._before)
        for name, piece in self._before.items():
            if piece is None:
                self._now.pop(name, None)
            else:
                self._now[name] = piece
        self._before = {}
        return touched

    def read(self, name: str) -> bytes | None:
        """One piece as JSON; None when there is none."""
        piece = self._now.get(name)
        return None if piece is None else exact_json(piece.pack())

    def write(self, name: str, content: bytes) -> None:
        """Puts a restored piece. Raises InvariantError when it does not fit."""
        key = f"{self.prefix}/{name}"
        try:
            self._now[name] = self._kind.unpack(parsed(key, content))
        except (ValueError, TypeError, KeyError, IndexError) as error:
            raise InvariantError(f"state piece {key} does not fit: {error}; rebuild from the log") from error


def exact_json(value: Any) -> bytes:
    """JSON with sorted keys in which every float reads back to the same bits (`repr` of Python)."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode("utf-8", "surrogatepass")


def parsed(key: str, content: bytes) -> Any:
    """The value of the piece `key`. Raises InvariantError when it is no JSON."""
    try:
        return json.loads(content)
    except ValueError as error:
        raise InvariantError(f"state piece {key} is no JSON: {error}; rebuild from the log") from error
