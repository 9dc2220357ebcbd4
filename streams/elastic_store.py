"""The store of a deployment: Elasticsearch, written by any number of workers.

Every record is kept as its canonical JSON. Searching sees what was written about a second ago (the refresh of an
index); a document asked for by its identity is found at once.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar

from processors.clock import EPOCH
from processors.errors import PoisonError, RetryableError
from processors.identity import format_instant
from processors.labels import SENTIMENTS
from processors.messages import Alert, DeadLetter, Feedback, LabelledDocument, SeriesKind, SeriesPoint
from processors.series import kind_of_series
from streams.codec import decode
from streams.elastic_bulk import Limits
from streams.elastic_client import answers, connect
from streams.elastic_indices import WORDS, IndexKind, Indices, install
from streams.elastic_writes import Message, Writer, action_of, indices_of
from streams.service_settings import ElasticsearchSettings
from streams.store import (
    MOST_FEEDBACK,
    MOST_INCIDENTS,
    MOST_SERIES,
    AlertQuery,
    Counts,
    DocumentQuery,
    IncidentQuery,
    SeriesTotal,
    SourceState,
    Volume,
)
from streams.words import storable, words_of

_Message = TypeVar("_Message")

_COUNTED: Final = ("negative", "neutral", "positive")
_SUMMED: Final = (*_COUNTED, "novel_negative", "expected")
_EARLIEST: Final = {"min": {"field": "published_at", "format": "strict_date_time"}}
_LATEST: Final = {"max": {"field": "published_at", "format": "strict_date_time"}}
_NANOSECONDS: Final = "strict_date_optional_time_nanos"
_LATEST_EVENTS: Final[list[dict[str, Any]]] = [
    {"at": {"order": "desc", "format": _NANOSECONDS}},
    {"sequence": "desc"},
    {"id": "desc"},
]

_PAGE: Final = 500
"""Hits in one answer: of documents at their limit, half a gigabyte would be too many."""

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

    def write_feedback(self, feedback: Sequence[Feedback]) -> int:
        """See `Store`. Raises PoisonError for what Elasticsearch refuses."""
        return self._write("feedback", feedback)

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
        newest = [_by("published_at", "desc"), {"source": "desc"}, {"id": "desc"}]
        after = query.after
        position = [format_instant(after.published_at), storable(after.source), storable(after.id)] if after else None
        return self._find("documents", LabelledDocument, where, newest, query.limit, position)

    def alerts(self, query: AlertQuery) -> list[Alert]:
        """See `Store`."""
        where: list[dict[str, Any]] = []
        if query.id_prefix:
            where.append({"prefix": {"id": {"value": storable(query.id_prefix)}}})
        where += _equal("incident", query.incident)
        where += _equal("series", query.series)
        where += _range("at", query.since, query.until)
        after = query.after
        position = [format_instant(after.at), after.sequence, storable(after.id)] if after else None
        return self._find("alerts", Alert, where, _LATEST_EVENTS, query.limit, position)

    def incidents(self, query: IncidentQuery) -> list[Alert]:
        """See `Store`. Of more than 1,000 incidents that had events since `since`, the latest are looked at."""
        where = [*_any_of("series", query.series), *_equal("kind", query.kind), *_range("at", query.since, query.until)]
        answer = self._search("alerts", where, sort=_LATEST_EVENTS, size=MOST_INCIDENTS, collapse={"field": "incident"})
        found = [
            _message(Alert, hit)
            for hit in answer["hits"]["hits"]
            # Asked of the latest event: as a condition of the search they would find an earlier one instead.
            if not (query.open_only and hit["_source"]["event"] == "close")
            and (not query.tiers or hit["_source"]["tier"] in query.tiers)
        ]
        if after := query.after:
            found = [alert for alert in found if _place(alert) < _place(after)]
        return found[: query.limit]

    def feedback(self, incident: str | None = None, since: datetime | None = None) -> list[Feedback]:
        """See `Store`."""
        where = [*_equal("incident", incident), *_range("at", since, None)]
        return self._find("feedback", Feedback, where, [_by("at", "desc"), {"_seq_no": "desc"}], MOST_FEEDBACK)[::-1]

    def points(self, series: str, since: datetime | None = None, until: datetime | None = None) -> list[SeriesPoint]:
        """See `Store`."""
        where = [*_equal("series", series), *_range("start", since, until)]
        return self._find("series", SeriesPoint, where, [_by("start", "asc")])

    def totals(self, kinds: Sequence[SeriesKind], since: datetime, until: datetime) -> list[SeriesTotal]:
        """See `Store`."""
        answer = self._search(
            "series",
            [*_any_of("kind", kinds), *_range("start", since, until)],
            size=0,
            aggregations={
                "series": {
                    "terms": {"field": "series", "size": MOST_SERIES, "order": {"_key": "asc"}},
                    "aggregations": {name: {"sum": {"field": name}} for name in _SUMMED}
                    | {"surprise": {"max": {"field": "surprise"}}},
                }
            },
        )
        return [_total(bucket) for bucket in _found(answer, "series")]

    def series(self, kinds: Sequence[SeriesKind]) -> list[str]:
        """See `Store`."""
        names = {"terms": {"field": "series", "size": MOST_SERIES, "order": {"_key": "asc"}}}
        answer = self._search("series", _any_of("kind", kinds), size=0, aggregations={"names": names})
        return [bucket["key"] for bucket in _found(answer, "names")]

    def volume(self, since: datetime, until: datetime, interval: timedelta) -> list[Volume]:
        """See `Store`."""
        seconds = interval // timedelta(seconds=1)
        answer = self._search(
            "documents",
            _range("published_at", since, until),
            size=0,
            aggregations={
                "slots": {
                    "date_histogram": {"field": "published_at", "fixed_interval": f"{seconds}s", "min_doc_count": 1},
                    "aggregations": {"labels": {"terms": {"field": "sentiment.label"}}},
                }
            },
        )
        return [_volume(bucket) for bucket in _found(answer, "slots")]

    def sources(self, since: datetime) -> list[SourceState]:
        """See `Store`."""
        recent = {"filter": {"range": {"published_at": {"gte": format_instant(since)}}}}
        answer = self._search(
            "documents",
            [],
            size=0,
            aggregations={
                "sources": {
                    "terms": {"field": "source", "size": 1000, "order": {"_key": "asc"}},
                    "aggregations": {"latest": _LATEST, "recent": recent},
                }
            },
        )
        return [
            SourceState(bucket["key"], _instant(bucket["latest"]), bucket["recent"]["doc_count"])
            for bucket in _found(answer, "sources")
        ]

    def span(self) -> tuple[datetime, datetime] | None:
        """See `Store`."""
        answer = self._search("documents", [], size=0, aggregations={"earliest": _EARLIEST, "latest": _LATEST})
        found = answer.get("aggregations", {})
        if not found or found["latest"]["value"] is None:
            return None
        return _instant(found["earliest"]), _instant(found["latest"])

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
        after: list[Any] | None = None,
    ) -> list[_Message]:
        found: list[_Message] = []
        for hit in self._hits(kind, where, sort, limit, after):
            found.append(_message(message_type, hit))
            if len(found) == limit:
                break
        return found

    def _hits(
        self,
        kind: IndexKind,
        where: list[dict[str, Any]],
        sort: list[dict[str, Any]],
        limit: int | None,
        after: list[Any] | None,
    ) -> Iterator[dict[str, Any]]:
        size = min(limit or _PAGE, _PAGE)
        while True:
            answer = self._search(kind, where, sort=sort, size=size, search_after=after)
            hits = answer["hits"]["hits"]
            yield from hits
            if len(hits) < size:
                return
            after = hits[-1]["sort"]

    def _search(self, kind: IndexKind, where: list[dict[str, Any]], **options: Any) -> Mapping[str, Any]:
        with answers():
            answer = self._client.search(
                index=self._indices.alias(kind),
                ignore_unavailable=True,
                query={"bool": {"filter": where}},
                source_excludes=[WORDS],
                track_total_hits=False,
                **options,
            )
        return dict(answer)

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


def _place(alert: Alert) -> tuple[datetime, int, str]:
    """Where an alert stands in time."""
    return alert.at, alert.sequence, alert.id


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


def _found(answer: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """The buckets of an aggregation; none where there is no index yet."""
    buckets: list[dict[str, Any]] = answer.get("aggregations", {}).get(name, {}).get("buckets", [])
    return buckets


def _total(bucket: Mapping[str, Any]) -> SeriesTotal:
    def number(name: str) -> float:
        return float(bucket[name]["value"])

    counts = (int(number(name)) for name in _COUNTED)
    sums = (number(name) for name in ("novel_negative", "expected", "surprise"))
    series = bucket["key"]
    return SeriesTotal(series, kind_of_series(series), *counts, *sums)


def _volume(bucket: Mapping[str, Any]) -> Volume:
    labels = _buckets(bucket["labels"])
    counts = {label: labels.get(label, 0) for label in SENTIMENTS}
    start = EPOCH + timedelta(milliseconds=bucket["key"])
    return Volume(start, unlabelled=bucket["doc_count"] - sum(counts.values()), **counts)


def _instant(latest: Mapping[str, Any]) -> datetime:
    """What `_EARLIEST` and `_LATEST` answer."""
    return datetime.fromisoformat(latest["value_as_string"]).astimezone(UTC)


def _buckets(aggregation: dict[str, Any] | None) -> dict[Any, int]:
    return {bucket["key"]: bucket["doc_count"] for bucket in (aggregation or {}).get("buckets", ())}
