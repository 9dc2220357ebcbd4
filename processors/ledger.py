"""Which documents each owner has counted: exact identities, and where each novel one was counted."""

import hashlib
import struct
import sys
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

from processors.messages import DocumentSummary
from processors.packed_table import PackedTable
from processors.seasons import HOUR
from processors.state import Changes, fitted, sealed

_CHUNK: Final = 150  # entries of a piece: below 64 KiB whatever the names
_KEY: Final = 16
_ENTRY: Final = struct.Struct(f"<{_KEY}siBB")
"""A document: its key, its second after the hour that it is remembered from, its weight, and which of the chunk's series it
counts in, from 1 on; 0 for what is not novel."""

_MARK: Final = 4  # bytes of a key by which its chunk is found
_NUMBER: Final = 5  # bytes: more numbers of chunks than can be given in a lifetime
_SHARED: Final = 100_000  # lists of series of which one copy is kept at hand


def key_of(identity: str) -> str:
    """The key of a document's identity: 128 bits of BLAKE2b in hex, so that pieces are bounded whatever the ids."""
    return hashlib.blake2b(identity.encode("utf-8", "surrogatepass"), digest_size=_KEY).hexdigest()


def origin_of(document: DocumentSummary, key: str) -> str:
    """What counts once in a window: the author of a social text; each text of a newsroom, and of nobody known."""
    return key if document.author is None or document.kind == "news" else key_of(document.author)


class Counted(NamedTuple):
    """A novel document: its second, its weight (0 when it does not lean towards the polarity), and the series that it
    counts in."""

    second: int
    weight: int
    series: tuple[str, ...]


class _Chunk(NamedTuple):
    """Up to 150 documents of an owner that are remembered from one hour on, packed: there are millions of them."""

    owner: str
    hour: int
    number: int
    entries: bytes = b""
    series: tuple[tuple[str, ...], ...] = ()

    @property
    def name(self) -> str:
        return f"{self.owner}/{self.hour}/{self.number}"

    def find(self, key: bytes) -> int:
        """Where the entry of `key` begins; −1 where there is none."""
        at = self.entries.find(key)
        while at % _ENTRY.size and at >= 0:
            at = self.entries.find(key, at + 1)
        return at

    def all_keys(self) -> Iterator[bytes]:
        """The keys of all entries."""
        for at in range(0, len(self.entries), _ENTRY.size):
            yield self.entries[at : at + _KEY]

    def at(self, position: int) -> Counted | None:
        """Where the document whose entry begins there counts; None when it is not novel."""
        _, second, weight, which = _ENTRY.unpack_from(self.entries, position)
        return Counted(self.hour * HOUR + second, weight, self.series[which - 1]) if which else None

    def with_entry(self, key: bytes, counted: Counted | None, series: tuple[str, ...]) -> "_Chunk":
        """The chunk and one more document, which counts in `series` if it is novel."""
        owner, hour, number, entries, listed = self
        if counted is None:
            return _Chunk(owner, hour, number, entries + _ENTRY.pack(key, 0, 0, 0), listed)
        entry = _ENTRY.pack(key, counted.second - hour * HOUR, counted.weight, len(listed) + 1)
        return _Chunk(owner, hour, number, entries + entry, (*listed, series))

    def without(self, position: int) -> "_Chunk":
        """The chunk when the document whose entry begins there is no longer novel."""
        key, end = self.entries[position : position + _KEY], position + _ENTRY.size
        return self._replace(entries=self.entries[:position] + _ENTRY.pack(key, 0, 0, 0) + self.entries[end:])


class Ledger:
    """The documents that owners have counted. A piece is a chunk of an owner's hour: ``identities/OWNER/HOUR/NUMBER``."""

    prefix: Final = "identities"

    def __init__(self, changes: Changes) -> None:
        """Nothing is known."""
        self._changes = changes
        self._chunks: dict[int, _Chunk] = {}
        self._latest = 0  # of the numbers in memory that chunks were given
        self._index = PackedTable(_MARK + _NUMBER)  # the beginning of a key → its chunk; the key itself is there
        self._hours: dict[int, dict[str, tuple[int, ...]]] = {}  # hour → owner → chunks; 0: none
        self._series: dict[tuple[str, ...], tuple[str, ...]] = {}

    def knows(self, key: str, *owners: str) -> bool:
        """Whether one of `owners` has counted the document of `key`."""
        raw = bytes.fromhex(key)
        if not self._index.find(raw[:_MARK]):
            return False  # as for nearly every document
        numbers = self._candidates(raw)
        return any(self._find(owner, raw, numbers) is not None for owner in owners)

    def get(self, owner: str, key: str) -> Counted | None:
        """Where a novel document counts; None when it is unknown, or not (any more) novel."""
        raw = bytes.fromhex(key)
        found = self._find(owner, raw, self._candidates(raw))
        return None if found is None else self._chunks[found[0]].at(found[1])

    def add(self, owner: str, key: str, hour: int, counted: Counted | None) -> None:
        """Notes a new document, to be remembered from `hour` on."""
        owners = self._hours.setdefault(hour, {})
        numbers = owners.get(owner, ())
        chunk = self._chunks[numbers[-1]] if numbers else None
        if chunk is None or len(chunk.entries) >= _CHUNK * _ENTRY.size:
            self._latest += 1
            chunk = _Chunk(sys.intern(owner), hour, len(numbers))
            numbers = (*numbers, self._latest)
            self._changes.put(owners, chunk.owner, numbers)
        raw = bytes.fromhex(key)
        self._changes.put(self._chunks, numbers[-1], chunk.with_entry(raw, counted, self._shared(counted)))
        self._changes.call(self._index.add, self._index.remove, _place_of(raw, numbers[-1]))
        self._changes.mark(f"identities/{owner}/{hour}/{chunk.number}")

    def displace(self, owner: str, key: str) -> Counted | None:
        """Notes that a document is no longer novel, and tells where it counted."""
        raw = bytes.fromhex(key)
        found = self._find(owner, raw, self._candidates(raw))
        if found is None:
            return None
        number, at = found
        chunk = self._chunks[number]
        counted = chunk.at(at)
        if counted is not None:
            self._changes.put(self._chunks, number, chunk.without(at))
            self._changes.mark(f"identities/{chunk.name}")
        return counted

    def expire(self, hour: int) -> None:
        """Forgets what was noted before `hour`."""
        for then in [then for then in self._hours if then < hour]:
            for numbers in self._hours[then].values():
                for number in filter(None, numbers):
                    chunk = self._chunks[number]
                    self._changes.call(self._leave_out, self._take_in, (number, chunk))
                    self._changes.drop(self._chunks, number)
                    self._changes.mark(f"identities/{chunk.name}")
            self._changes.drop(self._hours, then)

    def names(self) -> list[str]:
        """The names of all chunks, sorted."""
        return sorted(chunk.name for chunk in self._chunks.values())

    def read(self, name: str) -> bytes | None:
        """One chunk as JSON; None when there is none."""
        owner, hour, number = name.rsplit("/", 2)
        numbers = self._hours.get(int(hour), {}).get(owner, ())
        chunk = self._chunks.get(numbers[int(number)]) if int(number) < len(numbers) else None
        if chunk is None:
            return None
        return sealed(
            self.prefix, {key.hex(): chunk.at(place * _ENTRY.size) for place, key in enumerate(chunk.all_keys())}
        )

    def write(self, name: str, content: bytes) -> None:
        """Puts a restored chunk. Raises InvariantError when it does not fit."""
        owner, hour, place = name.rsplit("/", 2)
        chunk = _Chunk(sys.intern(owner), int(hour), int(place))
        chunk = fitted(f"identities/{name}", content, lambda packed: self._filled(chunk, packed))
        self._latest += 1
        owners = self._hours.setdefault(chunk.hour, {})
        numbers = [*owners.get(owner, ())]
        numbers += [0] * (chunk.number + 1 - len(numbers))
        numbers[chunk.number] = self._latest
        owners[chunk.owner] = tuple(numbers)
        self._chunks[self._latest] = chunk
        self._take_in((self._latest, chunk))

    def _filled(self, chunk: _Chunk, packed: Any) -> _Chunk:
        """`chunk` with what was read. Raises ValueError where it does not fit."""
        try:
            for key, at in dict(packed).items():
                raw = bytes.fromhex(key)
                if len(raw) != _KEY:
                    raise ValueError(f"a key has {2 * _KEY} hex digits, not {key!r}")
                counted = None if at is None else Counted(at[0], at[1], tuple(at[2]))
                chunk = chunk.with_entry(raw, counted, self._shared(counted))
        except struct.error as error:
            raise ValueError(str(error)) from error
        return chunk

    def _candidates(self, raw: bytes) -> Sequence[int]:
        """The chunks with a key, and with them, once in a while, one with a key that begins alike."""
        found = self._index.find(raw[:_MARK])
        return [int.from_bytes(number) for number in found] if found else ()

    def _find(self, owner: str, raw: bytes, numbers: Sequence[int]) -> tuple[int, int] | None:
        """The chunk, of `numbers`, in which `owner` has a document, and where in it."""
        for number in numbers:
            chunk = self._chunks[number]
            if chunk.owner == owner and (at := chunk.find(raw)) >= 0:
                return number, at
        return None

    def _shared(self, counted: Counted | None) -> tuple[str, ...]:
        """The series that a document counts in; of each list of them there is one copy for all documents."""
        if counted is None:
            return ()
        if len(self._series) >= _SHARED:
            self._series.clear()  # costs nothing but memory
        return self._series.setdefault(counted.series, counted.series)

    def _take_in(self, numbered: tuple[int, _Chunk]) -> None:
        for key in numbered[1].all_keys():
            self._index.add(_place_of(key, numbered[0]))

    def _leave_out(self, numbered: tuple[int, _Chunk]) -> None:
        for key in numbered[1].all_keys():
            self._index.remove(_place_of(key, numbered[0]))


def _place_of(key: bytes, number: int) -> bytes:
    return key[:_MARK] + number.to_bytes(_NUMBER)
