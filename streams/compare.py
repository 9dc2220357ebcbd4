"""What another model would change: labels and incidents of two replays of the same documents."""

import gzip
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from processors.errors import ConfigurationError, PoisonError
from processors.identity import format_instant
from processors.messages import Alert, LabelledDocument, Tier, Versions
from streams.codec import decode
from streams.outputs import ALERTS, DOCUMENTS

SAME_INCIDENT: Final = timedelta(hours=24)
"""Incidents of one series and kind are the same event where no longer lies between them."""


@dataclass(frozen=True, slots=True)
class Flip:
    """One document whose sentiment turned."""

    identity: str
    text: str
    before: str
    after: str
    p_negative_before: float
    p_negative_after: float


@dataclass(frozen=True, slots=True)
class Incident:
    """One incident from its opening to its latest event, with the highest tier that it reached."""

    series: str
    kind: str
    opened: datetime
    latest: datetime
    tier: Tier


@dataclass(frozen=True, slots=True)
class Comparison:
    """How two runs differ. `models` are name, version and hash of each; `only` the incidents that one alone rang."""

    models: tuple[tuple[str, str, str], tuple[str, str, str]]
    documents: int
    flips: tuple[Flip, ...]
    topics_turned: int
    incidents: tuple[int, int]
    only: tuple[tuple[Incident, ...], tuple[Incident, ...]]

    @property
    def flipped_share(self) -> float:
        """Of all documents that both labelled."""
        return len(self.flips) / self.documents if self.documents else 0.0

    @property
    def alarms_share(self) -> float:
        """Of all incidents, those that only one of the models rings."""
        alone = len(self.only[0]) + len(self.only[1])
        total = sum(self.incidents)
        return alone / ((total + alone) / 2) if total else 0.0

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready, with every flip and every incident that one alone rang."""
        return {
            "models": [dict(zip(("name", "version", "hash"), model, strict=True)) for model in self.models],
            "documents": self.documents,
            "sentiments_turned": len(self.flips),
            "sentiments_turned_share": round(self.flipped_share, 6),
            "topics_turned": self.topics_turned,
            "incidents": list(self.incidents),
            "incidents_alone_share": round(self.alarms_share, 6),
            "flips": [{name: getattr(flip, name) for name in Flip.__slots__} for flip in self.flips],
            "incidents_alone": [
                [
                    {
                        "series": each.series,
                        "kind": each.kind,
                        "opened": format_instant(each.opened),
                        "latest": format_instant(each.latest),
                        "tier": each.tier,
                    }
                    for each in side
                ]
                for side in self.only
            ],
        }


def compared(a: Path, b: Path) -> Comparison:
    """How the replay in the folder `b` differs from that in `a`.

    Raises ConfigurationError where one is no replay, labels by several models, or saw other documents, another dictionary or
    other settings than the other.
    """
    before, after = _labelled(a), _labelled(b)
    if before.keys() != after.keys():
        alone = before.keys() ^ after.keys()
        raise ConfigurationError(
            f"{a} and {b} did not label the same documents: {len(alone)} stand in one alone, such as {min(alone)}"
        )
    ours, theirs = _versions(before.values(), a), _versions(after.values(), b)
    if (ours.dictionary_hash, ours.settings_hash) != (theirs.dictionary_hash, theirs.settings_hash):
        raise ConfigurationError(f"{a} and {b} were made with another dictionary or other settings: replay both alike")
    flips, topics = [], 0
    for identity, old in before.items():
        new = after[identity]
        assert old.sentiment and new.sentiment and old.topic and new.topic
        topics += old.topic.label != new.topic.label
        if old.sentiment.label != new.sentiment.label:
            text = " ".join(f"{new.title} {new.text}".split())
            labels = old.sentiment.label, new.sentiment.label
            flips.append(Flip(identity, text, *labels, old.sentiment.negative, new.sentiment.negative))
    flips.sort(key=lambda flip: (-abs(flip.p_negative_after - flip.p_negative_before), flip.identity))
    rang = _incidents(a), _incidents(b)
    return Comparison(
        (_named(ours), _named(theirs)), len(before), tuple(flips), topics, (len(rang[0]), len(rang[1])), _alone(*rang)
    )


def lines_of(found: Comparison, examples: int) -> Iterator[str]:
    """`found` for a person, with so many `examples` of turned labels."""
    for letter, model in zip("AB", found.models, strict=True):
        yield f"{letter}: {model[0]} {model[1]} ({model[2][:12]})"
    yield (
        f"{found.documents:,} documents: {len(found.flips):,} sentiments turned ({found.flipped_share:.2%}), "
        f"{found.topics_turned:,} topics"
    )
    for (before, after), count in sorted(Counter((flip.before, flip.after) for flip in found.flips).items()):
        yield f"  {before} to {after}: {count:,}"
    for flip in found.flips[:examples]:
        yield f"  {flip.before} {flip.p_negative_before:.2f} to {flip.after} {flip.p_negative_after:.2f}: {flip.text[:160]}"
    yield (
        f"incidents: A {found.incidents[0]:,}, B {found.incidents[1]:,}; only with A {len(found.only[0]):,}, only with B "
        f"{len(found.only[1]):,} ({found.alarms_share:.0%} of all)"
    )
    if not sum(found.incidents):
        yield (
            "neither rang, so that alarms are not compared: give documents of longer than detection.warm_up_days, in which something "
            "happens"
        )
    for letter, side in zip("AB", found.only, strict=True):
        for each in side[:examples]:
            yield f"  only {letter}: {each.tier} {each.kind} {each.series}, {each.opened:%Y-%m-%d %H:%M}"


def _labelled(folder: Path) -> dict[str, LabelledDocument]:
    path = folder / DOCUMENTS
    found = {}
    try:
        with gzip.open(path, "rb") as lines:
            for line in lines:
                document = decode(LabelledDocument, line)
                if document.sentiment:
                    found[document.identity] = document
    except (OSError, EOFError, PoisonError) as error:
        raise ConfigurationError(f"{path}: no documents of a replay ({error})") from None
    return found


def _versions(documents: Iterable[LabelledDocument], folder: Path) -> Versions:
    found = {document.versions for document in documents if document.versions}
    if len(found) != 1:
        raise ConfigurationError(f"{folder} holds labels of {len(found)} models or settings: exactly one is needed")
    return found.pop()


def _named(versions: Versions) -> tuple[str, str, str]:
    return versions.model, versions.model_version, versions.model_hash


def _incidents(folder: Path) -> list[Incident]:
    events: defaultdict[str, list[Alert]] = defaultdict(list)
    try:
        for line in (folder / ALERTS).read_bytes().splitlines():
            alert = decode(Alert, line)
            events[alert.incident].append(alert)
    except (OSError, PoisonError) as error:
        raise ConfigurationError(f"{folder / ALERTS}: no alerts of a replay ({error})") from None
    incidents = [
        Incident(told[-1].series, told[-1].kind, told[0].opened_at, told[-1].at, told[-1].tier)
        for told in events.values()
    ]
    return sorted(incidents, key=lambda each: (each.opened, each.series, each.kind))


def _alone(ours: list[Incident], theirs: list[Incident]) -> tuple[tuple[Incident, ...], tuple[Incident, ...]]:
    """The incidents that have no counterpart on the other side; each counterpart serves one, the earliest first."""
    rest: defaultdict[tuple[str, str], list[Incident]] = defaultdict(list)
    for each in theirs:
        rest[each.series, each.kind].append(each)
    alone = []
    for each in ours:
        same = rest[each.series, each.kind]
        found = next(
            (
                other
                for other in same
                if other.opened <= each.latest + SAME_INCIDENT and each.opened <= other.latest + SAME_INCIDENT
            ),
            None,
        )
        if found:
            same.remove(found)
        else:
            alone.append(each)
    left = sorted(
        (each for same in rest.values() for each in same), key=lambda each: (each.opened, each.series, each.kind)
    )
    return tuple(alone), tuple(left)
