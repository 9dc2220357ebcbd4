"""Identities, ids derived from content, partitions and canonical JSON.

All of it is part of the contract: a consumer in any language can compute the same values.
"""

import hashlib
import json
import math
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from functools import cache
from operator import attrgetter
from typing import Any

_EXACT = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
_CONSTANTS = {None: "null", False: "false", True: "true"}
_quoted: Callable[[str], str] = json.encoder.encode_basestring


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
    return f"{instant.astimezone(UTC).replace(tzinfo=None).isoformat()}Z"


def canonical_json(value: Any, memo: dict[int, str] | None = None) -> bytes:
    """The one byte form of a message: UTF-8 JSON, sorted keys, no spaces, floats at 6 significant digits.

    A dict that is a dataclass's field (a document's `metadata`) is the user's own, JSON already, and keeps its
    numbers exactly. Takes dataclasses, mappings, sequences, datetimes (RFC 3339 UTC) and scalars. Equal values
    give equal bytes on every platform. Raises ValueError for NaN and infinities, which JSON cannot carry.
    Dataclasses that several messages share are written once where all get the same `memo`, which they must outlive.
    """
    return _text(value, memo).encode("utf-8", "surrogatepass")


def _text(value: Any, memo: dict[int, str] | None) -> str:
    """`value` as JSON, written straight away: a tree of dicts in between would take as long again."""
    if isinstance(value, str):
        return _quoted(value)
    if value is None or isinstance(value, bool):
        return _CONSTANTS[value]
    if isinstance(value, int):
        return int.__repr__(value)
    if isinstance(value, float):
        return _six_digits(value)
    if form := _form(value.__class__):
        return _dataclass_text(value, *form, memo)
    if isinstance(value, datetime):
        return f'"{format_instant(value)}"'
    if isinstance(value, dict):
        named = {str(key): item for key, item in value.items()}
        return "{" + ",".join([f"{_quoted(name)}:{_text(named[name], memo)}" for name in sorted(named)]) + "}"
    if isinstance(value, list | tuple | frozenset | set):
        items = sorted(value) if isinstance(value, frozenset | set) else value
        return "[" + ",".join([_text(item, memo) for item in items]) + "]"
    if getattr(value, "shape", None) == ():  # a scalar of NumPy's, which is slow to import
        return _text(value.item(), memo)
    raise TypeError(f"no JSON form for {type(value).__name__}")


def _dataclass_text(
    value: Any, openings: tuple[str, ...], parts_of: Callable[[Any], tuple[Any, ...]], memo: dict[int, str] | None
) -> str:
    if memo is not None and (known := memo.get(id(value))):
        return known
    parts = []
    for opening, part in zip(openings, parts_of(value), strict=True):
        if part.__class__ is str:
            parts.append(opening + _quoted(part))
        else:
            parts.append(opening + (_EXACT.encode(part) if isinstance(part, dict) else _text(part, memo)))
    text = "".join(parts) + "}"
    if memo is not None:
        memo[id(value)] = text
    return text


@cache
def _form(kind: type) -> tuple[tuple[str, ...], Callable[[Any], tuple[Any, ...]]] | None:
    """Of a dataclass: what stands before each field's value, and what takes the values, both by name; else None."""
    if not is_dataclass(kind):
        return None
    first, *others = sorted(f.name for f in fields(kind))
    openings = (f"{{{_quoted(first)}:", *(f",{_quoted(name)}:" for name in others))
    return openings, attrgetter(first, *others) if others else lambda value: (getattr(value, first),)


def _six_digits(number: float) -> str:
    if not math.isfinite(number):
        raise ValueError(f"{number} has no JSON form")
    rounded = float(f"{number:.6g}")
    return str(int(rounded)) if rounded.is_integer() and abs(rounded) < 1e15 else repr(rounded)
