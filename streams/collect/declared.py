"""The sources that collect takes documents from, declared in one TOML file, a `[[source]]` each.

Of each it is said who it is (`name`, `kind`), where it comes from (`url` of a feed, `path` of a file that is appended to,
or `push = true`), and what it may be used for (`licence`, `purpose`): without these two nothing is taken. Whatever is not
known is refused, with the nearest name that is.
"""

import json
import re
import tomllib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

from annotated_types import Ge, Le, MaxLen, MinLen
from pydantic import TypeAdapter, ValidationError

from processors.errors import ConfigurationError
from processors.messages import Kind
from streams.codec import SOURCE_PATTERN
from streams.topics import CANARY_SOURCE

_NAME: Final = re.compile(SOURCE_PATTERN)


@dataclass(frozen=True, slots=True)
class Source:
    """One source. `interval` is in seconds, between two looks at a feed."""

    name: Annotated[str, MinLen(1), MaxLen(64)]
    kind: Kind
    licence: Annotated[str, MinLen(1), MaxLen(200)]
    purpose: Annotated[str, MinLen(1), MaxLen(500)]
    url: Annotated[str, MaxLen(8192)] = ""
    path: Annotated[str, MaxLen(4096)] = ""
    push: bool = False
    language: Annotated[str, MinLen(1), MaxLen(64)] | None = None
    interval: Annotated[int, Ge(1), Le(7 * 86_400)] = 300
    allow_private: bool = False

    @property
    def way(self) -> Literal["feed", "file", "push"]:
        """How its documents come."""
        return "feed" if self.url else "file" if self.path else "push"

    @property
    def host(self) -> str:
        """The host of its feed."""
        return urlsplit(self.url).hostname or ""

    @property
    def terms(self) -> dict[str, str]:
        """What each of its documents says of where it may be used."""
        return {"licence": self.licence, "purpose": self.purpose}


_SOURCE: Final = TypeAdapter(Source)
_KEYS: Final = tuple(f.name for f in fields(Source))


def load_sources(path: Path) -> tuple[Source, ...]:
    """The sources that the file declares, in its order.

    Raises ConfigurationError that tells everything that is wrong with it, each with its source.
    """
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"cannot read the sources {path}: {error.strerror}; set collect.sources") from None
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{path}: byte {error.start} is no UTF-8: save the file as UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{path}: no valid TOML: {error}") from None
    return sources_of(tables, str(path))


def sources_of(tables: dict[str, Any], place: str) -> tuple[Source, ...]:
    """As `load_sources`, of what TOML holds; `place` is named in errors."""
    problems = [f"{place}: {_unknown(name, ('source',))}" for name in tables if name != "source"]
    entries = tables.get("source", [])
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise ConfigurationError(f"{place}: write each source as a table of its own, under [[source]]")
    found: list[Source] = []
    for number, entry in enumerate(entries, start=1):
        where = f"{place}: source {number}" + (f" ({entry['name']!a})" if isinstance(entry.get("name"), str) else "")
        said = list(_faults(entry))
        if not said:
            source = _SOURCE.validate_json(json.dumps(entry, default=str), strict=True)
            said = list(_contradictions(source, entry))
            found.append(source)
        problems += [f"{where}: {fault}" for fault in said]
    for name, count in Counter(source.name for source in found).items():
        if count > 1:
            problems.append(f"{place}: {count} sources are called {name!a}: the name tells them apart")
    if not entries and not problems:
        problems.append(f"{place}: declares no source: begin with a line [[source]]")
    if problems:
        raise ConfigurationError("\n".join(problems))
    return tuple(found)


def _faults(entry: dict[str, Any]) -> Iterator[str]:
    unknown = [name for name in entry if name not in _KEYS]
    yield from (_unknown(name, _KEYS) for name in unknown)
    known = {name: value for name, value in entry.items() if name in _KEYS}
    try:
        _SOURCE.validate_json(json.dumps(known, default=str), strict=True)
    except ValidationError as error:
        for detail in error.errors(include_url=False):
            name = str(detail["loc"][0])
            if detail["type"].startswith("missing"):
                yield f"{name} is missing"
            else:
                yield f"{name} should {detail['msg'].removeprefix('Input should ')}, not {detail['input']!r}"


def _contradictions(source: Source, entry: dict[str, Any]) -> Iterator[str]:
    if not _NAME.fullmatch(source.name):
        yield "name: no slash, no control characters"
    if source.name == CANARY_SOURCE:
        yield f"name: {CANARY_SOURCE} is taken, by the canary"
    ways = [bool(source.url), bool(source.path), source.push].count(True)
    if ways != 1:
        yield "give one of url, path and push = true"
        return
    if source.url and not _is_address(source.url):
        yield f"url {source.url!a} is no http or https address of a host"
    for name in ("interval", "allow_private"):
        if name in entry and not source.url:
            yield f"{name} is for a source with a url"
    for name in ("licence", "purpose"):
        if not getattr(source, name).strip():
            yield f"{name} says nothing"


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises where it is none
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)


def _unknown(name: str, known: tuple[str, ...]) -> str:
    near = get_close_matches(name, known, n=1, cutoff=0.5)
    return f"{name} is not known: " + (f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}")
