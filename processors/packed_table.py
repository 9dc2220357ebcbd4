"""Many small entries in little memory, found by how they begin.

Linear hashing (Litwin 1980): the table grows by one bucket at a time, so that no addition takes long, however much there
is. A bucket is one string of entries, searched in C. An entry costs its own bytes and some two more, where a dictionary
takes a hundred for its place alone, and as many again for key and value.
"""

from collections.abc import Sequence
from typing import Final

_MARK: Final = 4
_BUCKET: Final = 256  # bytes on average; a string of its own costs forty


class PackedTable:
    """Entries of one size, whose first bytes are spread evenly. They are a multiset."""

    __slots__ = ("_buckets", "_count", "_full", "_mask", "_size")

    def __init__(self, size: int) -> None:
        """No entries; each will have `size` bytes."""
        self._size = size
        self._full = max(1, _BUCKET // size)
        self._buckets = [b""]
        # Buckets are chosen by the last bits of a mark: by as many as give the next power of two, or one less.
        self._mask = 1
        self._count = 0

    def __len__(self) -> int:
        """The number of entries."""
        return self._count

    def find(self, key: bytes) -> Sequence[bytes]:
        """What follows `key`, of at least four bytes, in the entries that begin with it, in no particular order."""
        place = int.from_bytes(key[:_MARK]) & self._mask  # as `_place` does
        bucket = self._buckets[place if place < len(self._buckets) else place & (self._mask >> 1)]
        at = bucket.find(key)
        if at < 0:
            return ()  # as for nearly every document
        size, length, found = self._size, len(key), []
        while at >= 0:
            if at % size == 0:
                found.append(bucket[at + length : at + size])
            at = bucket.find(key, at + 1)
        return found

    def add(self, entry: bytes) -> None:
        """Takes in an entry."""
        place = int.from_bytes(entry[:_MARK]) & self._mask
        self._buckets[place if place < len(self._buckets) else place & (self._mask >> 1)] += entry
        self._count += 1
        if self._count > self._full * len(self._buckets):
            self._split()

    def remove(self, entry: bytes) -> None:
        """Takes an entry out. Raises ValueError where it is not in the table."""
        place, size = self._place(entry), self._size
        bucket = self._buckets[place]
        at = bucket.index(entry)
        while at % size:
            at = bucket.index(entry, at + 1)
        self._buckets[place] = bucket[:at] + bucket[at + size :]
        self._count -= 1

    def _place(self, key: bytes) -> int:
        place = int.from_bytes(key[:_MARK]) & self._mask
        return place if place < len(self._buckets) else place & (self._mask >> 1)

    def _split(self) -> None:
        """Shares the entries of one bucket with a new one."""
        new = len(self._buckets)
        if new > self._mask:
            self._mask = 2 * self._mask + 1
        old = new & (self._mask >> 1)
        bucket, self._buckets[old] = self._buckets[old], b""
        self._buckets.append(b"")
        for at in range(0, len(bucket), self._size):
            entry = bucket[at : at + self._size]
            self._buckets[self._place(entry)] += entry
