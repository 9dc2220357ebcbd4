"""Which of many signatures are near one: locality-sensitive hashing over MinHash (Indyk and Motwani 1998).

Two signatures are compared where one of 16 bands of 4 bytes is equal: at a similarity of 0.5 that finds 64 %
of the pairs, at 0.6 89 %, at 0.7 99 %, at 0.9 all; of unrelated texts (0.1) it compares 1 in 600. Whether two
signatures are neighbours depends on the two alone, so that what is built on it cannot depend on arrival order.
"""

import struct
from itertools import repeat
from typing import Final

from processors.signatures import PERMUTATIONS, similarity, unhexed

_BANDS: Final = 16
_bands_of: Final = struct.Struct(f"<{_BANDS}I").unpack


class Neighbours:
    """An index of signatures."""

    __slots__ = ("_least", "_tables")

    def __init__(self, threshold: float) -> None:
        """An empty index; `threshold` ≤ 1 is the estimated Jaccard similarity from which two signatures are near."""
        self._least = next(equal for equal in range(PERMUTATIONS + 1) if similarity(equal) >= threshold)
        # Most bands belong to one signature alone, which is then kept bare to save memory.
        self._tables: tuple[dict[int, str | tuple[str, ...]], ...] = tuple({} for _ in range(_BANDS))

    def add(self, signature: str) -> list[str]:
        """Takes in a signature that is not in the index; gives those near it, in no particular order.

        Raises ValueError for what is not a signature; nothing changed then.
        """
        raw = unhexed(signature)
        bands = _bands_of(raw)
        # One look for both purposes, in C: this is the costliest line of a mention.
        found = list(map(dict.setdefault, self._tables, bands, repeat(signature)))
        if found.count(signature) == _BANDS:
            return []
        sharing: set[str] = set()
        for table, band, held in zip(self._tables, bands, found):
            if held is not signature:
                others = (held,) if isinstance(held, str) else held
                table[band] = (*others, signature)
                sharing.update(others)
        return self._near(raw, sharing)

    def remove(self, signature: str) -> None:
        """Takes out a signature that is in the index."""
        bands = _bands_of(unhexed(signature))
        found = list(map(dict.pop, self._tables, bands))
        if found.count(signature) == _BANDS:
            return
        for table, band, held in zip(self._tables, bands, found):
            if not isinstance(held, str):
                rest = tuple(other for other in held if other != signature)
                table[band] = rest[0] if len(rest) == 1 else rest

    def near(self, signature: str) -> list[str]:
        """The signatures near one in the index, itself left out, in no particular order."""
        raw = unhexed(signature)
        sharing: set[str] = set()
        for table, band in zip(self._tables, _bands_of(raw)):
            held = table[band]
            if not isinstance(held, str):
                sharing.update(held)
        sharing.discard(signature)
        return self._near(raw, sharing)

    def _near(self, raw: bytes, candidates: set[str]) -> list[str]:
        """Those of `candidates` of which enough bytes are equal: the zeros in the exclusive or of the two."""
        one, least = int.from_bytes(raw), self._least
        return [
            candidate for candidate in candidates if (one ^ int(candidate, 16)).to_bytes(PERMUTATIONS).count(0) >= least
        ]
