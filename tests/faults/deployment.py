"""A deployment on the local stack: its services as processes that can be killed, frozen and started again."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from witness import Witness

TOCSIN: Final = (sys.executable, "-c", "from streams.cli import main; main()")
TRAILING_MARKER: Final = 1
"""A transactional topic ends with a marker that no consumer reads: one record of lag that never goes."""


@dataclass
class Deployment:
    """The services of one prefix, with their settings by ``section.field``; logs lie in `folder`."""

    folder: Path
    settings: Mapping[str, str]
    workers: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def command(self, *arguments: str, seconds: float = 120) -> str:
        """Run a command of Tocsin to its end; what it printed. Raises AssertionError where it failed."""
        done = subprocess.run(
            [*TOCSIN, *arguments, *self._flags()], capture_output=True, text=True, timeout=seconds, check=False
        )
        assert done.returncode == 0, f"tocsin {' '.join(arguments)} ended with {done.returncode}:\n{done.stderr}"
        return done.stdout

    def start(self, *names: str) -> None:
        """Start workers; the name is the service, with a number after a dash for a further worker."""
        for name in names:
            with (self.folder / f"{name}.log").open("ab") as log:
                self.workers[name] = subprocess.Popen(
                    [*TOCSIN, "run", name.partition("-")[0], *self._flags(name)], stdout=log, stderr=log
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
                self.start(name)

    def wait_until_done(self, witness: Witness, seconds: float) -> None:
        """Until every group has acknowledged everything. Raises AssertionError, with the lag, after `seconds`."""
        deadline = time.monotonic() + seconds
        settled = 0
        while settled < 3:
            self.restart_what_ended()
            lag = {service: witness.lag(service) for service in ("enrich", "detect", "index")}
            behind = {
                (service, *place): count
                for service, places in lag.items()
                for place, count in places.items()
                if count > TRAILING_MARKER
            }
            settled = settled + 1 if all(lag.values()) and not behind else 0
            assert time.monotonic() < deadline, f"not done in {seconds:.0f} s: {behind or lag}"
            time.sleep(1)

    def log(self, name: str) -> str:
        """What a worker has logged."""
        return (self.folder / f"{name}.log").read_text(errors="replace")

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

    def _flags(self, worker: str | None = None) -> list[str]:
        flags = [f"--set={path}={value}" for path, value in self.settings.items()]
        if worker is not None:
            service = worker.partition("-")[0]
            flags.append(f"--set=services.{service}_port={free_port()}")
        return flags


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
