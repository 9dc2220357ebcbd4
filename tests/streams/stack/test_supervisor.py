"""The supervisor against real processes that end in every way."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from streams.service_settings import ServiceSettings
from streams.services.resilience import waits
from streams.stack import supervisor
from streams.stack.supervisor import Supervisor, service_commands

LIVES = "import time; time.sleep(600)"
IGNORES_SIGTERM = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); time.sleep(600)"
)


def counting(path: Path, code: int) -> str:
    """A program that leaves a mark each time it runs."""
    return f"open({str(path)!r}, 'a').write('x'); raise SystemExit({code})"


@contextmanager
def running(programs: dict[str, str]) -> Iterator[Supervisor]:
    """A supervisor of `programs`, told to stop at the end."""
    commands = {name: (sys.executable, "-c", program) for name, program in programs.items()}
    supervised = Supervisor(commands, lambda: waits(ServiceSettings(retry_first=0.05, retry_longest=0.2)))
    stop = threading.Event()
    thread = threading.Thread(target=supervised.run, args=(stop,))
    thread.start()
    try:
        yield supervised
    finally:
        stop.set()
        thread.join()


def wait_until(condition: Callable[[], bool], seconds: float = 20) -> None:
    """Return once `condition` holds; fail after `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.02)


def test_what_was_killed_is_started_again() -> None:
    with running({"lives": LIVES}) as supervised:
        wait_until(lambda: "lives" in supervised.pids)
        first = supervised.pids["lives"]
        os.kill(first, signal.SIGKILL)
        wait_until(lambda: supervised.pids.get("lives", first) != first)


def test_what_keeps_ending_is_started_again_and_again_beside_one_that_goes_on(tmp_path: Path) -> None:
    mark = tmp_path / "runs"
    with running({"ends": counting(mark, 1), "lives": LIVES}) as supervised:
        wait_until(lambda: "lives" in supervised.pids)
        pid = supervised.pids["lives"]
        wait_until(lambda: mark.exists() and len(mark.read_text()) >= 4)
        assert supervised.pids["lives"] == pid


def test_a_clean_end_nobody_asked_for_is_no_reason_to_stay_down(tmp_path: Path) -> None:
    mark = tmp_path / "runs"
    with running({"ends": counting(mark, 0)}):
        wait_until(lambda: mark.exists() and len(mark.read_text()) >= 2)


def test_told_to_stop_it_ends_all_and_kills_what_will_not(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(supervisor, "STOP_SECONDS", 1.0)
    with running({"deaf": IGNORES_SIGTERM, "lives": LIVES}) as supervised:
        wait_until(lambda: len(supervised.pids) == 2)
        pids = dict(supervised.pids)
        time.sleep(0.5)  # until it is deaf
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids.values())
    assert "deaf did not stop" in caplog.text


def test_waits_grow_while_it_keeps_ending(tmp_path: Path) -> None:
    mark = tmp_path / "runs"
    pauses: list[float] = []

    def noted() -> Iterator[float]:
        for pause in waits(ServiceSettings(retry_first=0.05, retry_longest=0.2)):
            pauses.append(pause)
            yield pause

    stop = threading.Event()
    supervised = Supervisor({"ends": (sys.executable, "-c", counting(mark, 1))}, noted)
    thread = threading.Thread(target=supervised.run, args=(stop,))
    thread.start()
    wait_until(lambda: len(pauses) >= 5)
    stop.set()
    thread.join()
    assert pauses[0] <= 0.05
    assert max(pauses) <= 0.2


def test_as_a_program_it_runs_the_command_line_and_ends_on_sigterm(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "streams.stack.supervisor", "nonsense", "--", "--set", "kafka.prefix=x"],
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    wait_until(lambda: b"nonsense ended (exit code 2)" in log.read_bytes())
    process.send_signal(signal.SIGTERM)
    assert process.wait(15) == 0
    assert "there is no service 'nonsense'" in log.read_text()


def test_every_service_gets_the_same_options() -> None:
    commands = service_commands(["enrich", "index"], ["--set", "kafka.prefix=p"])
    assert {name: command[2:] for name, command in commands.items()} == {
        "enrich": ("streams", "run", "enrich", "--set", "kafka.prefix=p"),
        "index": ("streams", "run", "index", "--set", "kafka.prefix=p"),
    }
