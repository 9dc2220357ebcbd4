"""Bulk requests to Elasticsearch, and what became of every single item.

An item is written, was there already, is refused for good, or has to be sent again. What the cluster says of itself
(away, busy, read-only, not permitted) is waited out; what it says of the item is a refusal.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from elastic_transport import TransportError
from elasticsearch import ApiError, Elasticsearch, UnsupportedProductError

from streams.elastic_client import described, in_words, no_elasticsearch
from streams.parts import parted

Outcome = Literal["created", "duplicate", "refused", "retry"]


@dataclass(frozen=True, slots=True)
class Action:
    """One record to write: `source` is its JSON in one line.

    The first record of an `id` wins within its index, or in all of them where it is `claimed`. With a `version` the
    highest wins instead.
    """

    index: str
    id: str
    source: bytes
    version: int | None = None
    claimed: bool = False

    def lines(self) -> tuple[bytes, bytes]:
        """As they stand in the request."""
        target: dict[str, Any] = {"_index": self.index, "_id": self.id}
        if self.version is None:
            return json.dumps({"create": target}).encode(), self.source
        return json.dumps(
            {"index": target | {"version": self.version, "version_type": "external"}}
        ).encode(), self.source


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one action; `why` tells of a refusal, or of what is waited for."""

    outcome: Outcome
    why: str = ""


@dataclass(frozen=True, slots=True)
class Limits:
    """The largest request: records, and bytes of their JSON. A larger record goes alone."""

    records: int = 1000
    bytes: int = 8_000_000


_CREATED: Final = Result("created")
DUPLICATE: Final = Result("duplicate")

_OF_THE_CLUSTER: Final = frozenset({"validation_exception", "index_closed_exception"})
"""Errors of status 400 that no document is to blame for: no room for another index, an index that was closed."""


def bulk(client: Elasticsearch, actions: Sequence[Action], limits: Limits) -> list[Result]:
    """Send `actions`; one result each, in their order. After a request that failed, nothing more is sent.

    Raises ConfigurationError where what answers is no Elasticsearch.
    """
    results: list[Result] = []
    for request in requests(actions, limits):
        answered = _send(client, request)
        results += answered
        if all(result.outcome == "retry" for result in answered):
            break
    results += [Result("retry", results[-1].why)] * (len(actions) - len(results)) if results else []
    return results


def requests(actions: Sequence[Action], limits: Limits) -> Iterator[list[Action]]:
    """`actions` in their order, in requests within `limits`."""
    return parted(actions, lambda action: len(action.source) + len(action.id), limits.records, limits.bytes)


def classify(status: int, error: Mapping[str, Any] | None) -> Result:
    """What the answer to one item means."""
    if status in (200, 201):
        return _CREATED
    if status == 409:
        return DUPLICATE
    why = described(error or {})
    blamed = status in (400, 413) and (error or {}).get("type") not in _OF_THE_CLUSTER
    return Result("refused" if blamed else "retry", f"{status} {why}")


def _send(client: Elasticsearch, request: Sequence[Action]) -> list[Result]:
    lines: Any = [line for action in request for line in action.lines()]
    try:
        answer = client.bulk(operations=lines, filter_path=["errors", "items.*.status", "items.*.error"])
    except UnsupportedProductError as error:
        raise no_elasticsearch(error) from None
    except (ApiError, TransportError) as error:
        if not isinstance(error, ApiError) or error.status_code not in (400, 413):
            return [Result("retry", in_words(error))] * len(request)
        if len(request) == 1:  # refused as a whole, and alone: it is this one
            return [Result("refused", in_words(error))]
        half = len(request) // 2
        return _send(client, request[:half]) + _send(client, request[half:])
    items = [item for entry in answer["items"] for item in entry.values()]
    return [classify(item["status"], item.get("error")) for item in items]
