"""Identities, ids derived from content, partitions and canonical JSON.

All of it is part of the contract: a consumer in any language can compute the same values.
"""

import hashlib
import json
import math
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any

import numpy as np

_FINAL = frozenset({str, int, bool, type(None)})
"""Types that JSON carries as they are; most fields are of one."""

_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def identity_of(source: str, document_id: str) -> str:
    """A document's identity everywhere: ``source/id``. Unambiguous, because a source has no slash."""
    return f"{source}/{document_id}"


def content_id(prefix: str, *parts: str | int) -> str:
    """An id that is a pure function of `parts`: `prefix`, a hyphen and 128 bits of SHA-256 in hex.

    The parts are hashed as a JSON array, so that ("a", "bc") and ("ab", "c") differ.
    """
    digest = hashlib.sha256(json.dumps(parts, ensure_ascii=False, separators=(",", ":")).encode()).hexdigest()
    return f"{prefix}-{digest[:32]}"


def content_hash(content: bytes) -> str:
    """The hash by which models, dictionaries and settings are named: the first 64 bits of SHA-256 in hex."""
    return hashlib.sha256(content).hexdigest()[:16]


def partition_of(key: str, partitions: int) -> int:
    """The partition of `key` (UTF-8) among `partitions` ≥ 1: first 8 bytes of SHA-256, big-endian, modulo.

    Used by services and replay alike, instead of a client library's own choice, so that both agree.
    """
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big") % partitions


def format_instant(instant: datetime) -> str:
    """RFC 3339 in UTC with ``Z``; fractions of a second only when there are any.

    Raises ValueError for a naive datetime: its instant is unknown.
    """
    if instant.tzinfo is None:
        raise ValueError(f"naive datetime {instant!r}: give it a time zone")
    text = instant.astimezone(UTC).isoformat()
    return text.replace("+00:00", "Z")


def canonical_json(value: Any) -> bytes:
    """The one byte form of a message: UTF-8 JSON, sorted keys, no spaces, floats at 6 significant digits.

    A dict that is a dataclass's field (a document's `metadata`) is the user's own, JSON already, and keeps its
    numbers exactly. Takes dataclasses, mappings, sequences, datetimes (RFC 3339 UTC) and scalars. Equal values
    give equal bytes on every platform. Raises ValueError for NaN and infinities, which JSON cannot carry.
    """
    return _ENCODER.encode(plain(value)).encode("utf-8", "surrogatepass")


def plain(value: Any) -> Any:
    """`value` as JSON-ready dicts, lists and scalars, floats rounded or kept as in `canonical_json`."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return _six_digits(value)
    if names := _field_names(value.__class__):
        parts = [(name, getattr(value, name)) for name in names]
        return {name: part if type(part) in _FINAL or isinstance(part, dict) else plain(part) for name, part in parts}
    if isinstance(value, datetime):
        return format_instant(value)
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | frozenset | set):
        items = sorted(value) if isinstance(value, frozenset | set) else value
        return [plain(item) for item in items]
    if isinstance(value, np.generic):
        return plain(value.item())
    raise TypeError(f"no JSON form for {type(value).__name__}")


@cache
def _field_names(kind: type) -> tuple[str, ...]:
    """Of a dataclass; none for any other type."""
    return tuple(f.name for f in fields(kind)) if is_dataclass(kind) else ()


def _six_digits(number: float) -> float | int:
    if not math.isfinite(number):
        raise ValueError(f"{number} has no JSON form")
    rounded = float(f"{number:.6g}")
    return int(rounded) if rounded.is_integer() and abs(rounded) < 1e15 else rounded
