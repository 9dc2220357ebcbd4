"""Tocsin's services as a part of the stack: ready together, restarted when killed, ended together."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress

import psutil
import pytest

from streams.settings import load_settings
from streams.stack.services import Services
from streams.stack.stack import Stack
from streams.topics_admin import create_topics


@pytest.fixture
def services(stack: Stack) -> Iterator[Services]:
    """All four on a prefix of their own, ready."""
    stack.up()
    own = {"kafka.prefix": "supervised", "elasticsearch.prefix": "supervised"}
    create_topics(load_settings(None, {}, {**stack.settings, **own}))
    options = [word for name, value in own.items() for word in ("--set", f"{name}={value}")]
    services = Stack(stack.folder, service_options=options).services
    services.start()
    yield services
    services.stop()


def workers(services: Services) -> dict[str, int]:
    """The processes of the services, by name; a child that is only beginning or ending has none."""
    commands = {}
    for child in psutil.Process(services.pid).children():
        with suppress(psutil.NoSuchProcess):  # a zombie counts as none
            commands[child.pid] = child.cmdline()
    return {words[words.index("run") + 1]: pid for pid, words in commands.items() if "run" in words}


def test_a_killed_service_is_started_again_and_all_end_together(services: Services) -> None:
    before = workers(services)
    assert set(before) == {"enrich", "detect", "index", "clock", "web"}
    os.kill(before["clock"], signal.SIGKILL)
    deadline = time.monotonic() + 120
    while workers(services).get("clock") in (None, before["clock"]) or not services.is_ready():
        assert time.monotonic() < deadline, f"not ready again: {services.not_ready()}\n{services.process.tail(20)}"
        time.sleep(0.5)
    assert "clock ended (exit code -9)" in services.process.log.read_text()

    last = workers(services).values()
    services.stop()
    assert services.pid is None
    assert not any(psutil.pid_exists(pid) for pid in last)
