"""Keeps services running: what ends is started again, after a wait that grows while it keeps ending.

As a program (``python -m streams.stack.supervisor enrich detect -- --set section.field=value``) it runs each named
service as a process of its own, until SIGTERM.
"""

import logging
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import FrameType
from typing import Final

from streams.service_settings import ServiceSettings
from streams.services.logs import configure_logs
from streams.services.resilience import waits

STOP_SECONDS: Final = 10.0
"""What services have to finish what is in hand, by their contract."""

_STEADY_SECONDS: Final = 30.0
"""After running for so long, an end counts as the first one again."""

_POLL: Final = 0.1

_log = logging.getLogger("tocsin.supervisor")

Waits = Callable[[], Iterator[float]]
"""Makes the seconds to wait before each next start."""


@dataclass(slots=True)
class _Child:
    name: str
    command: Sequence[str]
    waits: Iterator[float]
    process: subprocess.Popen[bytes] | None = None
    due: float = field(default_factory=time.monotonic)


class Supervisor:
    """Runs `commands`, by name, each as a child that writes to this process's own output."""

    def __init__(self, commands: Mapping[str, Sequence[str]], waits: Waits) -> None:
        self._waits = waits
        self._children = [_Child(name, command, waits()) for name, command in commands.items()]

    @property
    def pids(self) -> Mapping[str, int]:
        """The numbers of the children that were running at the last look."""
        return {child.name: child.process.pid for child in self._children if child.process}

    def run(self, stop: threading.Event) -> None:
        """Keep all running until `stop` is set, then end all of them within `STOP_SECONDS`."""
        while not stop.wait(_POLL):
            now = time.monotonic()
            for child in self._children:
                self._look_after(child, now)
        self._end()

    def _look_after(self, child: _Child, now: float) -> None:
        if child.process is None:
            if now >= child.due:
                child.process = subprocess.Popen(child.command, stdin=subprocess.DEVNULL)
                child.due = now
        elif (code := child.process.poll()) is not None:
            ran = now - child.due
            if ran > _STEADY_SECONDS:
                child.waits = self._waits()
            pause = next(child.waits)
            _log.warning("%s ended (exit code %d) after %.1f s: again in %.1f s", child.name, code, ran, pause)
            child.process, child.due = None, now + pause

    def _end(self) -> None:
        running = [(child.name, child.process) for child in self._children if child.process]
        for _, process in running:
            process.terminate()
        deadline = time.monotonic() + STOP_SECONDS
        for name, process in running:
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                _log.error("%s did not stop within %.0f s: killed", name, STOP_SECONDS)
                process.kill()
                process.wait()


def service_commands(names: Sequence[str], options: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """The command line of each service, with the same `options` for all."""
    return {name: (sys.executable, "-m", "streams", "run", name, *options) for name in names}


def main(arguments: Sequence[str]) -> None:
    """Supervise the services named before ``--``, with the options after it."""
    split = arguments.index("--") if "--" in arguments else len(arguments)
    commands = service_commands(arguments[:split], arguments[split + 1 :])
    configure_logs("supervisor", "info")
    stop = threading.Event()

    def told(number: int, frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, told)
    signal.signal(signal.SIGINT, told)
    Supervisor(commands, lambda: waits(ServiceSettings(), random.Random())).run(stop)


if __name__ == "__main__":
    main(sys.argv[1:])
