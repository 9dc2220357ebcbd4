"""The REST interface under ``/v1``: series, stories, documents."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Annotated, Final

from fastapi import APIRouter, Depends, HTTPException, Query
from fastapi.responses import JSONResponse, StreamingResponse

from processors.messages import LabelledDocument, SeriesKind
from streams.store import DocumentQuery
from streams.web.context import Context
from streams.web.parameters import (
    SERIES_KINDS,
    Cursor,
    Days,
    Instant,
    Limit,
    Name,
    checked_series,
    document_query,
    page,
    range_of,
)
from streams.web.plain import plain
from streams.web.present import present_of
from streams.web.series import document_brief, documents_of, series_view, stories_view
from streams.web.table import csv_of

_EXPORTED: Final = 10_000
_STEP: Final = 500
_READ: Final = 300

Conditions = Annotated[DocumentQuery, Depends(document_query)]


def document_routes(context: Context) -> APIRouter:
    """The interface to the texts and trends of `context`."""
    api = APIRouter(prefix="/v1", tags=["documents"])

    @api.get("/series")
    def get_all_series(
        kind: Annotated[tuple[SeriesKind, ...], Query(max_length=6)] = SERIES_KINDS,
        limit: Limit = 500,
        cursor: Cursor = None,
    ) -> JSONResponse:
        """The names of the series that have points, by name; the first 10,000."""
        names = [name for name in sorted(context.store.series(kind)) if cursor is None or name > cursor]
        return page("series", names[:limit], names[limit - 1] if len(names) > limit else None)

    @api.get("/series/{series:path}")
    def get_series(series: Name, since: Instant = None, until: Instant = None, days: Days = 7) -> JSONResponse:
        """Points and incidents of one series: in [since, until), or over the latest `days`."""
        store = context.store
        start, end = range_of(present_of(store), since, until, days)
        return JSONResponse(series_view(store, checked_series(series), start, end))

    @api.get("/stories/{series:path}")
    def get_stories(series: Name, since: Instant = None, until: Instant = None, days: Days = 7) -> JSONResponse:
        """The novel stories of one series, newest first, among its latest 300 documents in the range."""
        store = context.store
        start, end = range_of(present_of(store), since, until, days)
        query = documents_of(checked_series(series), context.master, start, end, _READ)
        return JSONResponse(stories_view(store, query))

    @api.get("/documents")
    def get_documents(conditions: Conditions, limit: Limit = 50, cursor: Cursor = None) -> JSONResponse:
        """Documents in brief, newest first."""
        after = _document(cursor) if cursor is not None else None
        found = context.store.search(replace(conditions, limit=limit, after=after))
        following = found[-1].identity if len(found) == limit else None
        return page("documents", [document_brief(document) for document in found], following)

    @api.get("/documents.csv", response_class=StreamingResponse)
    def get_documents_csv(conditions: Conditions) -> StreamingResponse:
        """The newest 10,000 documents as CSV. No cell is taken for a formula."""
        name = {"Content-Disposition": 'attachment; filename="tocsin-documents.csv"'}
        return StreamingResponse(csv_of(_all(conditions)), media_type="text/csv; charset=utf-8", headers=name)

    @api.get("/documents/{identity:path}", response_model=LabelledDocument)
    def get_document(identity: Name) -> JSONResponse:
        """One document in full, as `tocsin schema documents` describes it."""
        return JSONResponse(plain(_document(identity)))

    def _document(identity: str) -> LabelledDocument:
        document = context.store.document(identity)
        if document is None:
            raise HTTPException(404, f"no document {identity}")
        return document

    def _all(conditions: DocumentQuery) -> Iterator[LabelledDocument]:
        count, after = 0, None
        while count < _EXPORTED:
            found = context.store.search(replace(conditions, limit=_STEP, after=after))
            yield from found
            if len(found) < _STEP:
                return
            count, after = count + len(found), found[-1]

    return api
