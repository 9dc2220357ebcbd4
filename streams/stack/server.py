"""What the parts of the local stack have in common: prepared, started, waited for, ended."""

import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final

from processors.errors import FatalError
from streams.stack.install import Say
from streams.stack.ports import require_free
from streams.stack.process import ManagedProcess

_POLL: Final = 0.25
"""Seconds between two looks at a server that is starting."""

_TAIL_LINES: Final = 60


@dataclass(frozen=True, slots=True)
class Launch:
    """What to run, with which environment, in which folder."""

    command: tuple[str, ...]
    environment: Mapping[str, str]
    folder: Path


class Server(ABC):
    """One server of a stack: its files are under ``folder/name``, its output in ``folder/log/name.log``.

    Whatever it wrote is there at the next start, after a clean stop and after a kill.
    """

    name: ClassVar[str]
    """What people call it on the command line."""
    title: ClassVar[str]
    start_seconds: ClassVar[float]
    """Longest wait until it is ready."""
    stop_seconds: ClassVar[float]
    """Longest wait for a clean end; killed after that, which it survives."""

    def __init__(self, folder: Path, ports: tuple[int, ...], say: Say) -> None:
        self.folder = folder / self.name
        self.ports = ports
        self.say = say
        self.process = process_in(folder, self.name)
        self._launched = time.monotonic()

    @property
    @abstractmethod
    def address(self) -> str:
        """Where clients find it."""

    @abstractmethod
    def prepare(self) -> Launch:
        """Fetch what is missing, write its configuration, make its data folder."""

    @abstractmethod
    def is_ready(self) -> bool:
        """Whether it answers and would do its work."""

    @property
    def pid(self) -> int | None:
        """The number of its process while it runs."""
        return self.process.pid

    def start(self) -> None:
        """Start it and wait until it is ready; if it runs, only wait.

        Raises ConfigurationError where a port is taken or a tool is missing, FatalError with the end of its output
        where it does not come up.
        """
        start_all([self])

    def stop(self) -> None:
        """End it cleanly; nothing if it does not run."""
        stop_all([self])

    def kill(self) -> None:
        """End it as a crash would (SIGKILL), with all that it started."""
        self.process.kill()

    def _launch(self, launch: Launch) -> None:
        self.say(f"starting {self.title} on port {self.ports[0]}")
        self.process.start(launch.command, launch.environment, launch.folder)
        self._launched = time.monotonic()

    def _has_come_up(self) -> bool:
        waited = time.monotonic() - self._launched
        if self.is_ready():
            self.say(f"{self.title}: ready after {waited:.1f} s at {self.address}")
            return True
        if self.pid is None:
            code = self.process.exit_code
            self._fail("ended while starting" + (f" (exit code {code})" if code is not None else ""))
        if waited > self.start_seconds:
            self.process.kill()
            self._fail(f"was not ready after {self.start_seconds:.0f} s")
        return False

    def _fail(self, what: str) -> None:
        tail = self.process.tail(_TAIL_LINES)
        raise FatalError(f"{self.title} {what}; the end of {self.process.log}:\n{tail}")


def process_in(folder: Path, name: str) -> ManagedProcess:
    """The process of the part `name` of the stack in `folder`."""
    return ManagedProcess(folder / "run" / f"{name}.json", folder / "log" / f"{name}.log")


def start_all(servers: Iterable[Server]) -> None:
    """Start those that do not run, side by side, and wait until all are ready; raises as `Server.start` does."""
    waiting = list(servers)
    absent = [server for server in waiting if server.pid is None]
    for server in absent:
        server.process.kill()  # what an earlier one left behind may still hold the ports
        require_free(server.ports, server.title)
    launches = []
    for server in absent:
        server.folder.mkdir(parents=True, exist_ok=True)
        launches.append(server.prepare())
    for server, launch in zip(absent, launches, strict=True):
        server._launch(launch)
    while waiting := [server for server in waiting if not server._has_come_up()]:
        time.sleep(_POLL)


def stop_all(servers: Iterable[Server]) -> None:
    """End those that run, side by side and cleanly; what takes too long is killed."""
    running = [server for server in servers if server.pid is not None]
    for server in running:
        server.say(f"stopping {server.title}")
        server.process.ask_to_end()
    for server in running:
        if not server.process.wait_for_end(server.stop_seconds):
            server.say(f"{server.title} did not stop within {server.stop_seconds:.0f} s: killed")
        server.process.kill()
