"""What the console makes of what services say, and of the moment that the latest document tells."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from prometheus_client import Gauge

from streams.services.monitor import Monitor, Progress
from streams.settings import load_settings
from streams.web import lookout, present
from streams.web.lookout import Lookout
from streams.web.present import Motion, Present

AWAY = {f"services.{name}_port": str(22870 + i) for i, name in enumerate(("enrich", "detect", "index", "clock"))}


def until(what: Callable[[], Any], looking: Lookout) -> None:
    end = time.monotonic() + 20
    while not what():
        assert time.monotonic() < end, looking.held_up
        looking.look()
        time.sleep(0.05)


def test_what_holds_up_is_told_but_not_what_was_never_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookout, "_EVERY_SECONDS", 0.01)
    progress = Progress(60)
    monitor = Monitor("detect", progress)
    server = monitor.serve("127.0.0.1", 0)
    looking = Lookout(load_settings(None, {}, AWAY | {"services.detect_port": str(server.server_address[1])}))
    told = {"service": "detect", "state": "waits", "what": "starting"}
    until(lambda: looking.held_up == [told], looking)
    progress.made()
    until(lambda: looking.held_up == [], looking)
    progress.waits_for("Kafka at 127.0.0.1:9092")
    until(lambda: looking.held_up == [], looking)  # for a moment anything may wait
    progress.stuck("the model")
    until(lambda: looking.held_up == [told | {"what": "the model"}], looking)
    server.shutdown()
    server.server_close()
    until(lambda: looking.held_up == [{"service": "detect", "state": "away", "what": ""}], looking)


def test_the_canary_is_as_old_as_clock_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookout, "_EVERY_SECONDS", 0.01)
    monitor = Monitor("clock", Progress(60))
    server = monitor.serve("127.0.0.1", 0)
    looking = Lookout(load_settings(None, {}, AWAY | {"services.clock_port": str(server.server_address[1])}))
    assert looking.canary is None
    age = Gauge("tocsin_canary_seconds", "", registry=monitor.registry)
    age.set(float("inf"))
    until(lambda: looking.canary == {"seconds": None}, looking)
    age.set(7.25)
    until(lambda: looking.canary == {"seconds": 7.2}, looking)
    server.shutdown()


def test_history_is_being_replayed_while_its_end_moves(monkeypatch: pytest.MonkeyPatch) -> None:
    def at(hour: int, *, live: bool = False) -> Present:
        latest = datetime(2014, 5, 15, hour, tzinfo=UTC)
        return Present(latest, latest - timedelta(days=1), latest, live)

    now = [100.0]
    monkeypatch.setattr(present, "monotonic", lambda: now[0])
    motion = Motion()
    assert not motion.of(at(1)), "seen once, it may stand still"
    assert motion.of(at(2))
    now[0] += 29
    assert motion.of(at(2)), "a night without documents"
    now[0] += 2
    assert not motion.of(at(2))
    assert motion.of(at(3)) and not motion.of(at(4, live=True))
    now[0] += 3600
    assert not motion.of(at(5)), "nobody looked: it may have moved long ago"
