"""A file is read on from where it was left: each line once, through growth, rotation and truncation."""

import json
import os
import random
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.messages import DeadLetter
from streams.codec import MAX_RECORD_BYTES, decode, decode_document
from streams.collect.declared import Source, sources_of
from streams.collect.sender import Outlets
from streams.collect.tail import read_on
from streams.settings import Settings

NOW = datetime(2024, 5, 6, 12, tzinfo=UTC)
OUTLETS = Outlets(Settings())


def line(number: int | str, **more: Any) -> bytes:
    at = (NOW - timedelta(minutes=1)).isoformat()
    return (
        json.dumps({"id": str(number), "source": "desk", "published_at": at, "text": f"text {number}", **more}).encode()
        + b"\n"
    )


class Reader:
    """Reads a file as collect does."""

    def __init__(self, path: Path) -> None:
        entry = {"name": "desk", "kind": "social", "path": str(path), "licence": "L", "purpose": "P"}
        self.source: Source = sources_of({"source": [entry]}, "")[0]
        self.cursor: dict[str, Any] = {}
        self.lost = 0
        self.marks: set[str] = set()
        self.letters: list[DeadLetter] = []

    def read(self) -> list[str]:
        """The ids of everything that is there now."""
        ids = []
        while (batch := read_on(self.source, OUTLETS, self.cursor, NOW)) is not None:
            for record in batch.records:
                assert record.mark not in self.marks or self.lost, "a mark names one line"
                self.marks.add(record.mark)
                if record.topic == OUTLETS.letters:
                    self.letters.append(decode(DeadLetter, record.value))
                else:
                    ids.append(decode_document(record.value, "social").id)
            self.lost += batch.lost
            self.cursor = json.loads(json.dumps(batch.cursor))
        return ids


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "desk.jsonl"


def append(path: Path, *lines: bytes) -> None:
    with path.open("ab") as file:
        file.write(b"".join(lines))


def test_what_is_appended_is_read_and_a_line_counts_once_its_end_is_there(path: Path) -> None:
    reader = Reader(path)
    assert reader.read() == []
    append(path, line(1), line(2)[:10])
    assert reader.read() == ["1"]
    append(path, line(2)[10:], b"\n  \n", line(3))
    assert reader.read() == ["2", "3"]
    assert reader.read() == []


def test_a_document_carries_the_terms_of_its_source(path: Path) -> None:
    append(path, line(1, metadata={"mine": 1}))
    reader = Reader(path)
    batch = read_on(reader.source, OUTLETS, {}, NOW)
    assert batch
    [record] = batch.records
    document = decode_document(record.value, "social")
    assert document.metadata == {"mine": 1, "collected": {"licence": "L", "purpose": "P"}}
    assert record.key == b"desk/1"


def test_many_lines_come_in_batches(path: Path) -> None:
    append(path, *(line(number) for number in range(1200)))
    reader = Reader(path)
    first = read_on(reader.source, OUTLETS, {}, NOW)
    assert first and len(first.records) == 500
    assert first.behind == path.stat().st_size - first.cursor["offset"]
    assert reader.read() == [str(number) for number in range(1200)]


def test_what_is_no_document_costs_itself_and_is_told_with_its_line(path: Path) -> None:
    append(path, line(1), b"{\n", line(2, source="other"), line(3, kind="news"), b"\xff\n", line(4))
    append(path, b'{"text": "' + b"x" * MAX_RECORD_BYTES + b'"}\n', line(5))
    reader = Reader(path)
    assert reader.read() == ["1", "4", "5"]
    told = [(letter.origin.offset, letter.reason) for letter in reader.letters]
    assert told == [
        (1, "invalid-json"),
        (2, "wrong-value"),
        (3, "kind-mismatch"),
        (4, "invalid-utf8"),
        (6, "too-large"),
    ]
    assert all(letter.origin.place == str(path) for letter in reader.letters)


def test_a_line_over_the_limit_that_grows_waits_for_its_end(path: Path) -> None:
    append(path, line(1), b"x" * (MAX_RECORD_BYTES + 100))
    reader = Reader(path)
    assert reader.read() == ["1"]
    append(path, b"x" * 50 + b"\n", line(2))
    assert reader.read() == ["2"]
    [letter] = reader.letters
    assert (letter.reason, letter.length) == ("too-large", MAX_RECORD_BYTES + 150)


def test_a_file_that_was_moved_away_is_read_to_its_end_before_the_next(path: Path) -> None:
    append(path, line(1))
    reader = Reader(path)
    assert reader.read() == ["1"]
    append(path, line(2))
    path.rename(path.with_name("desk.jsonl.1"))
    append(path.with_name("desk.jsonl.1"), line(3)[:-1])  # its writer ended in the middle
    assert reader.read() == ["2"], "the last line may not be whole: nobody writes the next file yet"
    append(path, line(4))
    assert reader.read() == ["3", "4"]


def test_several_rotations_while_nobody_read_leave_no_gap(path: Path) -> None:
    append(path, line(1))
    reader = Reader(path)
    assert reader.read() == ["1"]
    for turn in range(3):
        append(path, line(f"{turn}a"), line(f"{turn}b"))
        _rotate(path)
        append(path, line(f"{turn}c"))
    expected = ["0a", "0b", "0c", "1a", "1b", "1c", "2a", "2b", "2c"]
    assert reader.read() == expected
    assert reader.lost == 0


def _rotate(path: Path) -> None:
    """As logrotate does: .1 becomes .2, and so on."""
    for number in range(8, 0, -1):
        old = path.with_name(f"{path.name}.{number}")
        if old.exists():
            old.rename(path.with_name(f"{path.name}.{number + 1}"))
    path.rename(path.with_name(f"{path.name}.1"))
    status = path.with_name(f"{path.name}.1").stat()
    _rotate.turn += 1  # type: ignore[attr-defined]
    os.utime(path.with_name(f"{path.name}.1"), ns=(status.st_atime_ns, 10**15 + _rotate.turn * 10**9))  # type: ignore[attr-defined]


_rotate.turn = 0  # type: ignore[attr-defined]


def test_copied_and_emptied_the_rest_is_read_from_the_copy(path: Path) -> None:
    append(path, line(1))
    reader = Reader(path)
    assert reader.read() == ["1"]
    append(path, line(2))
    shutil.copy(path, path.with_name("desk.jsonl.1"))
    os.truncate(path, 0)
    assert reader.read() == ["2"]
    append(path, line(3))
    assert reader.read() == ["3"]
    assert reader.lost == 0


def test_emptied_without_a_copy_reading_begins_anew_and_says_so(path: Path) -> None:
    append(path, line(1), line(2))
    reader = Reader(path)
    assert reader.read() == ["1", "2"]
    path.write_bytes(line(7))
    assert reader.read() == ["7"]
    assert reader.lost == 1
    path.write_bytes(b"".join(line(number) for number in range(20, 30)))
    assert reader.read() == [str(number) for number in range(20, 30)], "longer than before, and yet another file"


def test_a_copy_beside_the_file_is_not_read_for_it(path: Path) -> None:
    append(path, line(1))
    reader = Reader(path)
    assert reader.read() == ["1"]
    shutil.copy(path, path.with_name("desk.jsonl.1"))
    append(path, line(2))
    assert reader.read() == ["2"]
    assert reader.read() == []


@given(st.integers(0, 10**6))
def test_whatever_happens_to_a_file_each_line_comes_once_in_order(
    tmp_path_factory: pytest.TempPathFactory, seed: int
) -> None:
    rng = random.Random(seed)
    path = tmp_path_factory.mktemp("tail") / "desk.jsonl"
    reader = Reader(path)
    read: list[str] = []
    written = 0

    def write() -> None:
        nonlocal written
        for _ in range(rng.randint(1, 5)):
            append(path, line(written))
            written += 1

    def rotate() -> None:
        if path.exists() and path.stat().st_size:
            _rotate(path)

    def look() -> None:
        read.extend(reader.read())

    write()
    look()  # what was rotated before a source was ever read is not its to read
    actions: list[Callable[[], None]] = [write, write, rotate, look, look]
    for _ in range(12):
        rng.choice(actions)()
    write()
    look()
    assert read == [str(number) for number in range(written)]


def test_a_file_that_may_not_be_read_is_an_error(path: Path) -> None:
    path.mkdir()
    with pytest.raises(OSError):
        Reader(path).read()
