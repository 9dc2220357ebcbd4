"""Records as they should not be: each is made from a sound one and breaks one rule of the input contract."""

import json
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from random import Random
from typing import Any, Final

from processors.identity import format_instant
from streams.demo.newsroom import Piece

Fields = dict[str, Any]


def _changed(**changes: Any) -> Callable[[Fields, datetime], bytes]:
    return lambda fields, at: _json(fields | changes)


def _json(fields: Mapping[str, Any]) -> bytes:
    return json.dumps(fields, ensure_ascii=False).encode()


def _without(fields: Fields, name: str) -> bytes:
    return _json({key: value for key, value in fields.items() if key != name})


def _nested(depth: int) -> Any:
    value: Any = "the bottom"
    for _ in range(depth):
        value = {"in": value}
    return value


BREAKAGES: Final[Mapping[str, tuple[str, Callable[[Fields, datetime], bytes]]]] = {
    "cut off": ("invalid-json", lambda fields, at: _json(fields)[:-25]),
    "an error page": ("invalid-json", lambda fields, at: b"<html><body>502 Bad Gateway</body></html>"),
    "a null byte": ("invalid-json", lambda fields, at: _json(fields)[:-2] + b'\x00"}'),
    "another encoding": (
        "invalid-utf8",
        lambda fields, at: _json(fields | {"author": "Zoë"}).decode().encode("latin-1", "replace"),
    ),
    "a number as title": ("wrong-type", _changed(title=404)),
    "followers in words": ("wrong-type", _changed(reach="many")),
    "no id": ("missing-field", lambda fields, at: _without(fields, "id")),
    "no time": ("missing-field", lambda fields, at: _without(fields, "published_at")),
    "an unknown field": ("unknown-field", _changed(headline="moved to another name")),
    "an unknown kind": ("wrong-value", _changed(kind="rumor")),
    "from tomorrow": (
        "future-timestamp",
        lambda fields, at: _json(fields | {"published_at": format_instant(at + timedelta(days=1))}),
    ),
    "a clock never set": ("before-1980", _changed(published_at="1970-01-01T00:00:00Z")),
    "no time zone": ("naive-timestamp", _changed(published_at="2025-09-29T14:00:00")),
    "nothing to read": ("empty-document", _changed(title="", text="   ")),
    "a later contract": ("unknown-schema", _changed(schema=7)),
    "a list": ("not-an-object", lambda fields, at: b"[1, 2, 3]"),
    "nothing": ("not-an-object", lambda fields, at: b"null"),
    "over-long": ("too-large", lambda fields, at: _json(fields | {"text": "and so on " * 120_000})),
    "nested too deep": ("too-deep", lambda fields, at: _json(fields | {"metadata": {"a": _nested(60)}})),
    "half a character": (
        "lone-surrogate",
        lambda fields, at: _json(fields)[:-1] + b', "metadata": {"note": "\\ud83d"}}',
    ),
}
"""What is wrong, in words: the reason it is to be refused for, and how to break a record that arrives at an instant."""


def breakages(rng: Random, count: int) -> list[str]:
    """What is wrong with `count` broken records: everything at least once, the over-long (1.2 MB) only once."""
    frequent = [name for name in BREAKAGES if name != "over-long"]
    names = [*BREAKAGES, *rng.choices(frequent, k=count - len(BREAKAGES))]
    rng.shuffle(names)
    return names


def broken_record(name: str, rng: Random, piece: Piece) -> tuple[str, bytes]:
    """The form of `piece` that is broken as `name` says, and the reason it is to be refused for."""
    reason, damage = BREAKAGES[name]
    return reason, damage(dict(piece.fields) | {"id": f"b{rng.getrandbits(40):010x}"}, piece.arrived_at)
