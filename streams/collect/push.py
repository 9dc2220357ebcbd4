"""HTTP push: programs send documents, and hear of each what became of it.

`POST /v1/documents` takes one document (`application/json`) or many, one a line (`application/x-ndjson`). The answer comes
when Kafka has acknowledged what is accepted: ``accepted``, ``duplicate`` (the identity was sent before, and counts once) or
``refused`` with the reason. Sending the same again is safe, whatever the first answer was or if there was none.
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from threading import BoundedSemaphore
from time import monotonic
from typing import Any, Final

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import JSONResponse
from starlette.types import ASGIApp

from processors.errors import PoisonError
from processors.messages import Document
from streams.codec import decode_document
from streams.collect.declared import Source
from streams.collect.ledger import Ledger, mark_of
from streams.collect.metrics import CollectMetrics
from streams.collect.records import stamped
from streams.collect.sender import Outlets, Sender
from streams.schema import schema_of
from streams.service_settings import PushSettings
from streams.web.guard import LOOPBACK, Guard
from streams.web.problems import add_problems, problem

MOST_DOCUMENTS: Final = 5_000
"""In one request."""

MOST_REQUESTS: Final = 16
"""Answered at once: each waits for Kafka in a thread."""

WAIT_SECONDS: Final = 20.0
RETRY_AFTER: Final = "2"

_JSON: Final = "application/json"
_LINES: Final = frozenset({"application/x-ndjson", "application/ndjson", "application/jsonl"})


@dataclass(frozen=True, slots=True)
class Result:
    """What became of the document at `index` of a request; `reason` is a stable slug, `detail` how to mend it."""

    index: int
    identity: str | None
    status: str
    reason: str | None = None
    detail: str | None = None


class Pressure:
    """Whether so much waits that nothing more is taken: told by whoever looks."""

    def __init__(self) -> None:
        self.why = ""


class Intake:
    """Takes pushed documents of `sources` (by name)."""

    def __init__(self, sources: Mapping[str, Source], ledger: Ledger, sender: Sender, outlets: Outlets) -> None:
        self._sources = sources
        self._ledger, self._sender, self._outlets = ledger, sender, outlets

    def take(self, records: list[bytes], now: datetime) -> list[Result] | None:
        """Send the documents in `records` that were not sent before; None where Kafka has not acknowledged all of them in
        time: it may still do so, and the same again will tell."""
        until = monotonic() + WAIT_SECONDS
        results, marks = [], list[tuple[str, str]]()
        for index, raw in enumerate(records):
            try:
                document = decode_document(raw, now=now)
                value = stamped(self._source_of(document), document)
            except PoisonError as error:
                results.append(Result(index, None, "refused", error.reason, str(error)))
                continue
            mark = mark_of(document.identity)
            claim = self._ledger.claim(document.source, mark)
            if claim == "new":
                record = self._outlets.document(mark, document.kind, document.identity, value)
                self._sender.send(document.source, record)
            marks.append((document.source, mark))
            results.append(Result(index, document.identity, "accepted" if claim == "new" else "duplicate"))
        for name in {source for source, _ in marks}:
            mine = [mark for source, mark in marks if source == name]
            if not self._ledger.settled(name, mine, max(0.0, until - monotonic())):
                return None
        return results

    def _source_of(self, document: Document) -> Source:
        source = self._sources.get(document.source)
        if source is None:
            known = ", ".join(self._sources)
            raise PoisonError(
                "unknown-source", f"source {document.source!a} is not declared with push = true; those are: {known}"
            )
        if document.kind != source.kind:
            raise PoisonError(
                "kind-mismatch", f"kind is {document.kind!a}, {source.name!a} is declared as {source.kind}"
            )
        return source


def push_application(
    settings: PushSettings, intake: Intake, sender: Sender, pressure: Pressure, metrics: CollectMetrics
) -> ASGIApp:
    """The interface over `intake`, behind the key if one is set."""
    app = FastAPI(
        title="Tocsin: push",
        summary="Documents in, each told what became of it.",
        version=version("tocsin"),
        docs_url=None,  # its pages would load from elsewhere
        redoc_url=None,
    )
    add_problems(app)
    app.include_router(_routes(settings, intake, sender, pressure, metrics))
    return Guard(app, settings.key, LOOPBACK | {settings.host})


def _routes(
    settings: PushSettings, intake: Intake, sender: Sender, pressure: Pressure, metrics: CollectMetrics
) -> APIRouter:
    api = APIRouter(prefix="/v1", tags=["documents"])
    slots = BoundedSemaphore(MOST_REQUESTS)

    @api.post("/documents", responses=_RESPONSES, openapi_extra={"requestBody": _body()})
    async def post_documents(request: Request) -> JSONResponse:
        """Take one document, or many, one a line; the answer tells of each what became of it."""
        many = _kind_of(request)
        if many is None:
            return _unsupported(request)
        why = pressure.why or ("" if sender.has_room else "Kafka has not acknowledged what was sent before")
        if why or not slots.acquire(blocking=False):
            metrics.pushed("busy")
            return problem(
                429, f"{why or 'too many requests at once'}: send it again later", {"Retry-After": RETRY_AFTER}
            )
        try:
            body = await _body_of(request, settings.bytes)
            if body is None:
                return problem(413, f"more than {settings.bytes:,} bytes: send fewer documents at once")
            records = [line for line in body.splitlines() if line.strip()] if many else [body]
            if len(records) > MOST_DOCUMENTS:
                return problem(413, f"{len(records):,} documents, {MOST_DOCUMENTS:,} at most: send fewer at once")
            began = monotonic()
            results = await asyncio.to_thread(intake.take, records, datetime.now(UTC))
            metrics.answered(monotonic() - began)
        finally:
            slots.release()
        if results is None:
            metrics.pushed("unavailable")
            return problem(
                503,
                "Kafka has not acknowledged everything in time: send the same again, nothing counts twice",
                {"Retry-After": RETRY_AFTER},
            )
        for result in results:
            metrics.pushed(result.status, (result.identity or "").partition("/")[0])
        return _answer(results, many=many)

    return api


def _answer(results: list[Result], *, many: bool) -> JSONResponse:
    if not many and results[0].status == "refused":
        (result,) = results
        return problem(422, result.detail or "", reason=result.reason)
    counts = {status: sum(result.status == status for result in results) for status in _STATUSES}
    told = [{name: value for name, value in asdict(result).items() if value is not None} for result in results]
    return JSONResponse({**counts, "results": told})


def _kind_of(request: Request) -> bool | None:
    """Whether many documents come; None where the type of the body is none that is taken."""
    media, _, rest = request.headers.get("content-type", "").partition(";")
    charset = rest.partition("charset=")[2].strip(" \"'").lower()
    coded = request.headers.get("content-encoding", "identity").lower() != "identity"
    media = media.strip().lower()
    if coded or charset not in ("", "utf-8", "utf8") or media not in {_JSON, *_LINES}:
        return None
    return media in _LINES


def _unsupported(request: Request) -> JSONResponse:
    given = request.headers.get("content-type", "nothing")
    return problem(
        415,
        f"the body is {given!a}: send {_JSON} (one document) or application/x-ndjson (one a line), UTF-8, not packed",
    )


async def _body_of(request: Request, most: int) -> bytes | None:
    """The body; None where it is larger than `most` bytes, of which no more are read."""
    with suppress(ValueError):
        if int(request.headers.get("content-length", "0")) > most:
            return None
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > most:
            return None
    return bytes(body)


_STATUSES: Final = ("accepted", "duplicate", "refused")


def _body() -> dict[str, Any]:
    return {
        "required": True,
        "content": {_JSON: {"schema": schema_of("input")}, "application/x-ndjson": {"schema": {"type": "string"}}},
    }


_RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    status: {"description": description, "content": {"application/problem+json": {}}}
    for status, description in {
        413: "Too large",
        415: "No JSON, or packed",
        422: "The one document is refused: `reason` is a stable slug",
        429: "So much waits that nothing more is taken: try again after `Retry-After` seconds",
        503: "Kafka has not acknowledged in time: send the same again",
    }.items()
}
