"""A deployment on the local stack: its services as processes that can be killed, frozen and started again."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from witness import Witness

from tests.patience import PATIENCE

TOCSIN: Final = (sys.executable, "-c", "from streams.cli import main; main()")
INJECTED: Final = (sys.executable, str(Path(__file__).with_name("injected.py")))
TRAILING_MARKER: Final = 1
"""A transactional topic ends with a marker that no consumer reads: one record of lag that never goes."""

Lags = Mapping[str, Mapping[tuple[str, int], int]]
"""By service and partition, how many records wait."""


@dataclass
class Deployment:
    """The services of one prefix, with their settings by ``section.field``; logs lie in `folder`."""

    folder: Path
    settings: Mapping[str, str]
    workers: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    ports: dict[str, int] = field(default_factory=dict)
    restarts: Counter[str] = field(default_factory=Counter)
    """How often each worker ended by itself and was started again."""
    injected: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """What is changed in a service at its next start (see `injected`)."""
    logs_to: Path | None = None
    """Where every service logs instead of its own file."""
    reverted: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """What is changed in a service at every start."""

    def command(self, *arguments: str, seconds: float = 120) -> str:
        """Run a command of Tocsin to its end; what it printed. Raises AssertionError where it failed."""
        done = subprocess.run(
            [*TOCSIN, *arguments, *self.flags()], capture_output=True, text=True, timeout=seconds, check=False
        )
        assert done.returncode == 0, f"tocsin {' '.join(arguments)} ended with {done.returncode}:\n{done.stderr}"
        return done.stdout

    def start(self, *names: str) -> None:
        """Start workers; the name is the service, with a number after a dash for a further worker."""
        for name in names:
            self.ports[name] = free_port()
            service = name.partition("-")[0]
            changes = (*self.reverted.get(service, ()), *self.injected.get(service, ()))
            command = (*INJECTED, *changes, "--") if changes else TOCSIN
            with (self.logs_to or self.folder / f"{name}.log").open("ab") as log:
                self.workers[name] = subprocess.Popen(
                    [*command, "run", service, *self.flags(name)], stdout=log, stderr=log
                )

    def kill(self, name: str) -> None:
        """kill -9, and start it again as a supervisor would."""
        self.workers[name].kill()
        self.workers[name].wait()
        self.start(name)

    def freeze(self, name: str, seconds: float) -> None:
        """SIGSTOP for `seconds`, then SIGCONT."""
        self.workers[name].send_signal(signal.SIGSTOP)
        time.sleep(seconds)
        self.workers[name].send_signal(signal.SIGCONT)

    def restart_what_ended(self) -> None:
        """What a supervisor does. Raises AssertionError where a service says that starting again does not help."""
        for name, process in list(self.workers.items()):
            if process.poll() is not None:
                assert process.returncode not in (0, 2), f"{name} gave up:\n{self.log(name)[-2000:]}"
                self.restarts[name] += 1
                self.start(name)

    def wait_until_done(
        self, witness: Witness, *services: str, each: Callable[[Lags], None] = lambda lags: None
    ) -> None:
        """Until every group, or those of `services`, has acknowledged everything; `each` is told of every look at what
        waits.

        Raises AssertionError, with the lag, once nothing has moved for as long as a busy machine may need.
        """
        settled, before, moved = 0, None, time.monotonic()
        while settled < 3:
            self.restart_what_ended()
            lags = {service: witness.lag(service) for service in services or ("enrich", "detect", "index")}
            each(lags)
            behind = {
                (service, *place): count
                for service, places in lags.items()
                for place, count in places.items()
                if count > TRAILING_MARKER
            }
            settled = settled + 1 if all(lags.values()) and not behind else 0
            if settled or behind != before:
                before, moved = behind, time.monotonic()
            assert time.monotonic() - moved < PATIENCE, f"nothing moves: {behind or lags}; {self.readiness()}"
            time.sleep(1)

    def wait_until_ready(self) -> None:
        """Until every worker says that it makes progress. Raises AssertionError where one does not in a busy while."""
        deadline = time.monotonic() + PATIENCE
        for name, port in self.ports.items():
            while name in self.workers and not readiness(port).get("ready"):
                assert time.monotonic() < deadline, f"{name} is not ready:\n{self.log(name)[-2000:]}"
                self.restart_what_ended()
                time.sleep(0.5)

    def readiness(self) -> dict[str, dict[str, Any]]:
        """What each worker says of itself."""
        return {name: readiness(self.ports[name]) for name in self.workers}

    def waits_for(self, name: str) -> str:
        """What a worker says that it waits for; empty for nothing."""
        return readiness(self.ports[name]).get("waiting_for") or ""

    def log(self, name: str) -> str:
        """What a worker has logged."""
        path = self.folder / f"{name}.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def stop(self, *names: str, seconds: float = 10) -> None:
        """SIGTERM. Raises AssertionError where a worker needs longer than `seconds`, or ends otherwise than told."""
        processes = {name: self.workers.pop(name) for name in names or tuple(self.workers)}
        for process in processes.values():
            process.terminate()
        for name, process in processes.items():
            try:
                code = process.wait(seconds)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                raise AssertionError(f"{name} did not stop within {seconds:.0f} s") from None
            assert code == 0, f"{name} ended with {code}:\n{self.log(name)[-2000:]}"

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(
        self, error_type: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for process in self.workers.values():
            process.send_signal(signal.SIGCONT)
            process.kill()
            process.wait()

    def flags(self, worker: str | None = None) -> list[str]:
        """The settings as options of a command, with a port of its own where it is that of a worker."""
        flags = [f"--set={path}={value}" for path, value in self.settings.items()]
        if worker is not None:
            service = worker.partition("-")[0]
            flags.append(f"--set=services.{service}_port={self.ports[worker]}")
        return flags


def readiness(port: int) -> dict[str, Any]:
    """What the worker of a port says of itself; nothing where it does not answer."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=10) as answer:
            return dict(json.load(answer))
    except urllib.error.HTTPError as error:
        return dict(json.load(error))
    except OSError:
        return {}


def free_port() -> int:
    """A port that was free a moment ago."""
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def pinned(pid: int, cores: set[int]) -> None:
    """Let a process and its threads run on `cores` only."""
    for thread in os.listdir(f"/proc/{pid}/task"):
        os.sched_setaffinity(int(thread), cores)
