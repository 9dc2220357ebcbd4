"""The page of series: the trend of sentiment over a range, its incidents, its novel stories."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

import numpy as np

from processors.companies import CompanyMaster
from processors.identity import format_instant
from processors.labels import TOPICS
from processors.messages import LabelledDocument, SeriesPoint
from processors.series import kind_of_series
from processors.signatures import packed, signature_of, similarities
from streams.store import DocumentQuery, IncidentQuery, Store
from streams.web.brief import brief_of
from streams.web.incident import point_of
from streams.web.plain import plain

_HOURLY: Final = timedelta(days=8)
_READ: Final = 300
_STORIES: Final = 60
_ALIKE: Final = 0.5
_EXCERPT: Final = 280


def series_view(store: Store, series: str, since: datetime, until: datetime) -> dict[str, Any]:
    """Points and incidents of one series in [since, until), JSON-ready. Points are an hour each, or a day each where
    the range is longer than 8 days; `step_hours` says which."""
    points = store.points(series, since, until)
    daily = until - since > _HOURLY
    incidents = store.incidents(IncidentQuery(series=(series,), since=since, until=until, limit=500))
    return {
        "series": series,
        "kind": kind_of_series(series),
        "since": format_instant(since),
        "until": format_instant(until),
        "step_hours": 24 if daily else 1,
        "points": _by_day(points) if daily else [point_of(point) for point in points],
        "incidents": [brief_of(alert) for alert in incidents],
    }


def _by_day(points: Sequence[SeriesPoint]) -> list[list[Any]]:
    """Sums of UTC days, the day's highest surprise; no interval, for those of hours do not add up."""
    days: dict[datetime, list[Any]] = {}
    for point in points:
        day = point.start.replace(hour=0, minute=0, second=0, microsecond=0)
        row = days.setdefault(day, [format_instant(day), 0, 0, 0, 0, 0.0, None, None, 0.0])
        counts = (point.negative, point.neutral, point.positive, point.novel_negative, point.expected)
        for index, count in enumerate(counts, start=1):
            row[index] += count
        row[8] = max(row[8], round(point.surprise, 2))
    return [[*row[:4], round(row[4], 3), round(row[5], 3), *row[6:]] for row in days.values()]


@dataclass
class _Story:
    """Documents that say the same: the earliest found, how many, by how many authors."""

    first: LabelledDocument
    documents: int
    authors: set[str]


def documents_of(
    series: str, master: CompanyMaster, since: datetime, until: datetime, limit: int
) -> DocumentQuery | None:
    """What finds the documents that `series` counts; None for a sector or topic that there is none of."""
    kind, name = kind_of_series(series), series.partition(":")[2]
    company, _, topic = name.partition("/")
    anything = DocumentQuery(status="labelled", since=since, until=until, limit=limit)
    known = next((label for label in TOPICS if label == (topic or name)), None)
    match kind:
        case "company":
            return replace(anything, companies=(name,))
        case "company-topic":
            return replace(anything, companies=(company,), topic=known) if known else None
        case "topic":
            return replace(anything, topic=known) if known else None
        case "source":
            return replace(anything, sources=(name,))
        case "sector":
            members = tuple(one.id for one in master.companies.values() if one.sector == name)
            return replace(anything, companies=members) if members else None
        case "market":
            return anything


def stories_view(store: Store, query: DocumentQuery | None, *, least: int = _STORIES) -> dict[str, Any]:
    """The stories among the latest documents that `query` finds, the newest first: texts that say nearly the same are
    one, shown by its earliest. `read` documents were looked at; `whole` where these are all."""
    if query is None:
        return {"stories": [], "read": 0, "whole": True}
    documents = store.search(query)
    stories = _stories(documents)
    shown = sorted(stories, key=lambda story: story.first.published_at, reverse=True)[:least]
    return {
        "stories": [
            {**document_brief(story.first), "spread": story.documents, "authors": len(story.authors)} for story in shown
        ],
        "read": len(documents),
        "whole": len(documents) < query.limit,
    }


def _stories(documents: Sequence[LabelledDocument]) -> list[_Story]:
    """`documents` (newest first) by story, by the likeness that detection uses, without its memory of older days."""
    stories: list[_Story] = []
    signatures = np.empty((0, 64), dtype=np.uint8)
    for document in reversed(documents):
        author = document.author or document.source
        signature = packed(signature_of(f"{document.title}\n{document.text}"[:4000]))
        alike = similarities(signature, signatures) if stories else np.empty(0)
        if stories and alike.max() >= _ALIKE:
            story = stories[int(alike.argmax())]
            story.documents += 1
            story.authors.add(author)
        else:
            stories.append(_Story(document, 1, {author}))
            signatures = np.vstack([signatures, signature[None, :]])
    return stories


def document_brief(document: LabelledDocument) -> dict[str, Any]:
    """A document as lists show it; `company_sentiments` holds those that it tells apart."""
    text = f"{document.title}\n{document.text}".strip()
    return {
        "identity": document.identity,
        "source": document.source,
        "published_at": format_instant(document.published_at),
        "text": text[:_EXCERPT] + ("…" if len(text) > _EXCERPT else ""),
        "url": document.url,
        "author": document.author,
        "reach": document.reach,
        "language": document.language,
        "companies": sorted({link.company for link in document.companies}),
        "sentiment": plain(document.sentiment),
        "company_sentiments": {link.company: plain(link.sentiment) for link in document.companies if link.sentiment},
        "topic": plain(document.topic),
        "status": document.status,
        "late": document.late,
    }
