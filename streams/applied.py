"""What the detector of one partition has applied: two records beside its pieces of state.

``_applied`` is written with the pieces, every few seconds, and is where a start begins. It tells enough to notice state
that is missing, stale or damaged, and to replay the log as it was detected: by which settings from which offset on.
``_published`` is written in every transaction and says how far alerts and points are out: up to there a start applies
the log again without telling anything. The group's offsets are for display.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from functools import cache
from typing import Any, Final, Self, cast
from zlib import crc32

from pydantic import TypeAdapter, ValidationError

from processors.detection import DetectorSettings
from processors.errors import ConfigurationError, PoisonError
from processors.identity import canonical_json, content_hash, format_instant
from processors.state import exact_json
from streams.codec import decode

APPLIED: Final = "_applied"
PUBLISHED: Final = "_published"
STATE_VERSION: Final = 2
_READ: Final = frozenset({1, STATE_VERSION})
"""The versions that are understood. In version 1 every transaction wrote the state, and there was no ``_published``."""


@dataclass(frozen=True, slots=True)
class Adoption:
    """From the record at `offset` on, the detector was set by `settings` (all of them, exact)."""

    offset: int
    hash: str
    settings: Mapping[str, Any]

    @classmethod
    def of(cls, settings: DetectorSettings, offset: int) -> Self:
        """`settings`, in force from `offset` on."""
        return cls(offset, hash_of(settings), json.loads(exact_json(asdict(settings))))

    def restored(self) -> DetectorSettings:
        """The settings themselves. Raises ConfigurationError where this release cannot be set in the same way."""
        try:
            settings = _adapter().validate_json(exact_json(self.settings), strict=True, extra="ignore")
        except ValidationError:
            settings = None
        if settings is None or hash_of(settings) != self.hash:
            raise ConfigurationError(
                f"the settings of detection {self.hash}, in force from offset {self.offset} on, are those of another "
                "release, which judged differently: replay with that release"
            )
        return settings


@dataclass(frozen=True, slots=True)
class Applied:
    """How far a partition is applied, and what must be true of its state.

    `offset` is that of the next record, of which the first `steps` effects were published before the state was saved;
    `began` the first that the state knows; what records before `silent_below` brought about was published by an earlier
    state, before a rebuild. `adoptions` are never empty, rising by offset.
    `heard` is each origin's latest tick, `silent_until` up to when incidents that open are not told. `open` counts
    open incidents by kind. `missing` counts records that were not there (holes in the log). `pieces` and `checksum`
    are those of the state (see `Inventory`).
    """

    offset: int
    began: int
    silent_below: int
    adoptions: tuple[Adoption, ...]
    heard: dict[str, datetime] = field(default_factory=dict)
    open: dict[str, int] = field(default_factory=dict)
    missing: int = 0
    pieces: int = 0
    checksum: int = 0
    steps: int = 0
    silent_until: datetime | None = None
    state_version: int = STATE_VERSION

    @property
    def adopted(self) -> Adoption:
        """The settings in force."""
        return self.adoptions[-1]

    def encode(self) -> bytes:
        """As JSON, exact."""
        heard = {origin: format_instant(at) for origin, at in self.heard.items()}
        silent_until = self.silent_until and format_instant(self.silent_until)
        return exact_json({**asdict(self), "heard": heard, "silent_until": silent_until})

    @classmethod
    def decode(cls, raw: bytes) -> Self:
        """The record whose `encode()` is `raw`. Raises PoisonError: ``state-version`` for another version's."""
        try:
            version = json.loads(raw).get("state_version")
        except (ValueError, AttributeError):
            version = None
        if version not in _READ:
            raise PoisonError(
                "state-version",
                f"the state is of version {version}, this release reads {' and '.join(map(str, sorted(_READ)))}",
            )
        return decode(cls, raw)


@dataclass(frozen=True, slots=True)
class Published:
    """How far a partition is published: everything that the records before `offset` brought about is out, and the first
    `steps` effects of the record there: a tick that many waited for takes several transactions.

    `missing` counts records that were not there, as in `Applied`. `told` is a checksum over the alerts and points that were
    published since the state was last written: what is applied again has to give the same.
    """

    offset: int
    missing: int = 0
    told: int = 0
    steps: int = 0
    state_version: int = STATE_VERSION

    def encode(self) -> bytes:
        """As JSON."""
        return exact_json(asdict(self))

    @classmethod
    def decode(cls, raw: bytes) -> Self:
        """The record whose `encode()` is `raw`. Raises PoisonError."""
        return decode(cls, raw)


class Inventory:
    """Which pieces of state there are, and a checksum over all of them that each change updates."""

    def __init__(self, pieces: Mapping[str, bytes] | None = None) -> None:
        self._sums: dict[str, int] = {}
        self.checksum = 0
        self.kinds: Counter[str] = Counter()
        """How many pieces there are of each kind: what their keys begin with."""
        for key, content in (pieces or {}).items():
            self.put(key, content)

    def put(self, key: str, content: bytes | None) -> bool:
        """Note a piece written, or with None deleted; whether that changes anything."""
        before = self._sums.pop(key, None)
        if before is not None:
            self.checksum ^= before
        if content is not None:
            self._sums[key] = after = crc32(content, crc32(key.encode("utf-8", "surrogatepass")))
            self.checksum ^= after
        if (before is None) != (content is None):
            self.kinds[key.partition("/")[0]] += 1 if before is None else -1
        return content is not None or before is not None

    def __len__(self) -> int:
        return len(self._sums)


def hash_of(settings: DetectorSettings) -> str:
    """The hash by which alerts name these settings."""
    return content_hash(canonical_json(settings))


def differences(before: Mapping[str, Any], after: Mapping[str, Any], prefix: str = "") -> Iterable[str]:
    """What two sets of settings differ in, as ``section.field: old → new``."""
    for name in sorted(before.keys() | after.keys()):
        old, new = before.get(name), after.get(name)
        if isinstance(old, dict) and isinstance(new, dict):
            yield from differences(old, new, f"{prefix}{name}.")
        elif old != new:
            yield f"{prefix}{name}: {json.dumps(old)} → {json.dumps(new)}"


@cache
def _adapter() -> TypeAdapter[DetectorSettings]:
    return TypeAdapter(cast(Any, DetectorSettings))
