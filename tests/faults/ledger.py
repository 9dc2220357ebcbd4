"""An independent ledger: what became of every input record, worked out from the topics and the index alone.

It shares no code with the services. Input records are read as plain JSON; what the services say of themselves
(metrics, offsets, logs) is not asked. The rule it judges by: every input record (topic, partition, offset) ends in
exactly one place, which is the index, the dead letters, or the duplicates of an identity already seen.
"""

import base64
import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, NamedTuple

KEPT_BYTES: Final = 64 * 1024
COPIED: Final = ("id", "source", "title", "text", "url", "author", "reach")
"""Fields that an indexed document carries as its input record has them; absent and empty are the same."""


class Place(NamedTuple):
    """Where an input record stands."""

    topic: str
    partition: int
    offset: int


@dataclass(frozen=True, slots=True)
class InputRecord:
    """One record of an input topic that is no tick."""

    place: Place
    value: bytes | None


@dataclass(frozen=True, slots=True)
class IndexedDocument:
    """One hit of the documents alias: its `_id`, its index, its `_source`."""

    id: str
    index: str
    source: Mapping[str, Any]


@dataclass
class Verdict:
    """How many records ended where, and everything that is wrong, in words."""

    indexed: int = 0
    dead: Counter[str] = field(default_factory=Counter)
    duplicates: int = 0
    faults: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        dead = ", ".join(f"{reason} {count:,}" for reason, count in sorted(self.dead.items())) or "none"
        head = f"{self.indexed:,} indexed, {self.duplicates:,} duplicates, {self.dead.total():,} dead letters ({dead})"
        shown = [*self.faults[:20], f"… {len(self.faults) - 20} more"] if len(self.faults) > 20 else self.faults
        return "\n".join([head, *shown])


def judge(
    records: Sequence[InputRecord], documents: Iterable[IndexedDocument], letters: Iterable[Mapping[str, Any]]
) -> Verdict:
    """What became of `records`, in the order of each partition; `letters` are the values of the dead-letter topic.

    Dead letters may be written twice (the same id). Those of ``index`` tell of a document that it could not index.
    Those of ``detect``, and those of a feed, which names its file, are not about an input record and are left aside.
    """
    verdict = Verdict()
    letters = list(letters)
    held = _held(documents, verdict)
    not_indexed = _not_indexed(letters)
    places = {record.place for record in records}
    topics = {place.topic for place in places}
    refused = _refused((letter for letter in letters if letter["origin"]["place"] in topics), verdict)
    for place in refused.keys() - places:
        verdict.faults.append(f"a dead letter names {place}, where there is no input record")

    claims: defaultdict[str, list[InputRecord]] = defaultdict(list)
    for record in records:
        letter = refused.get(record.place)
        if letter is not None:
            verdict.dead[letter["reason"]] += 1
            verdict.faults += _letter_faults(record, letter)
            continue
        identity = identity_of(record.value)
        if identity is None:
            verdict.faults.append(f"{record.place} is lost: it is no document, and no dead letter tells of it")
        else:
            claims[identity].append(record)

    for identity, claimants in claims.items():
        document = held.pop(identity, None)
        if document is None and identity in not_indexed:
            verdict.dead[not_indexed[identity]] += 1
            verdict.duplicates += len(claimants) - 1
            continue
        if document is None:
            verdict.faults += [f"{record.place} is lost: {identity} is not in the index" for record in claimants]
            continue
        verdict.indexed += 1
        verdict.duplicates += len(claimants) - 1
        verdict.faults += _content_faults(document, claimants)
    verdict.faults += [f"{identity} is in the index, but no input record has it" for identity in held]
    return verdict


def identity_of(value: bytes | None) -> str | None:
    """``source/id`` of a record; None where it has none."""
    try:
        content = json.loads(value or b"")
        source, name = content["source"], content["id"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    return f"{source}/{name}" if isinstance(source, str) and isinstance(name, str) else None


def _held(documents: Iterable[IndexedDocument], verdict: Verdict) -> dict[str, IndexedDocument]:
    held: dict[str, IndexedDocument] = {}
    for document in documents:
        if document.id in held:
            verdict.faults.append(f"{document.id} is doubled: in {held[document.id].index} and in {document.index}")
        held[document.id] = document
    return held


def _refused(letters: Iterable[Mapping[str, Any]], verdict: Verdict) -> dict[Place, Mapping[str, Any]]:
    refused: dict[Place, Mapping[str, Any]] = {}
    for letter in letters:
        if letter["stage"] != "enrich":
            continue
        origin = letter["origin"]
        place = Place(origin["place"], origin["partition"], origin["offset"])
        if place in refused and refused[place] != letter:
            verdict.faults.append(f"two dead letters tell different things of {place}")
        refused[place] = letter
    return refused


def _not_indexed(letters: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """The identities of documents that index refused, with the reason."""
    refused = {}
    for letter in letters:
        if letter["stage"] == "index" and letter["origin"]["place"].endswith(".documents"):
            identity = identity_of(base64.b64decode(letter["original"]))
            if identity and letter["message"]:
                refused[identity] = letter["reason"]
    return refused


def _letter_faults(record: InputRecord, letter: Mapping[str, Any]) -> list[str]:
    value = record.value or b""
    faults = []
    if letter["sha256"] != hashlib.sha256(value).hexdigest() or letter["length"] != len(value):
        faults.append(f"the dead letter of {record.place} is of other bytes")
    if base64.b64decode(letter["original"]) != value[:KEPT_BYTES]:
        faults.append(f"the dead letter of {record.place} does not keep its bytes")
    if not letter["reason"] or not letter["message"]:
        faults.append(f"the dead letter of {record.place} gives no reason")
    return faults


def _content_faults(document: IndexedDocument, claimants: Sequence[InputRecord]) -> list[str]:
    """The first record of an identity wins; where its records stand in several partitions, any first of one may."""
    firsts: dict[tuple[str, int], InputRecord] = {}
    for record in claimants:
        firsts.setdefault((record.place.topic, record.place.partition), record)
    problems = [_differences(document.source, record) for record in firsts.values()]
    if all(problems):
        return [f"{document.id} is not what stands at {claimants[0].place}: {', '.join(problems[0])} differ"]
    return []


def _differences(indexed: Mapping[str, Any], record: InputRecord) -> list[str]:
    sent = json.loads(record.value or b"")
    different = [name for name in COPIED if (indexed.get(name) or None) != (sent.get(name) or None)]
    if datetime.fromisoformat(indexed["published_at"]) != datetime.fromisoformat(sent["published_at"]):
        different.append("published_at")
    if indexed["kind"] != record.place.topic.rpartition(".")[2]:
        different.append("kind")
    if (indexed["status"] == "labelled") != (indexed.get("sentiment") is not None):
        different.append("status")
    return different
