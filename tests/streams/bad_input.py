"""Every kind of bad input: the bytes of a record, and the reason it is to be refused for."""

import json
from datetime import UTC, datetime
from typing import Any

from streams.codec import MAX_RECORD_BYTES

NOW = datetime(2024, 5, 6, 12, tzinfo=UTC)
GOOD: dict[str, Any] = {
    "id": "1",
    "source": "wire",
    "kind": "news",
    "published_at": "2024-05-06T11:00:00Z",
    "text": "Boeing halts deliveries",
}


def record(**changes: Any) -> bytes:
    return json.dumps({**GOOD, **changes}).encode()


def without(field: str) -> bytes:
    return json.dumps({name: value for name, value in GOOD.items() if name != field}).encode()


def nested(depth: int) -> bytes:
    return record(metadata={"a": "HERE"}).replace(b'"HERE"', b"[" * depth + b"]" * depth)


BAD_INPUT: dict[str, tuple[bytes, str]] = {
    "half a record": (record()[:40], "invalid-json"),
    "two records in one line": (record() + record(), "invalid-json"),
    "no JSON at all": (b"Boeing halts deliveries", "invalid-json"),
    "a number that JSON has not": (record(metadata={"a": float("nan")}), "invalid-json"),
    "bytes in another encoding": (record(text="HERE").replace(b"HERE", "Börse".encode("latin-1")), "invalid-utf8"),
    "UTF-16": (record().decode().encode("utf-16-le").replace(b"\n", b""), "invalid-json"),
    "half a surrogate pair": (record(text="\ud83d"), "lone-surrogate"),
    "half a surrogate pair in metadata": (record(metadata={"a": ["\ude00"]}), "lone-surrogate"),
    "a key that stands twice": (record().replace(b'{"id"', b'{"id": "2", "id"'), "duplicate-key"),
    "a key that stands twice deep inside": (
        record(metadata=1).replace(b"1}", b'{"b": [{"a": 1, "a": 2}]}}'),
        "duplicate-key",
    ),
    "null": (b"null", "not-an-object"),
    "an array": (b"[" + record() + b"]", "not-an-object"),
    "a string": (b'"Boeing"', "not-an-object"),
    "nothing but braces": (b"{}", "missing-field"),
    "no id": (without("id"), "missing-field"),
    "no source": (without("source"), "missing-field"),
    "no kind": (without("kind"), "missing-field"),
    "no timestamp": (without("published_at"), "missing-field"),
    "id null": (record(id=None), "wrong-type"),
    "id a number": (record(id=17), "wrong-type"),
    "id empty": (record(id=""), "wrong-value"),
    "id too long": (record(id="x" * 257), "too-long"),
    "identity too long for the index": (record(id="證" * 256), "too-long"),
    "NUL in the id": (record(id="a\0b"), "wrong-value"),
    "line break in the id": (record(id="a\nb"), "wrong-value"),
    "slash in the source": (record(source="wire/us"), "wrong-value"),
    "unknown kind": (record(kind="tweet"), "wrong-value"),
    "text a list": (record(text=["a"]), "wrong-type"),
    "symbols a string": (record(symbols="BA"), "wrong-type"),
    "a symbol that is a number": (record(symbols=["BA", 1]), "wrong-type"),
    "metadata a list": (record(metadata=[]), "wrong-type"),
    "reach below zero": (record(reach=-1), "wrong-value"),
    "reach a text": (record(reach="5"), "wrong-type"),
    "reach true": (record(reach=True), "wrong-type"),
    "an integer over 64 bits": (record(reach=2**63), "number-out-of-range"),
    "an integer of 100,000 digits": (record(reach=7).replace(b"7}", b"7" * 100_000 + b"}"), "number-out-of-range"),
    "a number over a double": (record(metadata=7).replace(b"7}", b'{"a": 1e999}}'), "number-out-of-range"),
    "unknown field": (record(headline="x"), "unknown-field"),
    "unknown schema": (record(schema=2), "unknown-schema"),
    "schema a text": (record(schema="1"), "wrong-type"),
    "empty text": (record(text=""), "empty-document"),
    "blank text, null title": (record(text=" \n\t", title=None), "empty-document"),
    "timestamp null": (record(published_at=None), "wrong-type"),
    "timestamp in seconds": (record(published_at=1714993200), "wrong-type"),
    "timestamp in seconds, as text": (record(published_at="1714993200"), "invalid-timestamp"),
    "a date alone": (record(published_at="2024-05-06"), "invalid-timestamp"),
    "an impossible day": (record(published_at="2024-02-30T11:00:00Z"), "invalid-timestamp"),
    "out of all calendars": (record(published_at="9999-12-31T23:59:59-10:00"), "invalid-timestamp"),
    "no offset": (record(published_at="2024-05-06T11:00:00"), "naive-timestamp"),
    "1970": (record(published_at="1970-01-01T00:00:00Z"), "before-1980"),
    "the future": (record(published_at="2024-05-06T12:10:01Z"), "future-timestamp"),
    "text over 1 MiB": (record(text="x" * MAX_RECORD_BYTES), "too-large"),
    "nested 40 deep": (nested(40), "too-deep"),
    "nested 10,000 deep": (nested(10_000), "too-deep"),
    "10,000 opening brackets": (b"[" * 10_000, "too-deep"),
    "200,000 opening braces": (b'{"":' * 200_000, "too-deep"),
}
