"""Processes that outlive the one who started them: found again by a file, told from strangers, ended as a group.

A process number alone says little, for the system gives it to others later. The file therefore carries the start
time too; and each process leads a session of its own, so that whatever it started ends with it.
"""

import json
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import psutil

from processors.errors import FatalError

_POLL: Final = 0.05
"""Seconds between two looks at a process that is ending."""

_KILL_SECONDS: Final = 10.0
"""Longest time that the system takes to end what was killed."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What the system says of one process; `started` counts clock ticks since boot."""

    pid: int
    group: int
    state: str
    threads: int
    started: int

    @property
    def alive(self) -> bool:
        """Whether it still runs: what has ended and waits for its parent does not. One whose first thread has ended
        before the others may still hold its ports."""
        return self.state not in "ZX" or self.threads > 1


def entry_of(pid: int) -> Entry | None:
    """The process `pid`, if there is one."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()  # the name before may hold blanks and brackets
    return Entry(pid, int(fields[2]), fields[0], int(fields[17]), int(fields[19]))


@dataclass(frozen=True, slots=True)
class Record:
    """What is written down of a process: its number, its start (ticks since boot), which boot, where it works."""

    pid: int
    started: int
    boot: str
    folder: str


class ManagedProcess:
    """One process with all that it starts. Its number is kept in `record`, its output is appended to `log`."""

    def __init__(self, record: Path, log: Path) -> None:
        self.record = record
        self.log = log
        self._child: subprocess.Popen[bytes] | None = None

    def start(self, command: Sequence[str], environment: Mapping[str, str], folder: Path) -> None:
        """Start `command` in `folder`. What was left of an earlier one is ended first."""
        self.kill()
        for path in (self.record, self.log):
            path.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as output:
            self._child = subprocess.Popen(
                command,
                cwd=folder,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        entry = entry_of(self._child.pid)  # there even if it has ended: nobody has asked for its exit code yet
        started = entry.started if entry else 0
        record = Record(self._child.pid, started, _boot(), str(folder.resolve()))
        self.record.write_text(json.dumps(asdict(record)), "utf-8")

    @property
    def pid(self) -> int | None:
        """Its number while it runs, whoever started it."""
        record = self._record()
        entry = entry_of(record.pid) if record else None
        return entry.pid if record and entry and entry.started == record.started and entry.alive else None

    @property
    def exit_code(self) -> int | None:
        """How it ended, where it was started by this object and has; negative is a signal."""
        return self._child.poll() if self._child else None

    @property
    def memory(self) -> int:
        """Resident bytes, with all that it started."""
        total = 0
        for pid in self._members():
            with suppress(psutil.Error):
                total += psutil.Process(pid).memory_info().rss
        return total

    def ask_to_end(self) -> None:
        """Send it SIGTERM; nothing if it does not run."""
        if pid := self.pid:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)

    def wait_for_end(self, seconds: float) -> bool:
        """Whether it ended, with all that it started, within `seconds`."""
        deadline = time.monotonic() + seconds
        while self._members():
            if time.monotonic() > deadline:
                return False
            time.sleep(_POLL)
        return True

    def kill(self) -> None:
        """End it and all that it started, at once."""
        for pid in self._members():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if not self.wait_for_end(_KILL_SECONDS):
            raise FatalError(f"processes {self._members()} of {self.record.stem} do not end, even when killed")
        self.record.unlink(missing_ok=True)

    def tail(self, lines: int) -> str:
        """The last `lines` of its output."""
        try:
            with self.log.open("rb") as file:
                file.seek(max(0, self.log.stat().st_size - 512 * lines))
                return "\n".join(file.read().decode("utf-8", "replace").splitlines()[-lines:])
        except OSError:
            return ""

    def written_since(self, position: int) -> tuple[list[str], int]:
        """The whole lines of its output after `position` (bytes), and the position after them."""
        try:
            with self.log.open("rb") as file:
                file.seek(position)
                whole = file.read().rpartition(b"\n")[0]
        except OSError:
            return [], position
        return whole.decode("utf-8", "replace").splitlines(), position + len(whole) + (1 if whole else 0)

    def _members(self) -> list[int]:
        """The living processes of its group, whether or not their leader is still among them."""
        if self._child:
            self._child.poll()  # a child that has ended stays in the table until someone asks
        record = self._record()
        if record is None:
            return []
        leader = entry_of(record.pid)
        if leader and leader.started != record.started:
            return []  # the number is a stranger's now, which it cannot be while anything of the group is left
        entries = [entry for pid in psutil.pids() if (entry := entry_of(pid))]
        return [e.pid for e in entries if e.group == record.pid and e.alive and (leader or _works_in(record.folder, e))]

    def _record(self) -> Record | None:
        try:
            record = Record(**json.loads(self.record.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None
        return record if record.boot == _boot() else None


def _works_in(folder: str, entry: Entry) -> bool:
    """A last doubt about what a leader left behind: it works in the leader's folder, or is ending already."""
    try:
        return entry.state == "Z" or Path(f"/proc/{entry.pid}/cwd").readlink().is_relative_to(folder)
    except OSError:
        return False


def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
