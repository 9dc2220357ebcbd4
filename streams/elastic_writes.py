"""How messages become records in Elasticsearch, each once.

Within one index the server itself tells doubles by `_id`. The same identity published at another time belongs to
another month's index; so each identity is first claimed, in one index for all months, for the index that it goes to.
Whoever comes later finds the claim, across restarts and from other workers too. A claim whose document was not written
(a kill in between) is found by the same document sent again, which then completes it.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import singledispatch
from typing import Any

from elasticsearch import Elasticsearch

from processors.errors import RetryableError
from processors.identity import format_instant
from processors.messages import Alert, DeadLetter, Feedback, LabelledDocument, SeriesPoint
from streams.codec import encode
from streams.elastic_bulk import DUPLICATE, Action, Limits, Result, bulk
from streams.elastic_client import answers
from streams.elastic_indices import WORDS, Indices
from streams.words import storable, words_of

Message = LabelledDocument | SeriesPoint | Alert | Feedback | DeadLetter
"""What is indexed."""


@singledispatch
def action_of(message: Message, indices: Indices) -> Action:
    """What writes `message`. Raises ValueError for a number that JSON cannot carry."""
    raise TypeError(f"{type(message).__name__} is not indexed")


@action_of.register
def _(document: LabelledDocument, indices: Indices) -> Action:
    words = json.dumps(words_of(f"{document.title}\n{document.text}"), ensure_ascii=False)
    source = _source(document)[:-1] + f',"{WORDS}":{words}}}'.encode("utf-8", "replace")
    index = indices.of("documents", document.published_at)
    return Action(index, storable(document.identity), source, claimed=True)


@action_of.register
def _(point: SeriesPoint, indices: Indices) -> Action:
    id = f"{storable(point.series)}@{format_instant(point.start)}"
    return Action(indices.of("series", point.start), id, _source(point), version=point.revision)


@action_of.register
def _(alert: Alert, indices: Indices) -> Action:
    return Action(indices.of("alerts", alert.at), alert.id, _source(alert))


@action_of.register
def _(feedback: Feedback, indices: Indices) -> Action:
    return Action(indices.of("feedback"), feedback.id, _source(feedback))


@action_of.register
def _(letter: DeadLetter, indices: Indices) -> Action:
    return Action(indices.of("deadletters"), letter.id, _source(letter))


def _source(message: Message) -> bytes:
    encoded = encode(message)
    try:
        encoded.decode()
    except UnicodeDecodeError:
        return storable(encoded.decode("utf-8", "surrogatepass")).encode()
    return encoded


class Writer:
    """Writes actions through `client`, each identity once."""

    def __init__(self, client: Elasticsearch, indices: Indices, limits: Limits) -> None:
        self._client = client
        self._indices = indices
        self._limits = limits

    def write(self, actions: Sequence[Action]) -> list[Result]:
        """Write `actions`; one result each, in their order. Nothing is tried twice.

        What has to be sent again is sent again in the same order, with everything of it that is left, before anything
        newer: the first of an identity wins.
        """
        once, again = _repeats(actions)
        results = dict(zip(once, self._write([actions[position] for position in once]), strict=True))
        # 3. What repeats an identity of this batch comes after its first, or waits with it.
        results |= {position: results[first] for position, first in again.items() if results[first].outcome == "retry"}
        rest = [position for position in again if position not in results]
        if rest:
            results |= zip(rest, self.write([actions[position] for position in rest]), strict=True)
        return [results[position] for position in range(len(actions))]

    def _write(self, actions: Sequence[Action]) -> list[Result]:
        # 1. Claim: from here on nobody else writes these identities to another index.
        results = self._claim(actions)
        # 2. Write what may be written; the server tells what was there.
        free = [position for position in range(len(actions)) if position not in results]
        results |= zip(free, bulk(self._client, [actions[p] for p in free], self._limits), strict=True)
        return [results[position] for position in range(len(actions))]

    def _claim(self, actions: Sequence[Action]) -> dict[int, Result]:
        """Results of those that must not be written now."""
        positions = [position for position, action in enumerate(actions) if action.claimed]
        claims = [
            Action(self._indices.identities, actions[p].id, json.dumps({"index": actions[p].index}).encode())
            for p in positions
        ]
        claimed = dict(zip(positions, bulk(self._client, claims, self._limits), strict=True))
        known = [position for position, result in claimed.items() if result == DUPLICATE]
        try:
            holders = indices_of(self._client, self._indices, [actions[position].id for position in known])
        except RetryableError as error:
            holders = {}
            claimed |= dict.fromkeys(known, Result("retry", str(error)))
        barred = {p: result for p, result in claimed.items() if result.outcome in ("refused", "retry")}
        return barred | {
            p: DUPLICATE for p in known if p not in barred and holders.get(actions[p].id) != actions[p].index
        }


def _repeats(actions: Sequence[Action]) -> tuple[list[int], dict[int, int]]:
    """The positions that claim nothing or are the first of their identity; of the others, where that first is."""
    first: dict[str, int] = {}
    once, again = [], {}
    for position, action in enumerate(actions):
        if action.claimed and (before := first.setdefault(action.id, position)) != position:
            again[position] = before
        else:
            once.append(position)
    return once, again


def indices_of(client: Elasticsearch, indices: Indices, identities: Iterable[str]) -> Mapping[str, str]:
    """The index that each of `identities` was claimed for, those that were. Raises RetryableError."""
    ids = list(identities)
    if not ids:
        return {}
    with answers():
        found: list[dict[str, Any]] = client.mget(index=indices.identities, ids=ids)["docs"]
    return {entry["_id"]: entry["_source"]["index"] for entry in found if entry.get("found")}
