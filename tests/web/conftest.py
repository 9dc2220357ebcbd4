"""A console over a small store, really listening."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from web_console import Caller, console_over, fill

from streams.sqlite_store import STORE, SqliteStore


@pytest.fixture
def store_path(tmp_path: Path) -> Path:
    store = SqliteStore(tmp_path / STORE)
    fill(store)
    store.close()
    return tmp_path / STORE


@pytest.fixture
def console(store_path: Path) -> Iterator[Caller]:
    with console_over(store_path) as address:
        yield Caller(address)
