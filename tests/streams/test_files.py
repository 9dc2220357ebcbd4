"""Files of any size are read in order of event time; damage costs what it hit."""

import gzip
import hashlib
import json
import random
import tracemalloc
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.errors import ConfigurationError
from processors.messages import DeadLetter, Document, Origin
from streams import files
from streams.codec import MAX_RECORD_BYTES
from streams.files import RawRecord, ordered, read_records


def line(id: str, minute: int = 0, source: str = "wire", **more: Any) -> bytes:
    record = {
        "id": id,
        "source": source,
        "kind": "news",
        "published_at": f"2024-05-06T{minute // 60:02}:{minute % 60:02}:00Z",
        "text": "x",
        **more,
    }
    return json.dumps(record).encode() + b"\n"


def write(path: Path, lines: Iterable[bytes]) -> Path:
    content = b"".join(lines)
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def ids(path: Path, *more: Path) -> list[str]:
    return [item.id if isinstance(item, Document) else item.reason for item in ordered([path, *more])]


@pytest.mark.parametrize("name", ["feed.jsonl", "feed.jsonl.gz"])
def test_lines_come_with_their_place_and_number_and_blank_ones_are_passed_over(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / name, [b"\xef\xbb\xbf{}\r\n", b"\n", b"  \r\n", b"[1]\n", b"last"])
    records = list(read_records(path, "here"))
    assert all(isinstance(record, RawRecord) for record in records)
    assert [(record.origin.place, record.origin.offset, record.raw) for record in records] == [
        ("here", 0, b"{}"),
        ("here", 3, b"[1]"),
        ("here", 4, b"last"),
    ]


@pytest.mark.parametrize("excess", [-1, 0, 1, 2, 3, 500_000])
def test_a_byte_order_mark_counts_neither_as_a_line_nor_to_its_length(tmp_path: Path, excess: int) -> None:
    content = b"x" * (MAX_RECORD_BYTES + excess)
    path = write(tmp_path / "feed.jsonl", [b"\xef\xbb\xbf", content, b"\r\n", b"{}\n"])
    first, second = read_records(path, "here")
    if excess > 0:
        assert isinstance(first, DeadLetter)
        assert (first.length, first.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    else:
        assert isinstance(first, RawRecord)
        assert first.raw == content
    assert second == RawRecord(Origin("here", 0, 1), b"{}")


def test_gzip_is_told_by_its_content_not_its_name(tmp_path: Path) -> None:
    path = tmp_path / "feed.jsonl"
    path.write_bytes(gzip.compress(line("1")))
    assert ids(path) == ["1"]


def test_several_files_come_ordered_by_time_source_and_id(tmp_path: Path) -> None:
    one = write(tmp_path / "one.jsonl", [line("b", 5), line("a", 5), line("z", 1)])
    two = write(tmp_path / "two.jsonl.gz", [line("c", 5, source="agency"), line("y", 3)])
    assert ids(one, two) == ["z", "y", "c", "a", "b"]


def test_of_two_with_one_identity_the_earlier_in_files_and_lines_comes_first(tmp_path: Path) -> None:
    one = write(tmp_path / "one.jsonl", [line("a", text="first"), line("a", text="second")])
    two = write(tmp_path / "two.jsonl", [line("a", text="third")])
    texts = [item.text for item in ordered([one, two]) if isinstance(item, Document)]
    assert texts == ["first", "second", "third"]


def test_a_dead_letter_stands_behind_the_document_before_it_in_its_file(tmp_path: Path) -> None:
    one = write(tmp_path / "one.jsonl", [b"null\n", line("a", 1), b"{\n", line("b", 9)])
    two = write(tmp_path / "two.jsonl", [line("c", 5)])
    assert ids(one, two) == ["not-an-object", "a", "invalid-json", "c", "b"]


def test_origins_tell_files_of_one_name_apart(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    paths = [write(tmp_path / folder / "feed.jsonl", [b"{\n"]) for folder in "ab"]
    places = [item.origin.place for item in ordered(paths) if isinstance(item, DeadLetter)]
    assert places == [str(path) for path in paths]


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 50)), max_size=60), st.integers(1, 8), st.integers(2, 3))
def test_spilling_changes_nothing(
    tmp_path_factory: pytest.TempPathFactory, keys: list[tuple[int, int]], run: int, merged: int
) -> None:
    folder = tmp_path_factory.mktemp("spill")
    path = write(folder / "feed.jsonl", [line(str(id), minute) for minute, id in keys])
    whole = list(ordered([path]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "RUN_RECORDS", run)
        patch.setattr(files, "MERGED_RUNS", merged)
        spilled = ordered([path])
        assert list(spilled) == whole
        assert list(spilled) == whole
    assert len(spilled) == len(keys)


def test_the_temporary_files_go_with_the_documents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "RUN_RECORDS", 2)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "spill"))
    (tmp_path / "spill").mkdir()
    documents = ordered([write(tmp_path / "feed.jsonl", [line(str(n)) for n in range(9)])])
    assert list((tmp_path / "spill").glob("*/*"))
    del documents
    assert not list((tmp_path / "spill").iterdir())


def test_spilling_keeps_memory_far_below_that_of_the_documents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = list(range(3000))
    random.Random(1).shuffle(numbers)
    path = write(tmp_path / "feed.jsonl", [line(str(n), n % 1440, text="x" * 400) for n in numbers])

    def peak() -> int:
        tracemalloc.start()
        assert sum(1 for _ in ordered([path])) == len(numbers)
        highest = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return highest

    at_once = peak()
    monkeypatch.setattr(files, "RUN_RECORDS", 100)
    monkeypatch.setattr(files, "MERGED_RUNS", 20)
    assert peak() < at_once / 5


@pytest.mark.parametrize("kept", [0.5, 0.95])
def test_of_a_gzip_file_cut_short_what_was_readable_is_used_and_the_damage_told(tmp_path: Path, kept: float) -> None:
    rng = random.Random(1)
    content = b"".join(line(f"{n:04}", n % 1440, text=rng.randbytes(40).hex()) for n in range(2000))
    compressed = gzip.compress(content)
    path = tmp_path / "cut.jsonl.gz"
    path.write_bytes(compressed[: int(len(compressed) * kept)])
    documents = ordered([path, write(tmp_path / "whole.jsonl", [line("whole")])])
    read = [item for item in documents if isinstance(item, Document)]
    assert 2000 * kept * 0.8 < len(read) < 2000
    assert len(read) == len(documents)
    assert "whole" in {document.id for document in read}
    (damage,) = documents.damage
    assert f"cut.jsonl.gz: damaged after line {len(read) - 1}" in damage


def test_a_flipped_byte_in_a_gzip_file_is_told(tmp_path: Path) -> None:
    compressed = bytearray(gzip.compress(b"".join(line(str(n)) for n in range(100))))
    compressed[-6] ^= 1
    path = tmp_path / "flipped.jsonl.gz"
    path.write_bytes(compressed)
    documents = ordered([path])
    assert len(documents) == 100
    assert "flipped.jsonl.gz: damaged" in documents.damage[0]


def test_a_file_that_cannot_be_opened_is_named_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"none\.jsonl: No such file"):
        ordered([tmp_path / "none.jsonl"])
    with pytest.raises(ConfigurationError, match="Is a directory"):
        ordered([tmp_path])


@pytest.mark.parametrize("name", ["feed.jsonl", "feed.jsonl.gz"])
def test_progress_adds_up_to_the_size_of_the_files(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / name, [line(str(n)) for n in range(1000)])
    steps: list[int] = []
    ordered([path], progress=steps.append)
    assert sum(steps) == path.stat().st_size
    assert len(steps) > 1


def test_an_empty_file_gives_nothing(tmp_path: Path) -> None:
    assert ids(write(tmp_path / "empty.jsonl", [])) == []
    assert ids(write(tmp_path / "empty.jsonl.gz", [])) == []
