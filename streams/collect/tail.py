"""A file that is appended to, a document a line: read on from where it was left, through rotation and truncation.

A file is known by its first line, wherever it has been moved or copied to; so the rest of one that was rotated, or copied
and emptied (copytruncate), is read before the file that took its name. A line counts once its end is there; the last one of
a file that was rotated also without. What was moved where its name does not begin with the file's, or compressed, before it
was read is not found again: that is told (`lost-place`), and reading goes on with the file that has the name.
"""

import hashlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from io import BufferedReader
from pathlib import Path
from typing import Any, Final

from processors.messages import Origin
from streams.codec import MAX_RECORD_BYTES
from streams.collect.declared import Source
from streams.collect.records import record_of_line
from streams.collect.sender import Outgoing, Outlets
from streams.files import oversized

BATCH_LINES: Final = 500
BATCH_BYTES: Final = 4 * 1024 * 1024

_KNOWN_BY: Final = 4096
_ROTATED: Final = re.compile(r"[.\-_][0-9][0-9T:.\-_]*")


@dataclass(frozen=True, slots=True)
class Batch:
    """Lines read at once. `cursor` is where to go on once `records` are acknowledged; `behind` the bytes not read yet,
    `lost` whether what was being read is gone."""

    records: list[Outgoing]
    cursor: dict[str, Any]
    behind: int
    lost: bool = False


@dataclass(frozen=True, slots=True)
class _Place:
    """A file, what it is known by, and its status."""

    path: Path
    known: str
    status: os.stat_result


def read_on(source: Source, outlets: Outlets, cursor: dict[str, Any], now: datetime) -> Batch | None:
    """The next lines of the file of `source` after `cursor` (empty: from its beginning); None where there is no more.

    Raises OSError where the file cannot be read.
    """
    path = Path(source.path)
    known, offset = cursor.get("file", ""), int(cursor.get("offset", 0))
    place, lost = None, False
    if known:
        place = _find(path, known, offset, int(cursor.get("inode", 0)))
        lost = place is None
    if place is None:
        place, offset = _place(path), 0
        if place is None:
            return None  # there is nothing, or no whole line yet
    line = int(cursor.get("line", 0)) if offset else 0
    follower = _follower(path, place) if place.path != path else None
    records, end, lines = _read(source, outlets, place, offset, line, now, final=follower is not None)
    if follower is not None and end >= place.status.st_size:
        go_on = {"file": follower.known, "inode": follower.status.st_ino, "offset": 0, "line": 0}
        return Batch(records, go_on, follower.status.st_size, lost)
    if not records and not lost:
        return None
    go_on = {"file": place.known, "inode": place.status.st_ino, "offset": end, "line": lines}
    return Batch(records, go_on, max(0, place.status.st_size - end), lost)


def _read(
    source: Source, outlets: Outlets, place: _Place, offset: int, line: int, now: datetime, *, final: bool
) -> tuple[list[Outgoing], int, int]:
    """Records from `offset` on, where they end, and the number of the next line; `final`: nothing will be appended."""
    records: list[Outgoing] = []
    with place.path.open("rb") as file:
        file.seek(offset)
        start = offset
        while len(records) < BATCH_LINES and start - offset < BATCH_BYTES:
            raw = file.readline(MAX_RECORD_BYTES + 2)
            origin = Origin(source.path, 0, line)
            letter = None
            if len(raw.rstrip(b"\r\n")) > MAX_RECORD_BYTES:
                letter = oversized(file, raw, origin)
            if not raw or not (final or _ended(file)):
                break
            start = file.tell()
            line += 1
            mark = f"{place.known}:{start}"
            if letter is not None:
                records.append(outlets.letter(mark, letter))
            elif raw.strip():
                records.append(record_of_line(outlets, source, mark, raw.rstrip(b"\r\n"), origin, now))
    return records, start, line


def _ended(file: BufferedReader) -> bool:
    """Whether what was read last ends a line."""
    file.seek(-1, os.SEEK_CUR)
    return file.read(1) == b"\n"


def _find(path: Path, known: str, offset: int, inode: int) -> _Place | None:
    """The file that is known by `known` and is long enough: under its own name, or where it was rotated to."""
    places = [place for candidate in (path, *_siblings(path)) if (place := _place(candidate))]
    found = [place for place in places if place.known == known and place.status.st_size >= offset]
    return min(found, key=lambda place: place.status.st_ino != inode, default=None)


def _follower(path: Path, done: _Place) -> _Place | None:
    """What was begun after the rotated file `done`: others that were rotated since, oldest first, then `path`."""
    others = [place for sibling in _siblings(path) if (place := _place(sibling))]
    later = [
        place for place in others if place.status.st_mtime_ns > done.status.st_mtime_ns and place.known != done.known
    ]
    current = _place(path)
    return min(later, key=lambda place: place.status.st_mtime_ns, default=current)


def _siblings(path: Path) -> Iterator[Path]:
    """Files beside `path` that have its name with a number or date behind it."""
    for name in sorted(os.listdir(path.parent)) if path.parent.is_dir() else ():
        if name.startswith(path.name) and _ROTATED.fullmatch(name[len(path.name) :]):
            yield path.parent / name


def _place(path: Path) -> _Place | None:
    """The file at `path`, None where there is none or its first line is not whole."""
    try:
        with path.open("rb") as file:
            first = file.readline(_KNOWN_BY)
            status = os.fstat(file.fileno())
    except FileNotFoundError:
        return None
    if not first.endswith(b"\n") and len(first) < _KNOWN_BY:
        return None
    return _Place(path, hashlib.sha256(first).hexdigest()[:16], status)
