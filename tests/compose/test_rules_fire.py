"""Every rule fires on what its services really show when it is to fire, by Prometheus' own evaluation, and none when all is well."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import yaml
from compose_files import COMPOSE
from kafka import TopicPartition
from prometheus_client import Gauge
from promtool import promtool
from timeline import BEGIN, Timeline

from processors.enrichment import ModelIdentity
from processors.messages import Canary, Origin
from streams.collect.declared import Source
from streams.collect.look import Looked
from streams.collect.metrics import CollectMetrics
from streams.deliver.delivery import Delivery
from streams.deliver.postman import Fate, Outcome, Postman
from streams.elastic_bulk import Result
from streams.services import clock, deliver_metrics, index_metrics, metrics
from streams.services.clock import ClockMetrics
from streams.services.clock_canary import CanaryWatch
from streams.services.deliver_metrics import DeliverMetrics
from streams.services.detect_metrics import DetectMetrics
from streams.services.enrich_metrics import EnrichMetrics
from streams.services.enrich_records import Reading, Written
from streams.services.index_batch import Entry
from streams.services.index_metrics import IndexMetrics
from streams.services.monitor import Monitor, Progress
from streams.services.resilience import Breaker
from tests.services.enrich_parts import document, enricher

RULES = [
    rule["alert"]
    for group in yaml.safe_load((COMPOSE / "prometheus" / "rules.yml").read_text())["groups"]
    for rule in group["rules"]
]
MODEL = ModelIdentity("mini", "3", "ab" * 32, frozenset({"en"}))
FEED = Source("feed", "news", "public domain", "tests", url="https://feed.example/news")
MINUTE, HOUR = 60, 3600

TRITON = 'nv_inference_request_failure{model="tocsin",version="1",reason="BACKEND"} %d\n'
"""As the real server shows it, which `test_monitoring` sees to."""


@dataclass
class World:
    """The metrics of all services, as they make them, on a clock that a test moves."""

    patch: pytest.MonkeyPatch
    timeline: Timeline = field(init=False)
    down: set[str] = field(default_factory=set)
    triton_failures: int = 0
    idle: bool = True
    canaries: bool = True
    feeds: bool = True
    hears: bool = True
    started: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.monitors = {
            name: Monitor(name, Progress(60, self.seconds))
            for name in ("enrich", "detect", "index", "clock", "web", "collect", "deliver")
        }
        self.timeline = Timeline({(name, f"{name}:1"): self.target(name) for name in (*self.monitors, "triton")})
        self.patch.setattr(metrics, "time", self.seconds)
        self.patch.setattr(index_metrics, "time", self.seconds)
        self.patch.setattr("streams.collect.metrics.time", self.seconds)
        self.patch.setattr("streams.services.enrich_metrics.time", self.seconds)
        self.patch.setattr("streams.services.detect_metrics.time", SimpleNamespace(time=self.seconds))
        self.patch.setattr(clock, "_now", self.now)
        self.patch.setattr(deliver_metrics, "_now", self.now)
        registry = {name: monitor.registry for name, monitor in self.monitors.items()}
        self.enrich = EnrichMetrics(registry["enrich"], [MODEL])
        self.detect, self.index = DetectMetrics(registry["detect"]), IndexMetrics(registry["index"])
        self.watch = CanaryWatch(timedelta(minutes=1), self.now())
        self.clock = ClockMetrics(registry["clock"], self.watch)
        self.feedback = Gauge("tocsin_feedback_waiting", "x", registry=registry["web"])
        self.collect = CollectMetrics(registry["collect"])
        self.collect.begin([FEED])
        self.room = SimpleNamespace(channel=SimpleNamespace(name="room"), waiting=0, trouble="")
        self.deliver = DeliverMetrics(registry["deliver"], [cast(Postman, self.room)])
        self.triton, self.elasticsearch = Breaker(), Breaker()

    def seconds(self) -> float:
        return self.timeline.now if hasattr(self, "timeline") else BEGIN

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.seconds(), UTC)

    def target(self, name: str) -> Callable[[], str]:
        def answer() -> str:
            if name in self.down:
                raise OSError("connection refused")
            if name == "triton":
                return TRITON % self.triton_failures
            return self.monitors[name].answer("/metrics")[2].decode()

        return answer

    def well(self) -> None:
        """Everything as it is when all is well."""
        for monitor in self.monitors.values():
            if self.idle:
                monitor.progress.made()
        self.clock.tick.set(self.seconds())
        if self.canaries:
            at = self.now() - timedelta(seconds=1)
            self.watch.returned(Canary("tocsin-canary/x", at), self.now())
            if self.hears:
                self.deliver.canary(at)
        self.batch("wire")
        self.enrich.breaker("triton", self.triton)
        self.index.breaker(self.elasticsearch)
        self.lags(3)
        self.feedback.set(0)
        if self.feeds:
            self.collect.looked(FEED, Looked("read"), 0.1)

    def batch(self, source: str, count: int = 1, reason: str = "") -> None:
        prepared = enricher().prepare(decoded(document(source=source)), None)
        reading = Reading(Origin("t.news", 0, 1), "news", b"", round(self.seconds() * 1000), prepared)
        written = Written("refused", (), reason) if reason else Written("labelled", ())
        self.enrich.batch([(reading, written)] * count, count)

    def lags(self, records: int) -> None:
        self.enrich.lag(("t.news", 0), records)
        self.index.lag(TopicPartition("t.documents", 0), records)

    def indexed(self, age: float) -> None:
        record = SimpleNamespace(timestamp=(self.seconds() - age) * 1000, headers=())
        self.index.done([Entry("documents", record, result=Result("written", ""))] * 3)

    def delivered(self, fate: Fate, after: float = 1.0) -> None:
        message = SimpleNamespace(channel="room", since=self.now() - timedelta(seconds=after))
        self.deliver.done(Outcome(cast(Delivery, message), fate))


def decoded(raw: bytes) -> Any:
    from streams.codec import decode_document

    return decode_document(raw, "news")


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    return World(monkeypatch)


def fires(world: World, *rules: str) -> None:
    assert world.timeline.firing(*rules) == dict.fromkeys(rules, True)


def test_promtool_finds_nothing_wrong_with_the_rules() -> None:
    done = subprocess.run(
        [promtool(), "check", "rules", str(COMPOSE / "prometheus" / "rules.yml")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_while_all_is_well_nothing_fires(world: World) -> None:
    world.timeline.go_on(HOUR, world.well)
    assert world.timeline.silent() == ""


def no_canary(world: World) -> None:
    world.canaries = False
    world.timeline.go_on(6 * MINUTE, world.well)


def no_watch(world: World) -> None:
    del world.timeline.targets["clock", "clock:1"]
    world.timeline.targets["clock", "clock:2"] = lambda: Monitor("clock", Progress(60)).answer("/metrics")[2].decode()
    world.timeline.go_on(12 * MINUTE)


def no_tick(world: World) -> None:
    stopped = world.seconds()

    def step() -> None:
        world.well()
        world.clock.tick.set(stopped)

    world.timeline.go_on(4 * MINUTE, step)


def ahead_of_the_clock(world: World) -> None:
    world.detect.held.labels("mentions/0").set(40)
    world.timeline.go_on(12 * MINUTE, world.well)


def judged_early(world: World) -> None:
    world.detect.records.labels("mentions", "early").inc(3)
    world.timeline.go_on(2 * MINUTE, world.well)


def late_alerts(world: World) -> None:
    def step() -> None:
        world.well()
        for _ in range(10):
            world.detect.wait.labels("received").observe(95.0)

    world.timeline.go_on(12 * MINUTE, step)


def nobody_answers(world: World) -> None:
    world.down.add("index")
    world.timeline.go_on(3 * MINUTE, world.well)


def nobody_there(world: World) -> None:
    del world.timeline.targets["detect", "detect:1"]
    world.timeline.go_on(9 * MINUTE, world.well)


def no_progress(world: World) -> None:
    world.idle = False
    world.timeline.go_on(5 * MINUTE, world.well)


def restarts(world: World) -> None:
    """Processes that really are others."""
    source = Path(__file__).with_name("one_monitor.py")

    def another() -> str:
        done = subprocess.run([sys.executable, str(source)], capture_output=True, text=True, check=True)
        return done.stdout

    texts = [another() for _ in range(5)]
    world.timeline.targets["enrich", "enrich:1"] = lambda: texts[min(4, world.timeline.ticks // 8 % 5)]
    world.timeline.go_on(12 * MINUTE)


def dependency_away(world: World) -> None:
    for _ in range(3):
        world.triton.failed(world.seconds())
    world.timeline.go_on(4 * MINUTE, world.well)


def failing_model(world: World) -> None:
    def step() -> None:
        world.well()
        world.triton_failures += 4

    world.timeline.go_on(12 * MINUTE, step)


def many_wait(world: World) -> None:
    def step() -> None:
        world.well()
        world.lags(12_000)

    world.timeline.go_on(7 * MINUTE, step)


def more_and_more_wait(world: World) -> None:
    waiting = [0]

    def step() -> None:
        world.well()
        waiting[0] += 60
        world.lags(waiting[0])

    world.timeline.go_on(60 * MINUTE, step)


def index_behind(world: World) -> None:
    def step() -> None:
        world.well()
        world.indexed(900)

    world.timeline.go_on(12 * MINUTE, step)


def refusals(world: World) -> None:
    world.batch("wire", 30, "unknown-field")
    world.timeline.go_on(5 * MINUTE, world.well)


def silent_source(world: World) -> None:
    world.timeline.step = MINUTE
    world.batch("ends")
    world.timeline.go_on(7 * HOUR, world.well)


def unread_feed(world: World) -> None:
    world.timeline.step, world.feeds = MINUTE, False
    world.timeline.go_on(7 * HOUR, world.well)


def place_lost(world: World) -> None:
    world.collect.stumbled(FEED, "lost-place")
    world.timeline.go_on(3 * MINUTE, world.well)


def held_back(world: World) -> None:
    world.collect.held_back.set(1)
    world.timeline.go_on(12 * MINUTE, world.well)


def standing_by(world: World) -> None:
    world.collect.leading.set(0)
    world.timeline.go_on(4 * MINUTE, world.well)


def holes(world: World) -> None:
    world.timeline.go_on(2 * MINUTE, world.well)
    world.enrich.hole(("t.news", 0), 12)
    world.timeline.go_on(5 * MINUTE, world.well)


def unsent_feedback(world: World) -> None:
    def step() -> None:
        world.well()
        world.feedback.set(2)

    world.timeline.go_on(20 * MINUTE, step)


def two_models(world: World) -> None:
    other = Monitor("enrich", Progress(60, world.seconds))
    EnrichMetrics(other.registry, [ModelIdentity("mini", "4", "cd" * 32, frozenset({"en"}))])
    world.timeline.targets["enrich", "enrich:2"] = lambda: other.answer("/metrics")[2].decode()
    world.timeline.go_on(35 * MINUTE, world.well)


def channel_away(world: World) -> None:
    world.room.trouble = "it answered 503"
    world.timeline.go_on(12 * MINUTE, world.well)


def given_up(world: World) -> None:
    world.timeline.go_on(2 * MINUTE, world.well)
    world.delivered("given-up")
    world.timeline.go_on(3 * MINUTE, world.well)


def slow_channel(world: World) -> None:
    def step() -> None:
        world.well()
        world.delivered("sent", after=200)

    world.timeline.go_on(12 * MINUTE, step)


def unheard(world: World) -> None:
    world.hears = False
    world.timeline.go_on(8 * MINUTE, world.well)


CONDITIONS: dict[str, Callable[[World], None]] = {
    "BellBroken": no_canary,
    "BellUnwatched": no_watch,
    "TimeStandsStill": no_tick,
    "WaitsForTheClock": ahead_of_the_clock,
    "JudgedBeforeItsTime": judged_early,
    "AlertsLate": late_alerts,
    "ServiceDown": nobody_answers,
    "ServiceMissing": nobody_there,
    "ServiceStuck": no_progress,
    "ServiceRestarts": restarts,
    "BreakerOpen": dependency_away,
    "TritonFails": failing_model,
    "Lag": many_wait,
    "LagGrows": more_and_more_wait,
    "IndexLate": index_behind,
    "DeadLetters": refusals,
    "NoData": silent_source,
    "SourceUnread": unread_feed,
    "SourceLostPlace": place_lost,
    "CollectHeldBack": held_back,
    "NobodyCollects": standing_by,
    "LogHoles": holes,
    "FeedbackNotSent": unsent_feedback,
    "TwoModels": two_models,
    "ChannelTrouble": channel_away,
    "NotDelivered": given_up,
    "DeliveredLate": slow_channel,
    "DeliverDeaf": unheard,
}


def test_there_is_a_condition_for_every_rule() -> None:
    assert set(CONDITIONS) == set(RULES)


@pytest.mark.parametrize("rule", CONDITIONS)
def test_it_fires_when_it_is_to(rule: str, world: World) -> None:
    world.timeline.go_on(0 if rule in ("NoData", "SourceUnread") else MINUTE, world.well)
    CONDITIONS[rule](world)
    fires(world, rule)
