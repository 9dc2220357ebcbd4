"""The ledger of the log between enrich and detect: nothing missing from it, nothing invented, no tick too early.

Like `ledger` it shares no code with the services, and judges by input topics, log and index alone.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from ledger import IndexedDocument, identity_of
from witness import Record

CANARY: Final = "tocsin-canary"
Spot = tuple[str, int]
"""Topic and partition."""


class AlarmDelay(NamedTuple):
    """Seconds from the broker's receipt of the document that rang, at `received` (seconds since 1970), to its receipt of the
    alert."""

    received: float
    seconds: float


def log_faults(arrivals: Sequence[Record], documents: Iterable[IndexedDocument], log: Sequence[Record]) -> list[str]:
    """What is wrong with the `log` (mentions and wide), given all input records and what is in the index of them."""
    positions: defaultdict[Spot, dict[str, int]] = defaultdict(dict)  # of each identity's first record
    ticks: defaultdict[Spot, dict[tuple[str, str], int]] = defaultdict(dict)
    about: set[tuple[str, str]] = set()  # identity and company, or "" on wide
    unlabelled: defaultdict[str, set[Spot]] = defaultdict(set)
    for record in log:
        spot = _spot(record)
        position, kind = record.place.offset, record.headers.get("type")
        value = json.loads(record.value or b"{}")
        if kind == b"tick":
            ticks[spot].setdefault((value["origin"], value["at"]), position)
        elif kind is None:
            identity = value["document"]["identity"]
            positions[spot].setdefault(identity, position)
            about.add((identity, value.get("company", "")))
        elif kind == b"unlabelled":
            unlabelled[value["identity"]].add(spot)
            positions[spot].setdefault(value["identity"], position)
    spots = ticks.keys() | positions.keys()
    faults = _missing(documents, about, unlabelled, spots)
    sent = {identity_of(record.value) for record in arrivals}
    invented = {identity for known in positions.values() for identity in known} - sent
    faults += [f"{identity} is on the log, but no input record has it" for identity in sorted(invented)]
    for spot in sorted(spots):
        faults += _overtaken(arrivals, spot, positions[spot], ticks[spot])
    return faults


def alarm_delays(arrivals: Sequence[Record], alerts: Iterable[Record]) -> tuple[list[AlarmDelay], list[str]]:
    """The delay of each alert; and what is wrong with what alerts say of that: a time at which no document came. Those that
    say nothing of it were brought about by passing time."""
    came = {record.timestamp for record in arrivals if record.headers.get("type") is None}
    delays, faults = [], []
    for alert in alerts:
        if (stated := alert.headers.get("received")) is None:
            continue
        received = int(stated)
        if received in came:
            delays.append(AlarmDelay(received / 1000, (alert.timestamp - received) / 1000))
        else:
            faults.append(f"{alert.place} says that its document came at {received}, when none did")
    return delays, faults


def _missing(
    documents: Iterable[IndexedDocument],
    about: set[tuple[str, str]],
    unlabelled: Mapping[str, set[Spot]],
    spots: Iterable[Spot],
) -> list[str]:
    faults = []
    for document in documents:
        source = document.source
        if source["source"] == CANARY:
            continue
        if source["status"] == "labelled":
            due = {"", *(link["company"] for link in source["companies"])}
            faults += [
                f"{document.id} is in the index, but not on the log{f' of {company}' if company else ''}"
                for company in sorted(due)
                if (document.id, company) not in about
            ]
        elif missing := set(spots) - unlabelled.get(document.id, set()):
            faults.append(f"{document.id} is in the index unlabelled, of which {len(missing)} partitions are not told")
    return faults


def _overtaken(
    arrivals: Sequence[Record], spot: Spot, positions: Mapping[str, int], ticks: Mapping[tuple[str, str], int]
) -> list[str]:
    """Ticks that stand before a document that came before them in their input partition."""
    latest: defaultdict[Spot, tuple[int, str]] = defaultdict(lambda: (-1, ""))
    seen: set[tuple[str, str]] = (
        set()
    )  # a tick that comes again says nothing new, and may stand where the first one does
    faults = []
    for record in arrivals:
        partition = _spot(record)
        if record.headers.get("type") != b"tick":
            identity = identity_of(record.value) or ""
            if identity in positions:
                latest[partition] = max(latest[partition], (positions[identity], identity))
            continue
        at = _value(record)["at"]
        origin = f"{record.place.topic.rpartition('.')[2]}/{record.place.partition}"
        if (origin, at) in seen:
            continue
        seen.add((origin, at))
        position = ticks.get((origin, at))
        if position is not None and position < latest[partition][0]:
            faults.append(f"{spot[0]}/{spot[1]}: the tick {at} of {origin} overtook {latest[partition][1]}")
    return faults


def _spot(record: Record) -> Spot:
    return record.place.topic, record.place.partition


def _value(record: Record) -> Any:
    return json.loads(record.value or b"{}")
