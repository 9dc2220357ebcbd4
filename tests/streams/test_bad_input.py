"""Each kind of bad input costs only itself, is told with its reason, and keeps its original bytes."""

import base64
import gzip
import hashlib
import json
import time
from pathlib import Path
from typing import Any

import pytest
from bad_input import BAD_INPUT, GOOD, NOW, nested, record
from hypothesis import given
from hypothesis import strategies as st
from message_strategies import JSON_VALUES, documents

from processors.errors import PoisonError
from processors.messages import DeadLetter, Document
from streams.codec import MAX_RECORD_BYTES, decode, decode_document, encode
from streams.deadletters import KEPT_BYTES
from streams.files import ordered
from streams.outputs import DEAD_LETTERS
from streams.pipeline import ModelLabeller
from streams.replay import replay_documents
from streams.settings import Settings
from streams.testkit import WordClassifier

TOKENS = [
    b'"',
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"\\",
    b"\\ud800",
    b"null",
    b"1e400",
    b"-",
    b"9" * 30,
    b"NaN",
    b"\x00",
]

bad_input = pytest.mark.parametrize(("raw", "reason"), BAD_INPUT.values(), ids=BAD_INPUT)


@bad_input
def test_it_costs_only_itself(tmp_path: Path, raw: bytes, reason: str) -> None:
    path = tmp_path / "feed.jsonl"
    path.write_bytes(b"".join(line + b"\n" for line in (record(id="before"), raw, record(id="later"))))
    first, bad, last = ordered([path], now=NOW)
    assert isinstance(first, Document)
    assert isinstance(last, Document)
    assert (first.id, last.id) == ("before", "later")
    assert isinstance(bad, DeadLetter)
    assert bad.reason == reason
    assert (bad.origin.place, bad.origin.partition, bad.origin.offset) == ("feed.jsonl", 0, 1)
    assert base64.b64decode(bad.original) == raw[:KEPT_BYTES]
    assert (bad.length, bad.sha256) == (len(raw), hashlib.sha256(raw).hexdigest())


@bad_input
def test_the_refusal_says_something_short_that_any_reader_can_show(raw: bytes, reason: str) -> None:
    with pytest.raises(PoisonError) as refusal:
        decode_document(raw, now=NOW)
    message = str(refusal.value)
    assert 10 < len(message) < 400
    assert message.encode("utf-8").decode() == message


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"publishedat": "2024-05-06T11:00:00Z"}, ["publishedat", "did you mean published_at?"]),
        ({"body": "x"}, ["body", "metadata"]),
        ({"reach": "many"}, ["reach", "integer", "many"]),
        ({"kind": "tweet"}, ["kind", "'news' or 'social'", "tweet"]),
        ({"symbols": ["BA", 3]}, ["symbols.1", "string", "3"]),
        ({"published_at": "2024-05-06T11:00:00"}, ["2024-05-06T11:00:00", "offset", "Z"]),
        ({"schema": 2}, ["schema 2", "1"]),
    ],
)
def test_the_refusal_names_the_field_what_is_wrong_and_the_mend(changes: dict[str, Any], told: list[str]) -> None:
    with pytest.raises(PoisonError) as refusal:
        decode_document(record(**changes))
    assert [word for word in told if word not in str(refusal.value)] == []


@pytest.mark.parametrize(
    "changes",
    [
        {"language": "tlh"},
        {"language": "no such tag"},
        {"text": "\u0000\u202etext with control characters"},
        {"title": "x", "text": ""},
        {"id": "證" * 100},
        {"metadata": {"a": [{"b": 2**63 - 1}]}},
        {"text": "\U0001f514"},
        {"reach": 0, "symbols": [], "schema": 1},
        {"published_at": "2024-05-06t11:00:00z"},
        {"published_at": "2024-05-06T12:10:00Z"},
        {"published_at": "1980-01-01T00:00:00Z"},
    ],
)
def test_unusual_but_sound_documents_are_let_in(changes: dict[str, Any]) -> None:
    assert decode_document(record(**changes), now=NOW).source == "wire"


def test_without_a_present_nothing_is_in_the_future() -> None:
    assert decode_document(record(published_at="2030-01-01T00:00:00Z")).published_at.year == 2030


def test_a_document_of_the_other_kind_is_refused_on_a_topic() -> None:
    with pytest.raises(PoisonError) as refusal:
        decode_document(record(kind="news"), "social")
    assert refusal.value.reason == "kind-mismatch"


def test_deep_nesting_is_refused_at_once() -> None:
    started = time.perf_counter()
    for raw in (nested(100_000), b"[" * MAX_RECORD_BYTES, b'{"":' * (MAX_RECORD_BYTES // 4)):
        with pytest.raises(PoisonError):
            decode_document(raw)
    assert time.perf_counter() - started < 2.0


def test_the_depth_that_is_allowed_does_not_depend_on_who_calls() -> None:
    def from_below(frames: int) -> Document:
        return from_below(frames - 1) if frames else decode_document(nested(29))

    assert from_below(500) == decode_document(nested(29))


def test_a_line_of_many_megabytes_is_refused_whole_with_its_length_and_hash(tmp_path: Path) -> None:
    long = record(text="x" * 5 * MAX_RECORD_BYTES)
    path = tmp_path / "feed.jsonl.gz"
    path.write_bytes(gzip.compress(long + b"\r\n" + record()))
    bad, good = ordered([path])
    assert isinstance(good, Document)
    assert isinstance(bad, DeadLetter)
    assert bad.reason == "too-large"
    assert (bad.length, bad.sha256) == (len(long), hashlib.sha256(long).hexdigest())
    assert base64.b64decode(bad.original) == long[:KEPT_BYTES]


def test_in_a_replay_all_of_it_together_costs_only_itself(tmp_path: Path) -> None:
    path = tmp_path / "feed.jsonl"
    with path.open("wb") as file:
        for number, (raw, _) in enumerate(BAD_INPUT.values()):
            file.write(raw + b"\n" + record(id=f"good-{number:03}", language="en") + b"\n")
        file.write(record(id="another language", text="ბანკმა მოგება გამოაცხადა") + b"\n")
    labeller = ModelLabeller(WordClassifier())
    summary = replay_documents([path], tmp_path / "out", Settings(), labeller, now=NOW)
    assert summary.documents_read == len(BAD_INPUT) + 1
    assert summary.status == {"labelled": len(BAD_INPUT), "unlabelled": 1}
    letters = [decode(DeadLetter, line) for line in (tmp_path / "out" / DEAD_LETTERS).read_bytes().splitlines()]
    assert [letter.reason for letter in letters] == [reason for _, reason in BAD_INPUT.values()]


def is_document_or_refused(raw: bytes) -> bool:
    """Whether decoding ends in one of the two ways that it may, and what was let in can be written again."""
    try:
        document = decode_document(raw, now=NOW)
    except PoisonError:
        return True
    return decode_document(encode(document), now=NOW) is not None


@given(st.binary(max_size=200))
def test_any_bytes_give_a_document_or_a_refusal(raw: bytes) -> None:
    assert is_document_or_refused(raw)


@given(JSON_VALUES)
def test_any_json_gives_a_document_or_a_refusal(value: Any) -> None:
    assert is_document_or_refused(json.dumps(value).encode())


@given(documents(), st.sampled_from(list(GOOD) + ["title", "symbols", "reach", "metadata", "schema", "x"]), JSON_VALUES)
def test_any_value_in_any_field_gives_a_document_or_a_refusal(document: Document, field: str, value: Any) -> None:
    changed = {**json.loads(encode(document)), field: value}
    assert is_document_or_refused(json.dumps(changed).encode())


@given(documents(), st.data())
def test_any_damage_to_a_sound_record_gives_a_document_or_a_refusal(document: Document, data: st.DataObject) -> None:
    raw = bytearray(encode(document))
    for _ in range(data.draw(st.integers(1, 4), label="damages")):
        start = data.draw(st.integers(0, len(raw)), label="from")
        end = data.draw(st.integers(start, min(len(raw), start + 8)), label="to")
        raw[start:end] = data.draw(st.binary(max_size=8) | st.sampled_from(TOKENS), label="instead")
    assert is_document_or_refused(bytes(raw))
