"""The console as one ASGI application: pages, interface, guard."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Final

from fastapi import FastAPI
from starlette.responses import FileResponse
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from streams.web.api import incident_routes
from streams.web.api_documents import document_routes
from streams.web.context import Context
from streams.web.guard import LOOPBACK, Guard
from streams.web.hub import Hub
from streams.web.problems import add_problems

ASSETS: Final = Path(__file__).parent / "assets"


def application(context: Context) -> ASGIApp:
    """The console over `context`."""
    hub = Hub(context.now)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        hub.close()

    app = FastAPI(
        title="Tocsin",
        summary="What rings, why, and what it rests on.",
        version=version("tocsin"),
        docs_url=None,  # its pages would load from elsewhere
        redoc_url=None,
        lifespan=lifespan,
    )
    add_problems(app)
    app.include_router(incident_routes(context, hub))
    app.include_router(document_routes(context))

    @app.get("/", include_in_schema=False)
    def page() -> FileResponse:
        return FileResponse(ASSETS / "index.html", headers={"Cache-Control": "no-cache"})

    @app.get("/favicon.ico", include_in_schema=False)
    def icon() -> FileResponse:
        return FileResponse(ASSETS / "icon.svg", media_type="image/svg+xml")

    app.mount("/assets", StaticFiles(directory=ASSETS))
    web = context.settings.web
    return Guard(app, web.password, LOOPBACK | {web.host})
