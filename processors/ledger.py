"""Which documents each owner has counted: exact identities, and where each novel one was counted."""

import hashlib
from typing import Any, Final, NamedTuple

from processors.messages import DocumentSummary
from processors.state import Changes, fitted, sealed

_CHUNK: Final = 150  # entries of a piece: below 64 KiB whatever the names


def key_of(identity: str) -> str:
    """The key of a document's identity: 128 bits of BLAKE2b in hex, so that pieces are bounded whatever the ids."""
    return hashlib.blake2b(identity.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def origin_of(document: DocumentSummary, key: str) -> str:
    """What counts once in a window: the author of a social text; each text of a newsroom, and of nobody known."""
    return key if document.author is None or document.kind == "news" else key_of(document.author)


class Counted(NamedTuple):
    """A novel document: its second, its weight (0 when it does not lean towards the polarity), and the series that it
    counts in."""

    second: int
    weight: int
    series: tuple[str, ...]


class Ledger:
    """The documents that owners have counted. A piece is a chunk of an owner's hour: ``identities/OWNER/HOUR/NUMBER``."""

    prefix: Final = "identities"

    def __init__(self, changes: Changes) -> None:
        """Nothing is known."""
        self._changes = changes
        self._chunks: dict[str, dict[str, Counted | None]] = {}
        self._where: dict[str, dict[str, str]] = {}  # owner → key → chunk
        self._filling: dict[str, str] = {}  # "owner/hour" → the chunk being filled
        self._hours: dict[int, dict[str, None]] = {}  # hour → its chunks

    def knows(self, owner: str, key: str) -> bool:
        """Whether `owner` has counted the document of `key`."""
        return key in self._where.get(owner, ())

    def get(self, owner: str, key: str) -> Counted | None:
        """Where a novel document counts; None when it is unknown, or not (any more) novel."""
        name = self._where.get(owner, {}).get(key)
        return None if name is None else self._chunks[name][key]

    def add(self, owner: str, key: str, hour: int, counted: Counted | None) -> None:
        """Notes a new document, to be remembered from `hour` on."""
        place = f"{owner}/{hour}"
        name = self._filling.get(place)
        if name is None or len(self._chunks[name]) >= _CHUNK:
            number = 0 if name is None else int(name.rpartition("/")[2]) + 1
            name = f"{place}/{number}"
            self._changes.put(self._filling, place, name)
            self._changes.put(self._chunks, name, {})
            self._changes.put(self._hours.setdefault(hour, {}), name, None)
        self._changes.put(self._chunks[name], key, counted)
        self._changes.put(self._where.setdefault(owner, {}), key, name)
        self._changes.mark(f"identities/{name}")

    def displace(self, owner: str, key: str) -> Counted | None:
        """Notes that a document is no longer novel, and tells where it counted."""
        counted = self.get(owner, key)
        if counted is not None:
            name = self._where[owner][key]
            self._changes.put(self._chunks[name], key, None)
            self._changes.mark(f"identities/{name}")
        return counted

    def expire(self, hour: int) -> None:
        """Forgets what was noted before `hour`."""
        for then in [then for then in self._hours if then < hour]:
            for name in self._hours[then]:
                owner = name.rsplit("/", 2)[0]
                for key in self._chunks[name]:
                    self._changes.drop(self._where[owner], key)
                if not self._where[owner]:
                    self._changes.drop(self._where, owner)
                self._changes.drop(self._filling, f"{owner}/{then}")
                self._changes.drop(self._chunks, name)
                self._changes.mark(f"identities/{name}")
            self._changes.drop(self._hours, then)

    def names(self) -> list[str]:
        """The names of all chunks, sorted."""
        return sorted(self._chunks)

    def read(self, name: str) -> bytes | None:
        """One chunk as JSON; None when there is none."""
        chunk = self._chunks.get(name)
        return None if chunk is None else sealed(self.prefix, chunk)

    def write(self, name: str, content: bytes) -> None:
        """Puts a restored chunk. Raises InvariantError when it does not fit."""
        owner, hour, number = name.rsplit("/", 2)
        chunk = self._chunks[name] = fitted(f"identities/{name}", content, _unpacked)
        self._hours.setdefault(int(hour), {})[name] = None
        self._where.setdefault(owner, {}).update(dict.fromkeys(chunk, name))
        place = f"{owner}/{hour}"
        if int(number) >= int(self._filling.get(place, "0").rpartition("/")[2]):
            self._filling[place] = name


def _unpacked(packed: Any) -> dict[str, Counted | None]:
    return {
        key: None if counted is None else Counted(counted[0], counted[1], tuple(counted[2]))
        for key, counted in packed.items()
    }
