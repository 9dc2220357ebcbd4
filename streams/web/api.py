"""The REST interface under ``/v1``: incidents, alerts, feedback, status, pushes; `/openapi.json` describes it.

Instants are RFC 3339 with an offset; answers are in UTC. A list goes on after `cursor`, which the answer before gave as
`next`. Errors are problems (`streams.web.problems`).
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Header, HTTPException, Query, Request
from fastapi.responses import JSONResponse, StreamingResponse

from processors.messages import Alert, Feedback, IncidentKind, Tier
from streams.store import AlertQuery, IncidentQuery
from streams.web.alert_stream import AlertStream
from streams.web.brief import brief_of
from streams.web.context import Context
from streams.web.desk import desk_view, passing_view
from streams.web.guard import USER
from streams.web.hub import Hub
from streams.web.incident import incident_view
from streams.web.names import names_of
from streams.web.parameters import LATEST, SERIES_KINDS, Cursor, Instant, Limit, Name, Names, Said, page
from streams.web.plain import plain
from streams.web.present import present_of
from streams.web.standing import standing_view
from streams.web.words import words_view

Budget = Annotated[float, Query(gt=0, le=1000, description="false alarms a day")]


@dataclass(frozen=True, slots=True)
class AlertPage:
    """Alerts, and what to go on after; None at the end."""

    alerts: tuple[Alert, ...]
    next: str | None


def incident_routes(context: Context, hub: Hub, stream: AlertStream) -> APIRouter:
    """The interface to what rang in `context`; `hub` pushes the page *Now*, `stream` alerts."""
    api = APIRouter(prefix="/v1", tags=["incidents"])
    names = names_of(context.master)

    @api.get("/names")
    def get_names(request: Request) -> JSONResponse:
        """Companies, sectors, topics and sources by name, every series that has points, and who asks."""
        store = context.store
        sources = [state.source for state in store.sources(LATEST)]
        series = store.series(SERIES_KINDS)
        return JSONResponse({**names, "sources": sources, "series": series, "user": request.scope[USER]})

    @api.get("/now")
    def get_now() -> JSONResponse:
        """What rings, what is unusual where, what arrives."""
        return JSONResponse(context.now())

    @api.get("/stream", response_class=StreamingResponse)
    async def get_stream() -> StreamingResponse:
        """Server-sent events: `now`, what `/v1/now` answers, whenever it changed; `trouble` where it cannot be made."""
        return StreamingResponse(hub.listen(), media_type="text/event-stream")

    @api.get("/status")
    def get_status() -> JSONResponse:
        """How much there is, how fresh, and how the services are."""
        store = context.store
        return JSONResponse(standing_view(store, context.settings, present_of(store)))

    @api.get("/incidents")
    def get_incidents(
        series: Names = (),
        tier: Annotated[tuple[Tier, ...], Query(max_length=3)] = (),
        kind: IncidentKind | None = None,
        open_only: bool = False,
        since: Instant = None,
        until: Instant = None,
        limit: Limit = 100,
        cursor: Cursor = None,
    ) -> JSONResponse:
        """The latest event of each incident, newest first, in brief."""
        after = _alert(cursor) if cursor is not None else None
        found = context.store.incidents(IncidentQuery(series, tier, kind, open_only, since, until, limit, after))
        return page("incidents", [brief_of(alert) for alert in found], found[-1].id if len(found) == limit else None)

    @api.get("/incidents/{incident}")
    def get_incident(incident: Name) -> JSONResponse:
        """Everything of one incident."""
        view = incident_view(context.store, incident, context.reactions())
        if view is None:
            raise HTTPException(404, "no such incident: it may have been removed, or the link is cut")
        return JSONResponse(view)

    @api.get("/alerts/stream", response_class=StreamingResponse)
    async def get_alert_stream(
        after: Annotated[str | None, Query(max_length=600, description="the last id that you saw")] = None,
        last_event_id: Annotated[
            str | None, Header(max_length=600, description="the same, as browsers send it")
        ] = None,
    ) -> StreamingResponse:
        """Server-sent events: `alert` for each alert, as `tocsin schema alerts` describes it, from now on, or from
        where you left off: after the event with the id that you saw last."""
        if stream.is_full:
            raise HTTPException(503, "too many readers: end one, or read from Kafka", {"Retry-After": "30"})
        source = await stream.open(last_event_id or after)
        return StreamingResponse(stream.events(source), media_type="text/event-stream")

    @api.get("/alerts", response_model=AlertPage)
    def get_alerts(
        incident: Name | None = None,
        series: Name | None = None,
        since: Instant = None,
        until: Instant = None,
        limit: Limit = 100,
        cursor: Cursor = None,
    ) -> JSONResponse:
        """Events of incidents in full, as `tocsin schema alerts` describes them, newest first."""
        after = _alert(cursor) if cursor is not None else None
        query = AlertQuery("", incident, series, since, until, limit, after)
        alerts = context.store.alerts(query)
        return page("alerts", [plain(alert) for alert in alerts], alerts[-1].id if len(alerts) == limit else None)

    @api.get("/alerts/{id}", response_model=Alert)
    def get_alert(id: Name) -> JSONResponse:
        """One event in full."""
        return JSONResponse(plain(_alert(id)))

    @api.get("/alerts/{id}/words")
    def get_words(id: Name) -> JSONResponse:
        """Which words carried the labels of its evidence, asked of the model at hand; seconds where the texts are long."""
        return JSONResponse(words_view(context.explainer, _alert(id), context.store))

    @api.post("/feedback", status_code=201)
    def post_feedback(said: Said, request: Request) -> JSONResponse:
        """Keep what a person says of an incident, and send it to the topic `feedback` where there is Kafka."""
        if said.kind == "mute" and said.until is None:
            raise HTTPException(422, "until: a mute wants to know when it ends")
        events = context.store.alerts(AlertQuery(incident=said.incident, limit=1))
        if not events:
            raise HTTPException(404, "no such incident")
        feedback = Feedback(
            said.incident,
            events[0].id,
            events[0].series,
            said.kind,
            datetime.now(UTC),
            request.scope[USER] or said.by.strip() or "local",
            said.document,
            said.assignee,
            said.until and said.until.astimezone(UTC),
            said.note,
        )
        context.tell(feedback)
        return JSONResponse({"id": feedback.id, **plain(feedback)}, 201)

    @api.get("/feedback")
    def get_feedback(
        incident: Name | None = None, since: Instant = None, limit: Limit = 500, cursor: Cursor = None
    ) -> JSONResponse:
        """What people said and did, oldest first; of the latest 10,000."""
        said = context.store.feedback(incident, since)
        ids = [one.id for one in said]
        if cursor is not None and cursor not in ids:
            raise HTTPException(404, f"no feedback {cursor}")
        begin = ids.index(cursor) + 1 if cursor is not None else 0
        end = begin + limit
        records = [{"id": id, **plain(one)} for id, one in zip(ids[begin:end], said[begin:end], strict=True)]
        return page("feedback", records, ids[end - 1] if end < len(ids) else None)

    @api.get("/desk")
    def get_desk(series: Names = (), budget: Budget = 1.0) -> JSONResponse:
        """What a desk that watches `series` would have rung in the last 30 days."""
        store = context.store
        return JSONResponse(desk_view(store, series, budget, present_of(store)))

    @api.get("/desk/passing")
    def get_passing(series: Names = (), budget: Budget = 1.0) -> JSONResponse:
        """Which of the incidents that are open a desk that watches `series` hears."""
        store = context.store
        return JSONResponse(passing_view(store, series, budget, present_of(store)))

    def _alert(id: str) -> Alert:
        found = context.store.alerts(AlertQuery(id_prefix=id, limit=1))
        if not found or found[0].id != id:
            raise HTTPException(404, f"no alert {id}")
        return found[0]

    return api
