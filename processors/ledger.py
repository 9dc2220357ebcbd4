"""Which documents each owner has counted: exact identities, and where each novel one was counted."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, Self

from processors.state import Table

_CHUNK: Final = 150  # entries of a piece: below 64 KiB whatever the names


def key_of(identity: str) -> str:
    """The key of a document's identity: 128 bits of BLAKE2b in hex, so that pieces are bounded whatever the ids."""
    return hashlib.blake2b(identity.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


class Counted(NamedTuple):
    """A novel document: its second, whether it is of the polarity, and the series that it counts in."""

    second: int
    negative: bool
    series: tuple[str, ...]


@dataclass(slots=True)
class Chunk:
    """Some of the documents of an owner within an hour; None for those that are not, or no longer, novel."""

    documents: dict[str, Counted | None] = field(default_factory=dict)

    def copy(self) -> Self:
        """A copy that shares nothing mutable."""
        return type(self)({**self.documents})

    def pack(self) -> Any:
        """JSON-ready content."""
        return self.documents

    @classmethod
    def unpack(cls, packed: Any) -> Self:
        """The chunk whose `pack()` this is."""
        return cls(
            {
                key: None if counted is None else Counted(counted[0], counted[1], tuple(counted[2]))
                for key, counted in packed.items()
            }
        )


class Ledger:
    """The documents that owners have counted, in chunks by hour."""

    def __init__(self) -> None:
        self.chunks: Table[Chunk] = Table("identities", Chunk)
        self._where: dict[str, dict[str, str]] = {}  # owner → key → chunk
        self._open: dict[str, tuple[int, int]] = {}  # "owner/hour" → number of the chunk being filled, its entries
        self._hours: dict[int, list[str]] = {}  # hour → chunks

    def knows(self, owner: str, key: str) -> bool:
        """Whether `owner` has counted the document of `key`."""
        return key in self._where.get(owner, ())

    def get(self, owner: str, key: str) -> Counted | None:
        """Where a novel document counts; None when it is unknown or not novel."""
        name = self._where.get(owner, {}).get(key)
        chunk = self.chunks.get(name) if name is not None else None
        return chunk.documents[key] if chunk is not None else None

    def add(self, owner: str, key: str, hour: int, counted: Counted | None) -> None:
        """Notes a new document, to be remembered from `hour` on."""
        place = f"{owner}/{hour}"
        number, entries = self._open.get(place, (0, 0))
        if entries >= _CHUNK:
            number, entries = number + 1, 0
        name = f"{place}/{number}"
        self.chunks.touch(name, Chunk).documents[key] = counted
        self._open[place] = number, entries + 1
        self._where.setdefault(owner, {})[key] = name
        if not entries:
            self._hours.setdefault(hour, []).append(name)

    def displace(self, owner: str, key: str) -> Counted | None:
        """Notes that a document is no longer novel, and tells where it counted."""
        counted = self.get(owner, key)
        if counted is not None:
            self.chunks.touch(self._where[owner][key], Chunk).documents[key] = None
        return counted

    def expire(self, hour: int) -> None:
        """Forgets what was noted before `hour`."""
        for old in [h for h in self._hours if h < hour]:
            for name in self._hours.pop(old):
                owner = name.rsplit("/", 2)[0]
                chunk = self.chunks.get(name)
                known = self._where[owner]
                for key in chunk.documents if chunk is not None else ():
                    del known[key]
                if not known:
                    del self._where[owner]
                self._open.pop(f"{owner}/{old}", None)
                self.chunks.drop(name)

    def rebuild(self) -> None:
        """Derives the index from the chunks: after a restore, and after changes were taken back."""
        self._where, self._open, self._hours = {}, {}, {}
        for name in self.chunks.names():
            owner, hour, number = name.rsplit("/", 2)
            documents = self.chunks[name].documents
            known = self._where.setdefault(owner, {})
            known.update(dict.fromkeys(documents, name))
            place = f"{owner}/{hour}"
            if place not in self._open or int(number) > self._open[place][0]:
                self._open[place] = int(number), len(documents)
            self._hours.setdefault(int(hour), []).append(name)

    def commit(self) -> Iterator[str]:
        """Makes changes final and gives their keys."""
        return self.chunks.commit()
