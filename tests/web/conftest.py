"""A console over a small store, really listening."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from web_console import Caller, fill, settings_for

from streams.sqlite_store import STORE, SqliteStore
from streams.web.app import application
from streams.web.context import Context
from streams.web.server import WebServer
from streams.web.stores import Stores


@pytest.fixture
def store_path(tmp_path: Path) -> Path:
    store = SqliteStore(tmp_path / STORE)
    fill(store)
    store.close()
    return tmp_path / STORE


@pytest.fixture
def console(store_path: Path) -> Iterator[Caller]:
    settings = settings_for(store_path)
    context = Context(settings, Stores(lambda: SqliteStore(store_path, create=False)))
    with WebServer(application(context), settings.web, or_next=True) as server:
        yield Caller(server.address)
