"""Exported logs as files: every byte comes back, damage is named, a replay tells where it cannot equal what was."""

import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.detection import DetectorSettings
from processors.errors import ConfigurationError
from streams.applied import Adoption
from streams.export import MANIFEST, Detected, ExportedPartition, _record_of, line_of, read_log, read_manifest
from streams.log_replay import replay_log
from streams.partition_detector import LogRecord

RECORDS = [LogRecord(3, None, b"{"), LogRecord(4, b"tick", None), LogRecord(6, b"\xff", "ü\u2028".encode())]


def exported(folder: Path, records: list[LogRecord], detected: list[Detected] | None = None) -> ExportedPartition:
    """An export with one partition of the mentions."""
    one = ExportedPartition("mentions", 0, records[0].offset, records[-1].offset + 1, len(records))
    (folder / one.file).write_bytes(gzip.compress(b"".join(map(line_of, records)), mtime=0))
    partition = {"topic": "mentions", "partition": 0, "first": one.first, "end": one.end, "records": one.records}
    manifest = {
        "prefix": "tocsin",
        "origins": ["news/0"],
        "mention_partitions": 1,
        "settings_hash": "",
        "partitions": [partition],
        "detected": [
            {
                "log": entry.log,
                "partition": entry.partition,
                "applied": entry.applied,
                "began": entry.began,
                "adoptions": [{"offset": a.offset, "hash": a.hash, "settings": a.settings} for a in entry.adoptions],
            }
            for entry in detected or ()
        ],
    }
    (folder / MANIFEST).write_text(json.dumps(manifest))
    return one


@given(st.integers(0, 2**60), st.none() | st.binary(max_size=8), st.none() | st.binary() | st.text().map(str.encode))
def test_every_byte_of_a_record_comes_back(offset: int, kind: bytes | None, value: bytes | None) -> None:
    record = LogRecord(offset, kind, value)
    line = line_of(record)
    assert line.count(b"\n") == 1

    assert _record_of(json.loads(line)) == record


def test_a_file_that_is_not_whole_is_named_with_its_line(tmp_path: Path) -> None:
    one = exported(tmp_path, RECORDS)
    assert list(read_log(tmp_path, one)) == RECORDS
    path = tmp_path / one.file
    whole = path.read_bytes()
    path.write_bytes(whole[:-12])
    with pytest.raises(ConfigurationError, match=r"mentions-0\.jsonl\.gz is damaged behind line"):
        list(read_log(tmp_path, one))
    path.write_bytes(gzip.compress(b"".join(map(line_of, RECORDS[:2]))))
    with pytest.raises(ConfigurationError, match="has 2 lines, manifest.json tells of 3"):
        list(read_log(tmp_path, one))


def test_a_folder_without_an_export_and_a_manifest_of_another_form_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"holds no export.*`tocsin export --results --out DIR` makes one"):
        read_manifest(tmp_path)
    (tmp_path / MANIFEST).write_text('{"prefix": 1}')
    with pytest.raises(ConfigurationError, match="no manifest of this release"):
        read_manifest(tmp_path)


def test_a_replay_tells_where_it_cannot_equal_what_was_published(tmp_path: Path) -> None:
    settings = DetectorSettings()
    exported(tmp_path, RECORDS, [Detected("mentions", 0, 5, 0, (Adoption.of(settings, 0),))])
    replayed = replay_log(tmp_path, tmp_path / "out", settings)
    assert (replayed.records, replayed.dead_letters) == (3, 3)
    assert "begins at offset 3, detection began at 0" in replayed.notes[0]
    assert "come to offset 5, the export goes on to 7" in replayed.notes[1]

    exported(tmp_path, RECORDS)
    assert "nothing was detected on it" in replay_log(tmp_path, tmp_path / "out", settings).notes[0]
    assert not replay_log(tmp_path, tmp_path / "out", settings, anew=True).notes


def test_the_same_export_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    exported(tmp_path, RECORDS)
    for name in ("1", "2"):
        replay_log(tmp_path, tmp_path / name, DetectorSettings())
    first, second = ({p.name: p.read_bytes() for p in (tmp_path / name).iterdir()} for name in ("1", "2"))
    assert first == second
    assert sorted(first) == ["alerts-0.jsonl", "deadletters-0.jsonl", "series-0.jsonl.gz"]
