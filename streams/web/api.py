"""The REST interface under ``/v1``: incidents, alerts, feedback, status, pushes; `/openapi.json` describes it.

Instants are RFC 3339 with an offset; answers are in UTC. A list goes on after `cursor`, which the answer before gave as
`next`. Errors are problems (`streams.web.problems`).
"""

from datetime import UTC, datetime
from typing import Annotated, Final

from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import JSONResponse, StreamingResponse

from processors.messages import Alert, Feedback, IncidentKind, SeriesKind, Tier
from streams.store import AlertQuery, IncidentQuery
from streams.web.brief import brief_of
from streams.web.context import Context
from streams.web.desk import desk_view
from streams.web.guard import USER
from streams.web.hub import Hub
from streams.web.incident import incident_view
from streams.web.names import names_of
from streams.web.parameters import LATEST, Cursor, Instant, Limit, Name, Names, Said, page
from streams.web.plain import plain
from streams.web.present import present_of
from streams.web.standing import standing_view

_KINDS: Final[tuple[SeriesKind, ...]] = ("company", "company-topic", "topic", "sector", "source", "market")


def incident_routes(context: Context, hub: Hub) -> APIRouter:
    """The interface to what rang in `context`; `hub` pushes."""
    api = APIRouter(prefix="/v1", tags=["incidents"])
    names = names_of(context.master)

    @api.get("/names")
    def get_names(request: Request) -> JSONResponse:
        """Companies, sectors, topics and sources by name, every series that has points, and who asks."""
        store = context.store
        sources = [state.source for state in store.sources(LATEST)]
        series = store.series(_KINDS)
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
    ) -> JSONResponse:
        """The latest event of each incident, newest first, in brief."""
        query = IncidentQuery(series, tier, kind, open_only, since, until, limit)
        return JSONResponse({"incidents": [brief_of(alert) for alert in context.store.incidents(query)]})

    @api.get("/incidents/{incident}")
    def get_incident(incident: Name) -> JSONResponse:
        """Everything of one incident."""
        view = incident_view(context.store, incident, context.reactions())
        if view is None:
            raise HTTPException(404, "no such incident: it may have been removed, or the link is cut")
        return JSONResponse(view)

    @api.get("/alerts")
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

    @api.get("/alerts/{id}")
    def get_alert(id: Name) -> JSONResponse:
        """One event in full."""
        return JSONResponse(plain(_alert(id)))

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
    def get_feedback(incident: Name | None = None, since: Instant = None) -> JSONResponse:
        """What people said and did, oldest first; the latest 10,000."""
        return JSONResponse({"feedback": [plain(one) for one in context.store.feedback(incident, since)]})

    @api.get("/desk")
    def get_desk(
        series: Names = (), budget: Annotated[float, Query(gt=0, le=1000, description="false alarms a day")] = 1.0
    ) -> JSONResponse:
        """What a desk that watches `series` would have rung in the last 30 days."""
        store = context.store
        return JSONResponse(desk_view(store, series, budget, present_of(store)))

    def _alert(id: str) -> Alert:
        found = context.store.alerts(AlertQuery(id_prefix=id, limit=1))
        if not found or found[0].id != id:
            raise HTTPException(404, f"no alert {id}")
        return found[0]

    return api
