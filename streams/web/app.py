"""The console as one ASGI application: pages, interface, guard."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Final

from fastapi import Depends, FastAPI
from starlette.responses import FileResponse
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from streams.web.alert_stream import AlertStream, KafkaSource, Source, StoreSource
from streams.web.api import incident_routes
from streams.web.api_classify import classify_routes
from streams.web.api_documents import document_routes
from streams.web.context import Context
from streams.web.guard import LOOPBACK, Guard
from streams.web.hub import Hub
from streams.web.parameters import described_parameters
from streams.web.problems import PROBLEM, add_problems

ASSETS: Final = Path(__file__).parent / "assets"


def application(context: Context) -> ASGIApp:
    """The console over `context`."""
    hub, stream = Hub(context.now), AlertStream(_alert_sources(context))

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        hub.close()
        stream.close()

    app = FastAPI(
        title="Tocsin",
        summary="What rings, why, and what it rests on.",
        version=version("tocsin"),
        docs_url=None,  # its pages would load from elsewhere
        redoc_url=None,
        lifespan=lifespan,
    )
    add_problems(app)
    classifier = context.settings.classifier
    for routes in (incident_routes(context, hub, stream), document_routes(context), classify_routes(classifier)):
        app.include_router(
            routes, responses={422: PROBLEM, "default": PROBLEM}, dependencies=[Depends(described_parameters)]
        )

    @app.get("/", include_in_schema=False)
    def page() -> FileResponse:
        return FileResponse(ASSETS / "index.html", headers={"Cache-Control": "no-cache"})

    @app.get("/favicon.ico", include_in_schema=False)
    def icon() -> FileResponse:
        return FileResponse(ASSETS / "icon.svg", media_type="image/svg+xml")

    app.mount("/assets", StaticFiles(directory=ASSETS))
    web = context.settings.web
    return Guard(app, web.password, LOOPBACK | {web.host})


def _alert_sources(context: Context) -> Callable[[str | None], Source]:
    """What opens the alerts of `context` for one reader."""
    if context.settings.web.store:
        return lambda after: StoreSource(context.stores, after)
    return lambda after: KafkaSource(context.settings, after)
