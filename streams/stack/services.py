"""Tocsin's own services on the local stack, as one more part of it: all of them under one supervisor."""

import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path
from typing import ClassVar
from urllib.error import URLError
from urllib.request import urlopen

from streams.services.runner import services_of
from streams.settings import Settings
from streams.stack.install import Say
from streams.stack.ports import HOST, Ports
from streams.stack.server import Launch, Server
from streams.stack.supervisor import STOP_SECONDS


class Services(Server):
    """What of our services has something to do by `names`, with the command-line `options`, health and metrics on `ports`."""

    name: ClassVar[str] = "services"
    title: ClassVar[str] = "Tocsin's services"
    start_seconds: ClassVar[float] = 180
    stop_seconds: ClassVar[float] = STOP_SECONDS + 2

    def __init__(
        self, folder: Path, ports: Ports, say: Say, options: Sequence[str] = (), names: Sequence[str] | None = None
    ) -> None:
        self._names = names or services_of(Settings())
        self.health: Mapping[str, int] = {name: getattr(ports, name) for name in self._names}
        self._console = ports.console
        super().__init__(folder, (*self.health.values(), ports.console), say)
        self._options = options

    @property
    def address(self) -> str:
        """Where the console is, and where each shows its health."""
        health = ", ".join(f"{name} {HOST}:{port}" for name, port in self.health.items())
        return f"console http://{HOST}:{self._console}/; health of {health}"

    def prepare(self) -> Launch:
        """In the folder of the caller, where relative paths of settings lead from."""
        command = (sys.executable, "-m", "streams.stack.supervisor", *self._names, "--", *self._options)
        return Launch(command, os.environ, Path.cwd())

    def is_ready(self) -> bool:
        """Every one of them makes progress."""
        return not self.not_ready()

    def not_ready(self) -> list[str]:
        """The names of those that are not."""
        return [name for name, port in self.health.items() if not _answers(port)]


def _answers(port: int) -> bool:
    with suppress(URLError, OSError, HTTPException), urlopen(f"http://{HOST}:{port}/readyz", timeout=2) as answer:
        return bool(answer.status == 200)
    return False
