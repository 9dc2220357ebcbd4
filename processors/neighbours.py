"""Which of many signatures are near one: locality-sensitive hashing over MinHash (Indyk and Motwani 1998).

Two signatures are compared where one of 16 bands of 4 bytes is equal: at a similarity of 0.5 that finds 64 %
of the pairs, at 0.6 89 %, at 0.7 99 %, at 0.9 all; of unrelated texts (0.1) it compares 1 in 600. Whether two
signatures are neighbours depends on the two alone, so that what is built on it cannot depend on arrival order.
"""

import struct
from typing import Final

import numpy as np

from processors.signatures import PERMUTATIONS, similarities

_BANDS: Final = 16
_bands_of: Final = struct.Struct(f"<{_BANDS}I").unpack


class Neighbours:
    """An index of signatures."""

    __slots__ = ("_tables", "_threshold")

    def __init__(self, threshold: float) -> None:
        """An empty index; `threshold` is the estimated Jaccard similarity from which two signatures are near."""
        self._threshold = threshold
        # Most bands belong to one signature alone, which is then kept bare to save memory.
        self._tables: tuple[dict[int, str | tuple[str, ...]], ...] = tuple({} for _ in range(_BANDS))

    def add(self, signature: str) -> None:
        """Takes in a signature that is not in the index."""
        for table, band in zip(self._tables, _bands_of(bytes.fromhex(signature))):
            if band not in table:
                table[band] = signature
            else:
                held = table[band]
                table[band] = (held, signature) if isinstance(held, str) else (*held, signature)

    def remove(self, signature: str) -> None:
        """Takes out a signature that is in the index."""
        for table, band in zip(self._tables, _bands_of(bytes.fromhex(signature))):
            held = table[band]
            if isinstance(held, str):
                del table[band]
            else:
                rest = tuple(other for other in held if other != signature)
                table[band] = rest[0] if len(rest) == 1 else rest

    def near(self, signature: str) -> list[str]:
        """The signatures near `signature`, itself left out, in no particular order."""
        raw = bytes.fromhex(signature)
        sharing = [table[band] for table, band in zip(self._tables, _bands_of(raw)) if band in table]
        found = {other for held in sharing for other in ((held,) if isinstance(held, str) else held)} - {signature}
        if not found:
            return []
        candidates = list(found)
        packed = np.frombuffer(bytes.fromhex("".join(candidates)), dtype=np.uint8).reshape(-1, PERMUTATIONS)
        alike = similarities(np.frombuffer(raw, dtype=np.uint8), packed) >= self._threshold
        return [candidate for candidate, is_near in zip(candidates, alike.tolist(), strict=True) if is_near]
