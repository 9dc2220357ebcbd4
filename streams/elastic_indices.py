"""The indices in Elasticsearch: their names, and the templates that make them as they have to be.

Documents, series and alerts stand in one index for each month of the event's own time, and one for all before 2000;
what is kept for how long is decided by deleting whole indices. An alias per kind reads them as one. A document's
identity is claimed in an index of its own, because an index tells doubles within itself only.

Nothing is mapped that the server was not told of here: other fields are kept, but not searchable, so that no text can
make the mapping grow. The templates do with what every licence and the bare server has.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal

from elasticsearch import Elasticsearch

from streams.elastic_client import answers
from streams.service_settings import ElasticsearchSettings

IndexKind = Literal["documents", "series", "alerts", "feedback", "deadletters"]

WORDS: Final = "words"
"""The field of a document that words are found in (`streams.words`); it is no part of the message."""

_FIRST_MONTH: Final = datetime(2000, 1, 1, tzinfo=UTC)
_VERSION: Final = 2
_PRIORITY: Final = 200  # above the templates that a cluster brings along

_KEYWORD: Final = {"type": "keyword", "ignore_above": 1024}
_INSTANT: Final = {"type": "date_nanos"}  # instants have microseconds
_TEXT: Final = {"type": "text", "norms": False}
_SHOWN: Final = {"type": "keyword", "index": False, "doc_values": False, "ignore_above": 8191}
_KEPT: Final = {"type": "object", "enabled": False}
"""Kept as it came and never looked into: names and depth in it are the user's."""

_VERSIONS: Final = {
    "properties": {
        name: _KEYWORD for name in ("model", "model_version", "model_hash", "dictionary_hash", "settings_hash")
    }
}

_FIELDS: Final[Mapping[IndexKind, Mapping[str, Any]]] = {
    "documents": {
        "id": _KEYWORD,
        "source": _KEYWORD,
        "kind": _KEYWORD,
        "published_at": _INSTANT,
        "title": _TEXT,
        "text": _TEXT,
        WORDS: {"type": "text", "norms": False, "analyzer": "whitespace"},
        "url": _SHOWN,
        "author": _KEYWORD,
        "language": _KEYWORD,
        "symbols": _KEYWORD,
        "reach": {"type": "long"},
        "repost_of": _KEYWORD,
        "metadata": _KEPT,
        "status": _KEYWORD,
        "late": {"type": "boolean"},
        "companies": {"properties": {"company": _KEYWORD, "surface": _SHOWN, "how": _KEYWORD}},
        "sentiment": {
            "properties": {
                "label": _KEYWORD,
                "negative": {"type": "float"},
                "neutral": {"type": "float"},
                "positive": {"type": "float"},
            }
        },
        "topic": {"properties": {"label": _KEYWORD, "probability": {"type": "float"}}},
        "versions": _VERSIONS,
    },
    "series": {
        "series": _KEYWORD,
        "kind": _KEYWORD,
        "start": _INSTANT,
        "end": _INSTANT,
        **{name: {"type": "integer"} for name in ("negative", "neutral", "positive", "stories", "revision")},
        **{
            name: {"type": "double"}
            for name in ("novel_negative", "expected", "expected_low", "expected_high", "surprise")
        },
    },
    "alerts": {
        **{
            name: _KEYWORD
            for name in ("id", "incident", "continued_by", "event", "kind", "tier", "series", "series_kind")
            + ("company", "topic", "sector", "source", "polarity")
        },
        **{name: _INSTANT for name in ("at", "opened_at", "window_end")},
        "sequence": {"type": "integer"},
        "window_hours": {"type": "float"},
        "chance_per_year": {"type": "double"},
        "rung": {"type": "float"},
        "silent_below": {"type": "float"},
        "coordinated": {"type": "boolean"},
        "reason": _TEXT,
        "count": _KEPT,
        "share": _KEPT,
        "evidence": _KEPT,
        "terms": _KEPT,
        "versions": _VERSIONS,
    },
    "feedback": {
        **{name: _KEYWORD for name in ("incident", "alert", "series", "kind", "by", "document", "assignee")},
        **{name: _INSTANT for name in ("at", "until")},
        "note": _TEXT,
    },
    "deadletters": {
        "stage": _KEYWORD,
        "reason": _KEYWORD,
        "message": _TEXT,
        "origin": {"properties": {"place": _KEYWORD, "partition": {"type": "integer"}, "offset": {"type": "long"}}},
        "original": {"type": "binary"},
        "sha256": _KEYWORD,
        "length": {"type": "long"},
    },
}


@dataclass(frozen=True, slots=True)
class Indices:
    """The names of the indices of one prefix, and their templates."""

    settings: ElasticsearchSettings

    def alias(self, kind: IndexKind) -> str:
        """What reads all indices of `kind`: ``tocsin-alerts``."""
        return f"{self.settings.prefix}-{kind}"

    def of(self, kind: IndexKind, at: datetime | None = None) -> str:
        """The index of what happened at `at` (aware): ``tocsin-alerts-2014.03``.

        Dead letters have no time of their own and stand in one; feedback, which is little, too.
        """
        if at is None:
            return f"{self.alias(kind)}-all"
        at = at.astimezone(UTC)
        month = "before-2000" if at < _FIRST_MONTH else f"{at.year:04}.{at.month:02}"
        return f"{self.alias(kind)}-{month}"

    @property
    def identities(self) -> str:
        """Which index each identity is in: one small record each, for good."""
        return f"{self.settings.prefix}-identities"

    def templates(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Name and body of each index template."""
        for kind, fields in _FIELDS.items():
            alias = self.alias(kind)
            yield alias, self._template(alias, f"{alias}-*", aliases={alias: {}}, fields=fields)
        yield self.identities, self._template(self.identities, self.identities, refresh_interval="30s")

    def _template(
        self,
        name: str,
        pattern: str,
        *,
        fields: Mapping[str, Any] | None = None,
        aliases: Mapping[str, Any] | None = None,
        **settings: Any,
    ) -> dict[str, Any]:
        return {
            "index_patterns": [pattern],
            "priority": _PRIORITY,
            "version": _VERSION,
            "composed_of": [f"{name}@custom"],  # the operator's own: retention, shards
            "ignore_missing_component_templates": [f"{name}@custom"],
            "template": {
                "settings": {"number_of_shards": 1, "number_of_replicas": self.settings.replicas, **settings},
                "mappings": {"dynamic": False, "date_detection": False, "properties": dict(fields or {})},
                "aliases": dict(aliases or {}),
            },
        }


def install(client: Elasticsearch, indices: Indices) -> None:
    """Put the templates in place; again changes nothing. Indices that exist already keep what they have.

    Raises RetryableError where the cluster is away, ConfigurationError where it refuses a name or a template.
    """
    with answers():
        for name, template in indices.templates():
            client.indices.put_index_template(name=name, **template)
