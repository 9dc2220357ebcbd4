"""`tocsin stack`, as it is typed."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from processors.errors import ConfigurationError
from streams.commands.stack import app
from streams.stack.ports import Ports
from streams.stack.process import ManagedProcess
from streams.stack.stack import Stack, recorded_ports, state_folder
from streams.stack.views import follow_logs


def run(*arguments: object) -> Result:
    """The command's outcome; an error made for people is in its `exception`."""
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder for a stack, which is down after the test."""
    yield tmp_path / "stack"
    Stack(tmp_path / "stack").down()


def test_up_status_logs_and_down(folder: Path, stack: Stack) -> None:
    first = Ports.picked().kafka
    up = run("up", "kafka", "--folder", folder, "--ports-from", first)
    assert up.exit_code == 0, up.output
    assert "Kafka: ready after" in up.output
    assert f"127.0.0.1:{first}" in up.output
    assert f"export TOCSIN_KAFKA_SERVERS=127.0.0.1:{first}" in up.output
    assert f"It is stopped with: tocsin stack down --folder {folder}\n" in up.output
    assert recorded_ports(folder) == Ports.from_block(first)

    status = run("status", "--folder", folder)
    assert status.exit_code == 0
    assert "ready" in next(line for line in status.output.splitlines() if line.startswith("kafka"))
    assert "down" in next(line for line in status.output.splitlines() if line.startswith("triton"))

    assert "Kafka Server started" in run("logs", "kafka", "--folder", folder).output

    down = run("down", "--folder", folder)
    assert (down.exit_code, "stopping Kafka" in down.output) == (0, True)
    assert run("status", "--folder", folder).exit_code == 1
    assert run("down", "--folder", folder).exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("up", "postgres"), "there is no server 'postgres': choose from kafka, elasticsearch, triton"),
        (("up", "kafka", "--with-service"), "--with-service needs all servers"),
        (("up", "--ports-from", "70000"), "choose a number from 1024"),
        (("up", "--set", "kafka.perfix=x"), "did you mean kafka.prefix?"),
        (("down",), "name another with --folder; `tocsin stack up` makes one"),
        (("status",), "`tocsin stack up` makes one"),
        (("logs",), "`tocsin stack up` makes one"),
    ],
)
def test_what_cannot_be_done_is_told(tmp_path: Path, arguments: tuple[str, ...], problem: str) -> None:
    outcome = run(*arguments, "--folder", tmp_path / "none")
    assert isinstance(outcome.exception, ConfigurationError)
    assert problem in str(outcome.exception)
    assert not (tmp_path / "none").exists()


def test_a_damaged_record_of_a_stack_is_named(tmp_path: Path) -> None:
    (tmp_path / "stack.json").write_text('{"ports": {"kafka": 1')
    with pytest.raises(ConfigurationError, match=r"stack\.json is damaged .* delete it"):
        recorded_ports(tmp_path)


def test_a_stack_is_kept_where_the_user_keeps_state(monkeypatch: pytest.MonkeyPatch) -> None:
    assert state_folder({"XDG_STATE_HOME": "/somewhere"}) == Path("/somewhere/tocsin/stack")
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert state_folder({}) == Path("/var/lib/tocsin/stack")


def test_logs_of_several_parts_are_told_apart_and_followed(tmp_path: Path) -> None:
    processes = {name: ManagedProcess(tmp_path / name, tmp_path / f"{name}.log") for name in ("a", "long")}
    processes["a"].log.write_text("one\ntwo\nthree\n")
    lines = follow_logs(processes, 2, follow=True)
    assert [next(lines), next(lines)] == ["a    | two", "a    | three"]

    def write() -> None:
        with processes["long"].log.open("a") as log:
            log.write("four\n")

    later = threading.Timer(0.2, write)
    later.start()
    assert next(lines) == "long | four"
    later.join()


def test_the_services_get_the_options_of_the_user_and_then_the_addresses_of_the_stack(tmp_path: Path) -> None:
    stack = Stack(tmp_path, Ports.from_block(20_900), service_options=("--set", "kafka.prefix=mine"))
    command = stack.services.prepare().command
    options = command[command.index("--") + 1 :]
    assert options[:4] == ("--set", "kafka.prefix=mine", "--set", "kafka.servers=127.0.0.1:20900")
    assert "services.clock_port=20910" in options
    assert "web.port=20912" in options
