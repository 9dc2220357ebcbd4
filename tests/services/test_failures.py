"""How a service ends over each class of failure: its exit code, and one last line that says what was wrong."""

import json
import subprocess
import sys

import pytest

from tests.patience import PATIENCE

SERVICE = """
import sys
from processors import errors
from streams.services import clock
from streams.services.runner import run_service
from streams.settings import load_settings
from streams.stack.ports import Ports

def run(settings, monitor, stop):
    {does}

clock.run = run
run_service("clock", load_settings(None, {{}}, {{"services.clock_port": str(Ports.picked().kafka)}}))
"""


@pytest.mark.parametrize(
    ("does", "code", "told"),
    [
        ("return", 0, None),
        ("raise errors.ConfigurationError('kafka.prefix is wrong: set it')", 2, "kafka.prefix is wrong: set it"),
        ("raise errors.RetryableError('no broker answers: start it')", 1, "no broker answers: start it"),
        ("raise errors.InvariantError('offset 7 came again')", 1, "offset 7 came again"),
        ("raise errors.ModelError('cannot load the model')", 1, "cannot load the model"),
        ("raise KeyError('surprise')", 1, "it cannot be sure of what it did last: KeyError: 'surprise'"),
        ("raise MemoryError", 1, "it cannot be sure of what it did last: MemoryError: "),
        ("raise errors.RetryableError('said by a stranger: \\x1b[2J\\u202e\\nall is well')", 1, "said by a stranger"),
    ],
)
def test_the_last_line_says_what_was_wrong_and_the_code_whether_to_start_again(
    does: str, code: int, told: str | None
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SERVICE.format(does=does)], capture_output=True, timeout=PATIENCE, check=False
    )
    assert done.returncode == code, done.stderr
    lines = done.stderr.decode().splitlines()
    if told is None:
        assert lines == []
        return
    last = json.loads(lines[-1])
    assert (last["level"], last["service"]) == ("error", "clock")
    assert told in last["message"]
    assert lines[-1].isprintable()
    assert len(lines) == 1, "one line, and nothing around it"
