"""Validation and encoding at the edges: bytes in, the message types of `processors.messages` out, and back.

The input (`decode_document`) is strict, because nobody but its writer can mend it. Our own topics (`decode`) are read
leniently: unknown fields are ignored, so that an older reader survives a newer writer of the same major version.
Every refusal is a `PoisonError`; its reason is one of the stable slugs below, its message says what, where and how to
mend it.

| reason | meaning |
| --- | --- |
| ``too-large`` | more than 1 MiB |
| ``invalid-utf8``, ``invalid-json``, ``duplicate-key``, ``lone-surrogate`` | no sound JSON (RFC 8259, I-JSON RFC 7493) |
| ``too-deep``, ``number-out-of-range`` | JSON that others could not carry on: over 32 levels, beyond 64 bits |
| ``not-an-object`` | JSON, but an array, a number, null … |
| ``unknown-schema`` | a version that this release does not know |
| ``unknown-field``, ``missing-field``, ``wrong-type``, ``wrong-value``, ``too-long`` | against the contract |
| ``invalid-timestamp``, ``naive-timestamp`` | no RFC 3339, or without an offset |
| ``before-1980``, ``future-timestamp`` | an instant that can't be meant |
| ``empty-document`` | neither title nor text |
| ``kind-mismatch`` | news on the social topic, or the other way round |
"""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import MISSING, fields, is_dataclass, replace
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from functools import cache
from math import isfinite
from typing import Any, Final, TypeVar, cast, get_args, get_type_hints

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from processors.errors import PoisonError
from processors.identity import canonical_json, format_instant
from processors.messages import SCHEMA_VERSION, Document, Kind

MAX_RECORD_BYTES: Final = 1024 * 1024
MAX_MESSAGE_BYTES: Final = 4 * MAX_RECORD_BYTES
"""Of what Tocsin writes: an input record at its limit grows by what is found out about it."""

MAX_IDENTITY_BYTES: Final = 512  # the longest _id that Elasticsearch takes
MAX_DEPTH: Final = 32
MAX_INTEGER: Final = 2**63 - 1
EARLIEST: Final = datetime(1980, 1, 1, tzinfo=UTC)
FUTURE_TOLERANCE: Final = timedelta(minutes=10)

# `source/id` is split at the first slash; control characters and line separators would break keys and logs.
SOURCE_PATTERN: Final = r"^[^/\x00-\x1f\x7f-\x9f\u2028\u2029]*$"
ID_PATTERN: Final = r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]*$"
TIMESTAMP_PATTERN: Final = (
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})$"
)

T = TypeVar("T")

encode = canonical_json

_SOURCE = re.compile(SOURCE_PATTERN[1:-1])
_ID = re.compile(ID_PATTERN[1:-1])
_TIMESTAMP = re.compile(TIMESTAMP_PATTERN[1:-1])
_LOCAL_TIMESTAMP = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9:.]+")
_SURROGATE_ESCAPE = re.compile(r"\\u[dD][89a-fA-F]")
_NOT_FINITE = re.compile(rb"NaN|Infinity|[eE]\+?[0-9]{3}|[0-9]{300}")
_FIELDS = tuple(f.name for f in fields(Document))
_OPTIONAL = frozenset(f.name for f in fields(Document) if f.default is not MISSING or f.default_factory is not MISSING)


def decode_document(
    raw: bytes,
    expected_kind: Kind | None = None,
    *,
    now: datetime | None = None,
    future_tolerance: timedelta = FUTURE_TOLERANCE,
) -> Document:
    """The document in `raw` (JSON, input contract version 1), its `published_at` in UTC.

    On a topic that carries one kind, `expected_kind` stands in for an absent `kind` and must agree with a given one.
    With `now` (aware), a document published more than `future_tolerance` later is refused. null in an optional field
    means absent. Raises PoisonError, and nothing else, for any bytes that are no such document.
    """
    if len(raw) > MAX_RECORD_BYTES:
        raise too_large(len(raw))
    value = _parse_object(raw)
    _check_schema(value)
    mended = False
    if None in value.values():
        value = {name: item for name, item in value.items() if item is not None or name not in _OPTIONAL}
        mended = True
    if expected_kind is not None and value.get("kind", expected_kind) != expected_kind:
        raise PoisonError(
            "kind-mismatch",
            f"kind is {_show(value['kind'])}, but this topic carries {expected_kind!r} only: send it to the other topic",
        )
    if expected_kind is not None and "kind" not in value:
        value["kind"] = expected_kind
        mended = True
    _check_timestamp_form(value.get("published_at"))
    if mended:
        raw = json.dumps(value).encode()
    try:
        document: Document = _adapter(Document).validate_json(raw, strict=True, extra="forbid")
    except ValidationError as error:
        raise _refusal(error, _FIELDS) from None
    return _check_document(document, now, future_tolerance)


def decode(message_type: type[T], raw: bytes) -> T:
    """The message in `raw`, read from one of Tocsin's own topics.

    Unknown fields are ignored. Raises PoisonError for anything else that is wrong, a newer major version first of all.
    """
    if len(raw) > MAX_MESSAGE_BYTES:
        raise too_large(len(raw), MAX_MESSAGE_BYTES)
    try:
        message: T = _adapter(cast(Any, message_type)).validate_json(raw, strict=True, extra="ignore")
    except ValidationError as error:
        value = _parse_object(raw)
        _check_schema(value)
        raise _refusal(error, ()) from None
    if (schema := getattr(message, "schema", SCHEMA_VERSION)) != SCHEMA_VERSION:
        _check_schema({"schema": schema})
    if _NOT_FINITE.search(raw):
        _parse_object(raw)
    _check_instants(message)
    return message


def too_large(length: int, limit: int = MAX_RECORD_BYTES) -> PoisonError:
    """The refusal of a record of `length` bytes."""
    return PoisonError("too-large", f"{length} bytes, the limit is {limit}: cut the text or send parts")


@cache
def _adapter(message_type: type[Any]) -> TypeAdapter[Any]:
    return TypeAdapter(message_type)


def _parse_object(raw: bytes) -> dict[str, Any]:
    """`raw` as a JSON object that any other JSON reader understands in the same way."""
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise PoisonError(
            "invalid-utf8", f"byte {error.start} (0x{raw[error.start]:02x}) is no UTF-8: encode the record as UTF-8"
        ) from None
    try:
        value = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise PoisonError("invalid-json", f"{error.msg} at character {error.pos}: send one JSON object") from None
    except RecursionError:
        raise _too_deep() from None
    if not isinstance(value, dict):
        raise PoisonError("not-an-object", f"the record is {_kind_of(value)}: send one JSON object")
    if text.count("{") + text.count("[") > MAX_DEPTH:
        _check_depth(value)
    if _SURROGATE_ESCAPE.search(text):
        _check_surrogates(value)
    return value


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise PoisonError("duplicate-key", f"key {twice!a} stands twice in one object: keep one of them")
    return value


def _integer(digits: str) -> int:
    if len(digits) > 20 or abs(number := int(digits)) > MAX_INTEGER:
        raise PoisonError(
            "number-out-of-range", f"integer {_cut(digits)} does not fit into 64 bits: send it as a string"
        )
    return number


def _float(digits: str) -> float:
    if not isfinite(number := float(digits)):
        raise PoisonError("number-out-of-range", f"number {_cut(digits)} does not fit into a double: send a string")
    return number


def _no_constant(name: str) -> None:
    raise PoisonError("invalid-json", f"{name} is no JSON: use null or leave the field out")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_unique_keys, parse_int=_integer, parse_float=_float, parse_constant=_no_constant
)


def _check_depth(value: Any) -> None:
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [
            item
            for container in level
            for item in (container.values() if isinstance(container, dict) else container)
            if isinstance(item, dict | list)
        ]
        if not level:
            return
    raise _too_deep()


def _check_surrogates(value: dict[str, Any]) -> None:
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError as error:
        half = ascii(error.object[error.start])
        raise PoisonError(
            "lone-surrogate", f"the escape {half} is half a character: cut texts between characters, not inside them"
        ) from None


def _check_schema(value: dict[str, Any]) -> None:
    schema = value.get("schema")
    if schema is None or (schema == SCHEMA_VERSION and type(schema) is int):
        return
    if type(schema) is not int:
        raise PoisonError("wrong-type", f"schema is {_kind_of(schema)}: it is the number {SCHEMA_VERSION}, or left out")
    raise PoisonError(
        "unknown-schema",
        f"schema {schema} is not known to this release, which reads {SCHEMA_VERSION}: update the reader, "
        f"or send schema {SCHEMA_VERSION}",
    )


def _check_timestamp_form(value: Any) -> None:
    """Pydantic reads more than RFC 3339 (numbers of seconds, dates alone): refuse those before it sees them."""
    if not isinstance(value, str) or _TIMESTAMP.fullmatch(value):
        return
    if _LOCAL_TIMESTAMP.fullmatch(value):
        raise PoisonError(
            "naive-timestamp", f"published_at {_show(value)} has no offset: write it as 2014-01-31T16:05:00Z"
        )
    raise PoisonError("invalid-timestamp", f"published_at {_show(value)} is not RFC 3339 like 2014-01-31T16:05:00Z")


def _check_instants(message: Any) -> None:
    """Pydantic takes instants without an offset, and some that are none in UTC."""
    message_type: Any = type(message)
    for name in _timed(message_type):
        item = getattr(message, name)
        if isinstance(item, datetime):
            offset = item.utcoffset()
            if offset is None:
                raise PoisonError("naive-timestamp", f"{name} {item.isoformat()} has no offset: write it with Z")
            if offset:
                _in_utc(name, item)
        else:
            for part in item if isinstance(item, tuple) else (item,):
                _check_instants(part)


@cache
def _timed(message_type: Any) -> tuple[str, ...]:
    """The fields that are instants, or hold messages (one or many) that have some."""
    if not is_dataclass(message_type):
        return ()
    hints = get_type_hints(message_type)
    return tuple(
        field.name
        for field in fields(message_type)
        if any(kind is datetime or _timed(kind) for kind in _kinds(hints[field.name]))
    )


def _kinds(hint: Any) -> Iterator[Any]:
    """The types that a value of `hint` may be or hold."""
    if isinstance(hint, type):
        yield hint
    for argument in get_args(hint):
        yield from _kinds(argument)


def _in_utc(name: str, instant: datetime) -> datetime:
    try:
        return instant.astimezone(UTC)
    except OverflowError:
        raise PoisonError("invalid-timestamp", f"{name} lies outside of the years 1 to 9999 in UTC") from None


def _check_document(document: Document, now: datetime | None, future_tolerance: timedelta) -> Document:
    """What types cannot say; gives the document with `published_at` in UTC."""
    if not _SOURCE.fullmatch(document.source):
        raise PoisonError("wrong-value", f"source {_show(document.source)}: no slash, no control characters in a name")
    if not _ID.fullmatch(document.id):
        raise PoisonError("wrong-value", f"id {_show(document.id)} holds a control character: take it out")
    if len(document.identity) * 4 > MAX_IDENTITY_BYTES and len(document.identity.encode()) > MAX_IDENTITY_BYTES:
        raise PoisonError("too-long", f"source/id is over {MAX_IDENTITY_BYTES} bytes in UTF-8: send a hash as id")
    if not document.text.strip() and not document.title.strip():
        raise PoisonError("empty-document", "neither title nor text says anything: fill one of them")
    published_at = _in_utc("published_at", document.published_at)
    if published_at < EARLIEST:
        raise PoisonError(
            "before-1980",
            f"published_at {format_instant(published_at)} is before 1980: probably an empty or zero field at the source",
        )
    if now is not None and published_at > now + future_tolerance:
        raise PoisonError(
            "future-timestamp",
            f"published_at {format_instant(published_at)} is more than {future_tolerance.total_seconds() / 60:g} min "
            "ahead of the present: check the source's clock and time zone",
        )
    return replace(document, published_at=published_at)


_REASONS: Final = {
    "missing": "missing-field",
    "unexpected_keyword_argument": "unknown-field",
    "string_too_long": "too-long",
    "too_long": "too-long",
    "string_too_short": "wrong-value",
    "literal_error": "wrong-value",
    "greater_than_equal": "wrong-value",
    "less_than_equal": "wrong-value",
}


def _refusal(error: ValidationError, known_fields: Iterable[str]) -> PoisonError:
    """The PoisonError of a failed validation: an unknown field first, because it explains a missing one."""
    details = error.errors(include_url=False, include_context=False)
    details.sort(key=lambda detail: detail["type"] != "unexpected_keyword_argument")
    first = details[0]
    reason = _REASONS.get(first["type"], "wrong-type")
    if first["loc"][:1] == ("published_at",) and first["type"].startswith("datetime_"):
        reason = "wrong-type" if first["type"] == "datetime_type" else "invalid-timestamp"
    problems = "; ".join(_problem(detail, known_fields) for detail in details[:3])
    return PoisonError(reason, problems + ("" if len(details) <= 3 else f"; and {len(details) - 3} more"))


def _problem(detail: ErrorDetails, known_fields: Iterable[str]) -> str:
    where = ".".join(_cut(ascii(part)[1:-1]) if isinstance(part, str) else str(part) for part in detail["loc"])
    if detail["type"] == "missing":
        return f"field {where} is missing"
    if detail["type"] == "unexpected_keyword_argument":
        near = get_close_matches(where, known_fields, n=1)
        hint = f"did you mean {near[0]}?" if near else "put what is yours into metadata"
        return f"field {where} is not known: {hint}"
    expected = detail["msg"].removeprefix("Input should ").removeprefix("String should ").removeprefix("Tuple should ")
    return f"field {where} should {expected}, not {_show(detail['input'])}"


def _too_deep() -> PoisonError:
    return PoisonError("too-deep", f"nested deeper than {MAX_DEPTH} levels: flatten metadata")


def _kind_of(value: Any) -> str:
    names = {dict: "an object", list: "an array", str: "a string", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")


def _show(value: Any) -> str:
    return _cut(json.dumps(value, ensure_ascii=False, default=str))


def _cut(text: str) -> str:
    return text if len(text) <= 80 else text[:79] + "…"
