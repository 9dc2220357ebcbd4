"""Input documents from files: JSONL, plain or gzip, one line a record, any size, in bounded memory.

A line that cannot be read costs that line; a file that ends early costs what it lost. Both are told: the first as a dead
letter in the stream, the second as an error after everything that could be read.
"""

import gzip
import hashlib
import heapq
import pickle
import zlib
from codecs import BOM_UTF8
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from io import BufferedReader
from operator import itemgetter
from pathlib import Path
from tempfile import NamedTemporaryFile, TemporaryDirectory
from typing import Any, Final, Generic, TypeVar

from processors.errors import ConfigurationError, PoisonError
from processors.messages import DeadLetter, Document, Origin
from streams.codec import EARLIEST, MAX_RECORD_BYTES, decode_document, too_large
from streams.deadletters import KEPT_BYTES, dead_letter

RUN_RECORDS: Final = 20_000
RUN_BYTES: Final = 16 * 1024 * 1024
"""Sorted in memory at once: whichever is reached first."""

MERGED_RUNS: Final = 64
PROGRESS_RECORDS: Final = 256

Progress = Callable[[int], None]
"""Told how many more bytes of the files (as stored) were read."""

T = TypeVar("T")

Shape = Callable[[Document | DeadLetter, bytes], T]
"""What is kept of a record: made of what it says, or why it is refused, and of its bytes (none of one over the limit)."""

Key = tuple[datetime, str, str, int, int]
Entry = tuple[Key, Any]

_KEY: Final = itemgetter(0)


@dataclass(frozen=True, slots=True)
class RawRecord:
    """One line as it stands in the file, without its line end."""

    origin: Origin
    raw: bytes


def read_records(path: Path, place: str, progress: Progress | None = None) -> Iterator[RawRecord | DeadLetter]:
    """The lines of `path` with their origin: `place`, 0, line number from 0. Blank lines are passed over.

    Gzip is told by its first bytes. A line over 1 MiB becomes a dead letter without being held in memory. Raises
    ConfigurationError where the file cannot be opened, or, after the last readable line, where it is damaged.
    """
    line = 0
    try:
        with path.open("rb") as file, _uncompressed(file) as stream:
            reported = 0
            while raw := stream.readline(len(BOM_UTF8) + MAX_RECORD_BYTES + 2):
                origin = Origin(place, 0, line)
                raw = raw.removeprefix(BOM_UTF8) if line == 0 else raw
                record = raw.rstrip(b"\r\n")
                if len(record) > MAX_RECORD_BYTES:
                    yield oversized(stream, raw, origin)
                elif record.strip():
                    yield RawRecord(origin, record)
                line += 1
                if progress is not None and line % PROGRESS_RECORDS == 0 and file.seekable():
                    progress((position := file.tell()) - reported)
                    reported = position
            if progress is not None and file.seekable():
                progress(file.tell() - reported)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ConfigurationError(
            f"{path}: damaged after line {line}: {error}; the lines before it were read, get the file again for the rest"
        ) from None
    except OSError as error:
        raise ConfigurationError(f"cannot read {path}: {error.strerror or error}") from None


@dataclass(frozen=True)
class Ordered(Generic[T]):
    """What was kept of each record, by (published_at, source, id) of documents; iterate as often as you like.

    `damage` says which of the files were damaged, where, and that only what stood before is here.
    """

    damage: tuple[str, ...]
    _count: int
    _runs: tuple[Path, ...]
    _last_run: tuple[Entry, ...]
    _folder: TemporaryDirectory[str]

    def __len__(self) -> int:
        """Documents and refused records together."""
        return self._count

    def __iter__(self) -> Iterator[T]:
        """All of them, in order."""
        for _, item in _merge(self._runs, self._last_run):
            yield item


def ordered(
    paths: Sequence[Path], *, now: datetime | None = None, progress: Progress | None = None
) -> Ordered[Document | DeadLetter]:
    """The documents of `paths` (JSONL or gzip), and the dead letters of what was none, in order of event time.

    As `ordered_as` says.
    """
    return ordered_as(paths, lambda item, raw: item, now=now, progress=progress)


def ordered_as(
    paths: Sequence[Path], shape: Shape[T], *, now: datetime | None = None, progress: Progress | None = None
) -> Ordered[T]:
    """The `shape` of every record of `paths` (JSONL or gzip), read now, in order of event time.

    The same identity twice keeps the order of files and lines. A dead letter stands behind the document before it
    in its file. Sorted runs are spilled to temporary files, so that memory does not grow with the input. With `now`,
    documents published later are refused (see `decode_document`). Raises ConfigurationError for a file that cannot
    be opened; one that is damaged within gives what was readable, and an entry in `damage`.
    """
    for path in paths:
        _check_readable(path)
    folder = TemporaryDirectory(prefix="tocsin-", ignore_cleanup_errors=True)
    runs: list[Path] = []
    damage: list[str] = []
    run: list[Entry] = []
    count = size = 0
    for entry, length in _entries(paths, shape, now, progress, damage):
        run.append(entry)
        count += 1
        size += length
        if len(run) == RUN_RECORDS or size > RUN_BYTES:
            runs.append(_write_run(sorted(run, key=_KEY), folder.name))
            run, size = [], 0
        if len(runs) == MERGED_RUNS:
            merged = _write_run(_merge(runs), folder.name)
            for path in runs:
                path.unlink()
            runs = [merged]
    return Ordered(tuple(damage), count, tuple(runs), tuple(sorted(run, key=_KEY)), folder)


def _entries(
    paths: Sequence[Path], shape: Shape[T], now: datetime | None, progress: Progress | None, damage: list[str]
) -> Iterator[tuple[Entry, int]]:
    """Each record of each file with its key and its length; what is wrong with a whole file goes to `damage`."""
    names = Counter(path.name for path in paths)
    for number, path in enumerate(paths):
        place = path.name if names[path.name] == 1 else str(path)
        before = (EARLIEST, "", "")
        try:
            for record in read_records(path, place, progress):
                if isinstance(record, DeadLetter):
                    yield ((*before, number, record.origin.offset), shape(record, b"")), KEPT_BYTES
                    continue
                item = _decode(record, now)
                if isinstance(item, Document):
                    before = (item.published_at, item.source, item.id)
                yield ((*before, number, record.origin.offset), shape(item, record.raw)), len(record.raw)
        except ConfigurationError as error:
            damage.append(str(error))


def _decode(record: RawRecord, now: datetime | None) -> Document | DeadLetter:
    try:
        return decode_document(record.raw, now=now)
    except PoisonError as error:
        return dead_letter("enrich", error, record.origin, record.raw)


def oversized(stream: BufferedReader | gzip.GzipFile, start: bytes, origin: Origin) -> DeadLetter:
    """The dead letter of a line of which `start` is read; reads on to its end without keeping it."""
    digest = hashlib.sha256()
    length = 0
    part, held = start, b""
    while part:
        ended = part.endswith(b"\n")
        content = (held + part).rstrip(b"\r\n")
        held = (held + part)[len(content) :]  # a line end, or the first half of one
        digest.update(content)
        length += len(content)
        part = b"" if ended else stream.readline(MAX_RECORD_BYTES)
    letter = dead_letter("enrich", too_large(length), origin, start[:KEPT_BYTES])
    return replace(letter, sha256=digest.hexdigest(), length=length)


def _uncompressed(file: BufferedReader) -> BufferedReader | gzip.GzipFile:
    return gzip.GzipFile(fileobj=file) if file.peek(2)[:2] == b"\x1f\x8b" else file


def _check_readable(path: Path) -> None:
    try:
        path.open("rb").close()
    except OSError as error:
        raise ConfigurationError(f"cannot read {path}: {error.strerror}") from None


def _merge(runs: Sequence[Path], last: Iterable[Entry] = ()) -> Iterator[Entry]:
    return heapq.merge(*map(_read_run, runs), last, key=_KEY)


def _write_run(entries: Iterable[Entry], folder: str) -> Path:
    with NamedTemporaryFile(dir=folder, delete=False) as file:
        for entry in entries:
            pickle.dump(entry, file, pickle.HIGHEST_PROTOCOL)
    return Path(file.name)


def _read_run(path: Path) -> Iterator[Entry]:
    with path.open("rb") as file:
        while file.peek(1):
            yield pickle.load(file)
