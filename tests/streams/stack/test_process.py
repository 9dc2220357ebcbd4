"""Processes found again by their record, told from strangers, ended with all that they started."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from streams.stack.process import ManagedProcess, entry_of

SLEEPS = (sys.executable, "-c", "import time; time.sleep(600)")
SAYS = "print('begun', flush=True)"
SLEEPS_TOO = "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])"
HAS_A_CHILD = (sys.executable, "-c", f"import subprocess, sys, time; {SLEEPS_TOO}; {SAYS}; time.sleep(600)")
DEAF = (
    sys.executable,
    "-c",
    f"import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); {SAYS}; time.sleep(600)",
)


def process_of(folder: Path) -> ManagedProcess:
    return ManagedProcess(folder / "run" / "it.json", folder / "log" / "it.log")


@pytest.fixture
def process(tmp_path: Path) -> Iterator[ManagedProcess]:
    """A process to start; ended after the test."""
    managed = process_of(tmp_path)
    yield managed
    managed.kill()


def start(process: ManagedProcess, command: tuple[str, ...], folder: Path) -> int:
    """Start `command`; its number, once it has begun where it says so."""
    process.start(command, os.environ, folder)
    deadline = time.monotonic() + 30
    while SAYS in command[-1] and "begun" not in process.tail(1):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert process.pid is not None
    return process.pid


def group_of(pid: int) -> list[int]:
    """Everything alive in the group of `pid`."""
    numbers = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]
    return [e.pid for number in numbers if (e := entry_of(number)) and e.group == pid and e.alive]


def test_someone_else_finds_it_by_its_folder_and_ends_it(process: ManagedProcess, tmp_path: Path) -> None:
    pid = start(process, SLEEPS, tmp_path)
    other = process_of(tmp_path)
    assert other.pid == pid
    other.ask_to_end()
    assert other.wait_for_end(10)
    assert process.pid is None
    assert process.exit_code == -signal.SIGTERM


def test_it_outlives_who_started_it(process: ManagedProcess, tmp_path: Path) -> None:
    program = (
        "import os, sys; from pathlib import Path; from streams.stack.process import ManagedProcess; f = Path(sys.argv[1]);"
        "ManagedProcess(f / 'run/it.json', f / 'log/it.log').start(sys.argv[2:], os.environ, f)"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path), *SLEEPS], check=True)
    assert process.pid is not None


def test_killed_it_takes_along_what_it_started(process: ManagedProcess, tmp_path: Path) -> None:
    pid = start(process, HAS_A_CHILD, tmp_path)
    assert len(group_of(pid)) == 2
    process.kill()
    assert group_of(pid) == []


def test_what_a_killed_leader_left_behind_is_ended_before_the_next_start(
    process: ManagedProcess, tmp_path: Path
) -> None:
    first = start(process, HAS_A_CHILD, tmp_path)
    os.kill(first, signal.SIGKILL)
    while process.pid is not None:
        time.sleep(0.01)
    assert len(group_of(first)) == 1
    start(process, SLEEPS, tmp_path)
    assert group_of(first) == []


def test_asked_in_vain_it_is_not_gone(process: ManagedProcess, tmp_path: Path) -> None:
    start(process, DEAF, tmp_path)
    process.ask_to_end()
    assert not process.wait_for_end(0.5)


@pytest.mark.parametrize("stale", [{"started": 1}, {"boot": "another"}])
def test_a_stranger_with_the_number_of_one_that_ended_is_let_alone(tmp_path: Path, stale: dict[str, object]) -> None:
    stranger = subprocess.Popen(SLEEPS, start_new_session=True)
    try:
        process = process_of(tmp_path)
        process.start(SLEEPS, os.environ, tmp_path)
        record = json.loads(process.record.read_text())
        process.kill()
        entry = entry_of(stranger.pid)
        assert entry is not None
        process.record.write_text(json.dumps({**record, "pid": stranger.pid, "started": entry.started, **stale}))
        assert process.pid is None
        process.ask_to_end()
        process.kill()
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_a_damaged_record_is_no_process(process: ManagedProcess, tmp_path: Path) -> None:
    process.record.parent.mkdir()
    process.record.write_text('{"pid": 1')
    assert process.pid is None
    process.kill()
    start(process, SLEEPS, tmp_path)


def test_a_name_with_brackets_and_blanks_is_read_past(tmp_path: Path) -> None:
    program = tmp_path / "a) S (b"
    program.symlink_to("/bin/sleep")
    child = subprocess.Popen([program, "600"], start_new_session=True)
    try:
        entry = entry_of(child.pid)
        assert entry is not None
        assert (entry.pid, entry.group, entry.alive) == (child.pid, child.pid, True)
    finally:
        child.kill()
        child.wait()
    assert entry_of(child.pid) is None


def test_output_is_appended_and_read_on_in_whole_lines(process: ManagedProcess, tmp_path: Path) -> None:
    process.log.parent.mkdir()
    process.log.write_bytes(b"one\ntwo\nthr")
    lines, position = process.written_since(0)
    assert lines == ["one", "two"]
    with process.log.open("ab") as log:
        log.write(b"ee\n")
    assert process.written_since(position) == (["three"], 14)
    assert process.tail(2) == "two\nthree"
    start(process, SLEEPS, tmp_path)
    assert process.tail(1) == "three"


def test_memory_counts_what_it_started(process: ManagedProcess, tmp_path: Path) -> None:
    assert process.memory == 0
    start(process, SLEEPS, tmp_path)
    alone = process.memory
    start(process, HAS_A_CHILD, tmp_path)
    deadline = time.monotonic() + 10
    while process.memory < 1.5 * alone:
        assert time.monotonic() < deadline
        time.sleep(0.02)
