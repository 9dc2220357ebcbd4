"""What is written is read back the same, by this release and beside newer ones."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from message_strategies import documents, messages
from sample_messages import alert, labelled_document, series_point

from processors.errors import PoisonError
from processors.identity import canonical_json
from processors.messages import (
    Alert,
    DeadLetter,
    Document,
    LabelledDocument,
    Mention,
    SeriesPoint,
    Tick,
    Topic,
    WideRecord,
)
from streams.codec import decode, decode_document, encode

OWN_TOPICS = [Tick, LabelledDocument, Mention, WideRecord, SeriesPoint, Alert, DeadLetter]


@pytest.mark.parametrize("message_type", OWN_TOPICS, ids=lambda message_type: message_type.__name__)
def test_a_message_survives_the_journey_with_its_floats_at_six_digits(message_type: type) -> None:
    @given(messages(message_type))
    def survives(message: Any) -> None:
        raw = encode(message)
        read = decode(message_type, raw)
        assert encode(read) == raw
        assert read == decode(message_type, canonical_json(read))
        assert json.loads(raw).keys() == {name for name in message_type.__dataclass_fields__}

    survives()


@given(documents())
def test_a_document_survives_the_journey(document: Document) -> None:
    raw = encode(document)
    read = decode_document(raw)
    assert encode(read) == raw
    assert read.identity == document.identity
    assert read.published_at == document.published_at
    assert read.published_at.tzinfo is UTC
    assert (read.title, read.text, read.symbols) == (document.title, document.text, document.symbols)


def test_floats_come_back_as_near_as_six_digits_allow() -> None:
    point = series_point(expected=1.23456789, surprise=1e-300)
    assert decode(SeriesPoint, encode(point)).expected == 1.23457
    assert decode(SeriesPoint, encode(point)).surprise == 1e-300


def test_the_numbers_in_a_users_metadata_are_written_exactly() -> None:
    metadata = {"lat": 40.7127753, "ts": 1391185500.5, "deep": [{"price": 1234567.89, "tiny": 5e-324, "big": 1e22}]}
    raw = {"id": "1", "source": "s", "kind": "news", "published_at": "2024-05-06T12:00:00Z", "text": "x"}
    document = decode_document(json.dumps(raw | {"metadata": metadata}).encode())
    for message in (document, labelled_document(metadata=document.metadata)):
        assert json.loads(encode(message))["metadata"] == metadata
        assert decode(type(message), encode(message)).metadata == metadata
    assert b'"probability":0.123457' in encode(labelled_document(topic=Topic("earnings", 0.12345678)))


def test_an_older_reader_ignores_fields_that_a_newer_writer_added() -> None:
    value = json.loads(encode(alert()))
    value["novelty"] = 1
    value["evidence"][0]["novelty"] = {"deep": True}
    assert decode(Alert, json.dumps(value).encode()) == alert()


@pytest.mark.parametrize("changes", [{}, {"series": 5}, {"start": None}])
def test_a_newer_major_version_is_refused_as_such_whatever_else_it_changed(changes: dict[str, Any]) -> None:
    value = {**json.loads(encode(series_point())), "schema": 2, **changes}
    with pytest.raises(PoisonError, match="schema 2") as refusal:
        decode(SeriesPoint, json.dumps(value).encode())
    assert refusal.value.reason == "unknown-schema"


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"{", "invalid-json"),
        (b"[]", "not-an-object"),
        (b"\xff", "invalid-utf8"),
        (b"{}", "missing-field"),
        (encode(series_point()).replace(b'"negative":4', b'"negative":"4"'), "wrong-type"),
        (encode(series_point()).replace(b"2.9", b"NaN"), "invalid-json"),
        (encode(series_point()).replace(b"2.9", b"1e999"), "number-out-of-range"),
        (b'{"series":"' + b"x" * 4 * 1024 * 1024 + b'"}', "too-large"),
    ],
)
def test_what_is_no_message_of_the_topic_is_refused_with_a_reason(raw: bytes, reason: str) -> None:
    with pytest.raises(PoisonError) as refusal:
        decode(SeriesPoint, raw)
    assert refusal.value.reason == reason


def test_a_local_time_becomes_the_same_instant_in_utc() -> None:
    raw = b'{"id":"1","source":"s","kind":"news","text":"x","published_at":"2014-01-31T16:05:00.25+02:00"}'
    assert decode_document(raw).published_at == datetime(2014, 1, 31, 14, 5, 0, 250_000, tzinfo=UTC)


def test_null_in_an_optional_field_means_absent() -> None:
    required: dict[str, Any] = {"id": "1", "source": "s", "kind": "news", "published_at": "2014-01-31T16:05:00Z"}
    optional = ("title", "url", "author", "language", "symbols", "reach", "repost_of", "metadata", "schema")
    with_nulls = json.dumps({**required, "text": "x", **dict.fromkeys(optional)}).encode()
    assert decode_document(with_nulls) == decode_document(json.dumps({**required, "text": "x"}).encode())


def test_on_a_topic_of_one_kind_the_kind_may_be_left_out() -> None:
    raw = b'{"id":"1","source":"s","text":"x","published_at":"2014-01-31T16:05:00Z"}'
    assert decode_document(raw, "social").kind == "social"


@pytest.mark.parametrize(
    ("at", "reason"), [("2024-05-06T11:00:00", "naive-timestamp"), ("0001-01-01T00:00:00+14:00", "invalid-timestamp")]
)
def test_an_instant_of_our_own_topics_that_is_none_is_refused_wherever_it_stands(at: str, reason: str) -> None:
    for raw in (
        json.dumps({"at": at}).encode(),
        encode(series_point()).replace(b"2024-05-06T13:00:00Z", at.encode()),
        encode(alert()).replace(encode(alert().evidence[0].published_at).strip(b'"'), at.encode()),
    ):
        message_type = Tick if raw.startswith(b'{"at": ') else SeriesPoint if b'"stories"' in raw else Alert
        with pytest.raises(PoisonError) as refusal:
            decode(message_type, raw)
        assert refusal.value.reason == reason
