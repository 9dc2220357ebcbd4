"""An index of keys that does not hold them: where a key may be found, for who keeps the keys to compare.

Linear hashing (Litwin 1980): the table grows by one bucket at a time, so that no addition takes long, however much there
is. An entry is four bytes of a key and a number; a bucket is one string of them, searched in C: some 11 bytes a key, where
a dictionary of such keys takes 120.
"""

from collections.abc import Sequence
from typing import Final

_MARK: Final = 4  # bytes of a key by which it is found
_NUMBER: Final = 5  # bytes: more numbers than can be given in a lifetime
_ENTRY: Final = _MARK + _NUMBER
_FULL: Final = 24  # entries of a bucket on average


class HashIndex:
    """Numbers by keys of evenly spread bytes, 4 or more of them. A key may have several."""

    __slots__ = ("_buckets", "_count", "_mask")

    def __init__(self) -> None:
        """No keys."""
        self._buckets = [b""]
        # Buckets are chosen by the last bits of a mark: by as many as give the next power of two, or one less.
        self._mask = 1
        self._count = 0

    def __len__(self) -> int:
        """The number of entries."""
        return self._count

    def candidates(self, key: bytes) -> Sequence[int]:
        """The numbers of `key`, and with them, once in a while, one of a key that begins alike."""
        mark = key[:_MARK]
        bucket = self._buckets[self._place(mark)]
        at = bucket.find(mark)
        if at < 0:
            return ()  # as for nearly every document
        found = []
        while at >= 0:
            if at % _ENTRY == 0:
                found.append(int.from_bytes(bucket[at + _MARK : at + _ENTRY]))
            at = bucket.find(mark, at + 1)
        return found

    def add(self, entry: tuple[bytes, int]) -> None:
        """Gives a key a further number."""
        key, number = entry
        mark = key[:_MARK]
        self._buckets[self._place(mark)] += mark + number.to_bytes(_NUMBER)
        self._count += 1
        if self._count > _FULL * len(self._buckets):
            self._split()

    def remove(self, entry: tuple[bytes, int]) -> None:
        """Takes a number of a key away again. Raises ValueError where it has none."""
        key, number = entry
        mark = key[:_MARK]
        place, sought = self._place(mark), mark + number.to_bytes(_NUMBER)
        bucket = self._buckets[place]
        at = bucket.index(sought)
        while at % _ENTRY:
            at = bucket.index(sought, at + 1)
        self._buckets[place] = bucket[:at] + bucket[at + _ENTRY :]
        self._count -= 1

    def _place(self, mark: bytes) -> int:
        place = int.from_bytes(mark) & self._mask
        return place if place < len(self._buckets) else place & (self._mask >> 1)

    def _split(self) -> None:
        """Shares the entries of one bucket with a new one."""
        new = len(self._buckets)
        if new > self._mask:
            self._mask = 2 * self._mask + 1
        old = new & (self._mask >> 1)
        bucket, self._buckets[old] = self._buckets[old], b""
        self._buckets.append(b"")
        for at in range(0, len(bucket), _ENTRY):
            self._buckets[self._place(bucket[at : at + _MARK])] += bucket[at : at + _ENTRY]
