"""The console beside a run of the demo: it shows the run as it goes on, and stays open afterwards."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from streams.settings import Settings

if TYPE_CHECKING:
    from streams.demo.board import Board
    from streams.web.server import WebServer


class RunProgress:
    """How far the run has come, for the console: what its `board` says once there is one; and whether all of it is
    `invented`."""

    def __init__(self, *, invented: bool = False) -> None:
        self.invented = invented
        self.board: Board | None = None
        self.ended = False

    def __call__(self) -> dict[str, Any]:
        """See `streams.web.context.Run`."""
        board = self.board
        done, total, rate = (board.done, board.total, round(board.rate)) if board else (0, None, 0)
        return {"done": done, "total": total, "rate": rate, "ended": self.ended, "invented": self.invented}


@contextmanager
def served(settings: Settings, store: Path, progress: RunProgress) -> Iterator["WebServer"]:
    """The console over the store at `store`, on the port that is set or the next free one.

    Raises ConfigurationError where there is none, or where the console would be open to others without a password.
    """
    from streams.sqlite_store import SqliteStore
    from streams.web.app import application
    from streams.web.context import Context
    from streams.web.server import WebServer
    from streams.web.stores import Stores

    shown = replace(settings, web=replace(settings.web, store=str(store)))
    stores = Stores(lambda: SqliteStore(store, create=False))
    app = application(Context(shown, stores, run=progress))
    with WebServer(app, shown.web, or_next=True) as server:
        yield server


def stay(server: "WebServer") -> None:
    """Wait until the user interrupts."""
    try:
        while server.is_up:
            time.sleep(0.5)
    except KeyboardInterrupt:
        pass
