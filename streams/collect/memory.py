"""What of a source was sent already: marks, of which the latest are kept."""

import base64
from collections.abc import Iterable, Iterator
from typing import Any, Final

MARK_BYTES: Final = 8


class Memory:
    """Remembers at least the latest `size` times (`generations` - 1) marks (16 hexadecimal digits each).

    Marks stand in generations, of which a full one makes room by forgetting the oldest: only what is new is written anew.
    """

    def __init__(self, size: int, generations: int) -> None:
        self._size, self._count = size, generations
        self._marks: dict[int, dict[str, None]] = {0: {}}
        self._newest = 0
        self._changed: set[int] = set()

    def __contains__(self, mark: str) -> bool:
        return any(mark in generation for generation in self._marks.values())

    def __len__(self) -> int:
        return sum(map(len, self._marks.values()))

    def add(self, marks: Iterable[str]) -> None:
        """Remember `marks` as the latest; at most `size` at once are sure to be kept."""
        for mark in marks:
            if mark in self._marks[self._newest]:
                continue
            if len(self._marks[self._newest]) == self._size:
                self._newest += 1
                self._marks[self._newest] = {}
                self._marks.pop(self._newest - self._count, None)
            self._marks[self._newest][mark] = None
            self._changed.add(self._newest)

    def changes(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """The generations that changed since the last call, each with the slot that it takes from an older one."""
        for number in sorted(self._changed & self._marks.keys()):
            packed = base64.b64encode(bytes.fromhex("".join(self._marks[number]))).decode("ascii")
            yield number % self._count, {"generation": number, "marks": packed}
        self._changed.clear()

    def restore(self, record: dict[str, Any]) -> None:
        """Take in one generation as `changes` gave it, in any order. Raises ValueError or KeyError for anything else."""
        number, packed = int(record["generation"]), base64.b64decode(record["marks"], validate=True).hex()
        step = 2 * MARK_BYTES
        self._marks[number] = dict.fromkeys(packed[i : i + step] for i in range(0, len(packed), step))
        self._newest = max(self._newest, number)
        self._marks.setdefault(self._newest, {})
        for old in [one for one in self._marks if one <= self._newest - self._count]:
            del self._marks[old]
