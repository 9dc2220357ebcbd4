"""The store of a deployment: Elasticsearch, written by any number of workers.

Every record is kept as its canonical JSON. Searching sees what was written about a second ago (the refresh of an
index); a document asked for by its identity is found at once.
"""

import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Final, TypeVar

from processors.errors import PoisonError, RetryableError
from processors.identity import format_instant
from processors.messages import Alert, DeadLetter, LabelledDocument, SeriesPoint
from streams.codec import decode
from streams.elastic_bulk import Limits
from streams.elastic_client import answers, connect
from streams.elastic_indices import WORDS, IndexKind, Indices, install
from streams.elastic_writes import Message, Writer, action_of, indices_of
from streams.service_settings import ElasticsearchSettings
from streams.store import AlertQuery, Counts, DocumentQuery
from streams.words import storable, words_of

_Message = TypeVar("_Message")

_PAGE: Final = 500
"""Hits in one answer: of documents at their limit, half a gigabyte would be too many."""

_NANOSECONDS: Final = "strict_date_optional_time_nanos"
_DISTINCT: Final = 40_000
"""Up to so many distinct values are counted nearly exactly; the largest that Elasticsearch takes."""


class ElasticStore:
    """A `streams.store.Store` in the cluster that `settings` name; makes the templates unless `read_only`.

    With `refresh`, whatever was written is found by the next search, which slows writing down. Of a batch that failed
    some may be written. Raises RetryableError where the cluster is away, ConfigurationError for what is wrong with it.
    """

    def __init__(self, settings: ElasticsearchSettings, *, read_only: bool = False, refresh: bool = False) -> None:
        self._client = connect(settings)
        self._indices = Indices(settings)
        self._writer = Writer(self._client, self._indices, Limits())
        self._refresh = refresh
        if not read_only:
            install(self._client, self._indices)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def write_documents(self, documents: Sequence[LabelledDocument]) -> int:
        """See `Store`. Raises PoisonError for what Elasticsearch refuses."""
        return self._write("documents", documents)

    def write_points(self, points: Sequence[SeriesPoint]) -> int:
        """See `Store`. Raises PoisonError for what Elasticsearch refuses."""
        return self._write("series", points)

    def write_alerts(self, alerts: Sequence[Alert]) -> int:
        """See `Store`. Raises PoisonError for what Elasticsearch refuses."""
        return self._write("alerts", alerts)

    def write_dead_letters(self, letters: Sequence[DeadLetter]) -> int:
        """See `Store`. Raises PoisonError for what Elasticsearch refuses."""
        return self._write("deadletters", letters)

    def document(self, identity: str) -> LabelledDocument | None:
        """See `Store`."""
        id = storable(identity)
        index = indices_of(self._client, self._indices, [id]).get(id)
        if index is None:
            return None
        with answers():
            (found,) = self._client.mget(index=index, ids=[id], source_excludes=[WORDS])["docs"]
        return _message(LabelledDocument, found) if found.get("found") else None

    def search(self, query: DocumentQuery) -> list[LabelledDocument]:
        """See `Store`."""
        where: list[dict[str, Any]] = []
        if query.words.strip():
            phrases = [words for word in query.words.split() if (words := words_of(storable(word)))]
            if not phrases:
                return []
            where += ({"match_phrase": {WORDS: phrase}} for phrase in phrases)
        where += _any_of("companies.company", query.companies)
        where += _any_of("source", query.sources)
        where += _equal("sentiment.label", query.sentiment)
        where += _equal("topic.label", query.topic)
        where += _equal("status", query.status)
        where += _range("published_at", query.since, query.until)
        newest = [_by("published_at", "desc"), {"_seq_no": "desc"}]
        return self._find("documents", LabelledDocument, where, newest, query.limit)

    def alerts(self, query: AlertQuery) -> list[Alert]:
        """See `Store`."""
        where: list[dict[str, Any]] = []
        if query.id_prefix:
            where.append({"prefix": {"id": {"value": storable(query.id_prefix)}}})
        where += _equal("incident", query.incident)
        where += _equal("series", query.series)
        where += _range("at", query.since, query.until)
        return self._find("alerts", Alert, where, [_by("at", "desc"), {"_seq_no": "desc"}], query.limit)

    def points(self, series: str, since: datetime | None = None, until: datetime | None = None) -> list[SeriesPoint]:
        """See `Store`."""
        where = [*_equal("series", series), *_range("start", since, until)]
        return self._find("series", SeriesPoint, where, [_by("start", "asc")])

    def dead_letters(self, reason: str | None = None, limit: int = 100) -> list[DeadLetter]:
        """See `Store`."""
        return self._find("deadletters", DeadLetter, _equal("reason", reason), [{"_seq_no": "asc"}], limit)

    def counts(self) -> Counts:
        """See `Store`. Incidents beyond 40,000 are an estimate."""
        documents, by_label = self._count(
            "documents",
            sentiments={"terms": {"field": "sentiment.label"}},
            unlabelled={"filter": {"term": {"status": "unlabelled"}}},
            late={"filter": {"term": {"late": True}}},
        )
        points, _ = self._count("series")
        alerts, of_alerts = self._count(
            "alerts", incidents={"cardinality": {"field": "incident", "precision_threshold": _DISTINCT}}
        )
        _, of_letters = self._count("deadletters", reasons={"terms": {"field": "reason", "size": 1000}})
        return Counts(
            documents=documents,
            sentiments=_buckets(by_label.get("sentiments")),
            unlabelled=by_label["unlabelled"]["doc_count"] if by_label else 0,
            late=by_label["late"]["doc_count"] if by_label else 0,
            points=points,
            alerts=alerts,
            incidents=of_alerts["incidents"]["value"] if of_alerts else 0,
            dead_letters=_buckets(of_letters.get("reasons")),
        )

    def _write(self, kind: IndexKind, messages: Sequence[Message]) -> int:
        actions = [action_of(message, self._indices) for message in messages]
        results = self._writer.write(actions)
        if self._refresh:
            with answers():
                self._client.indices.refresh(index=self._indices.alias(kind), ignore_unavailable=True)
        for action, result in zip(actions, results, strict=True):
            if result.outcome == "refused":
                raise PoisonError("refused-by-index", f"{action.id}: {result.why}")
        waiting = [result.why for result in results if result.outcome == "retry"]
        if waiting:
            raise RetryableError(f"{len(waiting)} of {len(results)} records are not written: {waiting[0]}")
        return sum(result.outcome == "created" for result in results)

    def _find(
        self,
        kind: IndexKind,
        message_type: type[_Message],
        where: list[dict[str, Any]],
        sort: list[dict[str, Any]],
        limit: int | None = None,
    ) -> list[_Message]:
        found: list[_Message] = []
        for hit in self._hits(kind, where, sort, limit):
            found.append(_message(message_type, hit))
            if len(found) == limit:
                break
        return found

    def _hits(
        self, kind: IndexKind, where: list[dict[str, Any]], sort: list[dict[str, Any]], limit: int | None
    ) -> Iterator[dict[str, Any]]:
        size = min(limit or _PAGE, _PAGE)
        after: list[Any] | None = None
        while True:
            with answers():
                answer = self._client.search(
                    index=self._indices.alias(kind),
                    ignore_unavailable=True,
                    query={"bool": {"filter": where}},
                    sort=sort,
                    size=size,
                    search_after=after,
                    source_excludes=[WORDS],
                    track_total_hits=False,
                )
            hits = answer["hits"]["hits"]
            yield from hits
            if len(hits) < size:
                return
            after = hits[-1]["sort"]

    def _count(self, kind: IndexKind, **aggregations: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        with answers():
            answer = self._client.search(
                index=self._indices.alias(kind),
                ignore_unavailable=True,
                size=0,
                track_total_hits=True,
                aggregations=aggregations or None,
            )
        return answer["hits"]["total"]["value"], answer.get("aggregations", {})


def _message(message_type: type[_Message], hit: dict[str, Any]) -> _Message:
    return decode(message_type, json.dumps(hit["_source"], ensure_ascii=False).encode())


def _by(field: str, order: str) -> dict[str, Any]:
    return {field: {"order": order, "format": _NANOSECONDS}}


def _any_of(field: str, values: Sequence[str]) -> list[dict[str, Any]]:
    return [{"terms": {field: [storable(value) for value in values]}}] if values else []


def _equal(field: str, value: str | None) -> list[dict[str, Any]]:
    return [{"term": {field: storable(value)}}] if value is not None else []


def _range(field: str, since: datetime | None, until: datetime | None) -> list[dict[str, Any]]:
    bounds = {
        **({"gte": format_instant(since)} if since else {}),
        **({"lt": format_instant(until)} if until else {}),
    }
    return [{"range": {field: bounds}}] if bounds else []


def _buckets(aggregation: dict[str, Any] | None) -> dict[Any, int]:
    return {bucket["key"]: bucket["doc_count"] for bucket in (aggregation or {}).get("buckets", ())}
