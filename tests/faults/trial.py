"""One case of the matrix while it runs: a deployment of its own under load, what is done to it, how it gets on again."""

import json
import random
import signal
import subprocess
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import ceil
from pathlib import Path
from typing import Any, Final

from deployment import TOCSIN, Deployment
from ledger import Verdict, judge
from log_ledger import AlarmDelay, alarm_delays, log_faults
from proof import alert_faults, index_faults
from witness import Witness

from processors.errors import PoisonError
from streams.codec import decode_document
from streams.demo.scenario import make_scenario
from streams.stack.stack import Stack
from tests.patience import PATIENCE

SERVICES: Final = ("enrich", "detect", "index")
"""Without a clock: the feed of history is the clock of its prefix."""

BUSY: Final = {"enrich": ("news", "social"), "detect": ("mentions", "wide"), "index": ("documents",)}
"""The topics of which every partition has something to read all the time: ticks, or documents."""

FEW_PARTITIONS: Final = {
    "kafka.news_partitions": "2",
    "kafka.social_partitions": "2",
    "kafka.mention_partitions": "2",
    "detection.warm_up_days": "0",
    "detect.save_interval": "2",
}
LATEST: Final = 6000
"""Documents of the invented scenario, at most: its last days, in which much happens."""

HALF_A_WEEK: Final = timedelta(days=3.5)

PARTITIONS: Final = {"news": "news", "social": "social", "mentions": "mention", "documents": "mention", "wide": "wide"}
"""By which setting a topic has how many partitions; wide has one."""

Spot = tuple[str, int]
"""Topic and partition."""

Say = Callable[[str], None]


@dataclass
class Recovery:
    """How long it took after `fault` until `service` had acknowledged something again."""

    service: str
    fault: str
    seconds: float


@dataclass
class Judged:
    """What the ledgers found when all was done."""

    verdict: Verdict
    records: int
    alerts: int
    delays: list[AlarmDelay]
    offsets: dict[str, int]


@dataclass
class Trial:
    """What a scenario works with. `chance` follows from the seed; with `quick` it should do little. `done` counts the
    faults that were brought about, `notes` are told in the report."""

    stack: Stack
    deployment: Deployment
    witness: Witness
    seed: int
    quick: bool
    say: Say
    chance: random.Random
    recoveries: list[Recovery] = field(default_factory=list)
    done: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)
    _hits: dict[str, tuple[str, float, dict[Spot, int]]] = field(default_factory=dict)
    replays: bool = True
    """Whether alerts have to be those of a replay of the log by this release."""
    judged: Judged | None = None
    """The ledgers' verdict, once `judge` was called."""

    @property
    def folder(self) -> Path:
        """Where the case may leave files."""
        return self.deployment.folder

    def documents(self, count: int = LATEST) -> Path:
        """A file of the last `count` records of the invented scenario, broken ones, doubles and Chinese ones among them."""
        path = self.folder / f"scenario-{count}.jsonl"
        if not path.exists():
            lines = (arrival.raw.replace(b"\n", b" ") + b"\n" for arrival in make_scenario().arrivals[-count:])
            path.write_bytes(b"".join(lines))
        return path

    def copies(self, count: int, after: int = 0) -> Path:
        """A file of `count` documents in order of time, all of them sound, that go on where `documents` end, or where the
        first `after` of its kind do: the scenario's last week again and again, half a week later each time, under other ids."""
        path = self.folder / f"copies-{after}-{count}.jsonl"
        week = [content for line in self.documents(3500).read_bytes().splitlines() if (content := sound(line))]
        at = [datetime.fromisoformat(content["published_at"]) for content in week]
        # Those of one time begin before those of the time before have ended: two more than would do make the order whole.
        times = range(1, 3 + ceil((after + count) / len(week)))
        order = sorted(
            (at[number] + (1 + again) * HALF_A_WEEK, again, number) for again in times for number in range(len(week))
        )
        with path.open("w") as file:
            for instant, again, number in order[after : after + count]:
                content = week[number]
                changed = {"id": f"{content['id']}-{again}", "published_at": instant.isoformat()}
                if content.get("repost_of"):
                    changed["repost_of"] = f"{content['repost_of']}-{again}"
                file.write(json.dumps({**content, **changed}) + "\n")
        return path

    @contextmanager
    def load(
        self, rate: float = 40, *, documents: int = LATEST, services: tuple[str, ...] = SERVICES
    ) -> Iterator[None]:
        """Services under a steady load of `rate` documents a second within the block: the last `documents` of the scenario,
        then copies of them; what is not sent by the block's end is left out. The services are ready and have acknowledged
        something before it begins."""
        self.deployment.start(*services)
        self._feed = feed = self.feed(self.documents(documents), rate, self.copies(LATEST))
        try:
            self.deployment.wait_until_ready()
            for service in {name.partition("-")[0] for name in services}:
                self._advanced(service, {})
            yield
        finally:
            feed.terminate()
            feed.wait(PATIENCE)

    def feed(self, file: Path, rate: float | None = None, *more: Path) -> subprocess.Popen[bytes]:
        """A feed of the files in the background, at most `rate` documents a second."""
        pace = [f"--max-rate={rate}"] if rate else []
        files = [str(path) for path in (file, *more)]
        with (self.folder / "feed.log").open("ab") as log:
            return subprocess.Popen([*TOCSIN, "feed", *files, *pace, *self.deployment.flags()], stdout=log, stderr=log)

    @contextmanager
    def through(self, address: str) -> Iterator[None]:
        """Services that start within the block reach Elasticsearch at another address, and do not wait for long."""
        before = self.deployment.settings
        self.deployment.settings = {**before, "elasticsearch.servers": address, "elasticsearch.timeout": "2"}
        try:
            yield
            self.settle()
        finally:
            self.deployment.settings = before

    def pause(self, least: float = 0.3, most: float = 3.0) -> None:
        """A random while."""
        time.sleep(self.chance.uniform(least, most))

    def kill(self, worker: str) -> None:
        """kill -9, start again, and see it get on."""
        self.end(worker)
        self.deployment.start(worker)
        self.recovered(worker)

    def end(self, worker: str) -> None:
        """kill -9."""
        process = self.deployment.workers[worker]
        process.kill()
        process.wait()
        service = worker.partition("-")[0]
        self.hit(f"kill -9 of {service}", service)

    def crash(self, service: str, change: str) -> None:
        """Start the service with a point of crashing set, and see it crash there."""
        self.deployment.injected[service] = (change,)
        self.deployment.start(service)
        del self.deployment.injected[service]
        process = self.deployment.workers[service]
        self.until(lambda: process.poll() is not None, f"{service} comes to {change}", 120)
        said = self.deployment.log(service)
        assert process.returncode == -signal.SIGKILL, f"{change}: ended with {process.returncode}:\n{said[-2000:]}"
        assert f"crashes at {change.split(':')[1]}" in said.splitlines()[-1], f"{change}:\n{said[-2000:]}"
        self.done[f"crash of {service}"] += 1
        self.say(f"{service} crashed at {change}")

    def hit(self, fault: str, *services: str) -> None:
        """Note a fault that was brought about just now: recoveries of `services`, all without them, are measured from here
        on."""
        self.done[fault] += 1
        since = time.monotonic()
        for service in services or SERVICES:
            self._hits[service] = fault, since, self._busy(service)

    def over(self, *services: str) -> None:
        """The latest fault of `services` (all without them) has ended just now: recoveries are measured from here on."""
        for service in services or SERVICES:
            self._hits[service] = self._hits[service][0], time.monotonic(), self._busy(service)

    def recovered(self, worker: str) -> None:
        """Wait until the service has acknowledged, of every busy partition, more than it had at the latest `hit`."""
        service = worker.partition("-")[0]
        fault, since, before = self._hits[service]
        self._advanced(service, before)
        self.recoveries.append(Recovery(service, fault, time.monotonic() - since))
        self.say(f"{service} got on {self.recoveries[-1].seconds:.1f} s after {fault}")

    def _advanced(self, service: str, before: Mapping[Spot, int]) -> None:
        deadline = time.monotonic() + PATIENCE
        while True:
            now = self._busy(service)
            if len(now) == self._partitions(service) and all(now[spot] > before.get(spot, 0) for spot in now):
                return
            self.deployment.restart_what_ended()
            assert self._feed.poll() is None, (
                f"the load ended before {service} got on: {now}; {self.deployment.readiness()}"
            )
            assert time.monotonic() < deadline, f"{service} does not get on:\n{self.deployment.log(service)[-2000:]}"
            time.sleep(0.1)

    def _busy(self, service: str) -> dict[Spot, int]:
        """What is acknowledged of the partitions that have something to read all the time."""
        topics = {f"{self.witness.prefix}.{topic}" for topic in BUSY[service]}
        return {spot: offset for spot, offset in self.witness.committed(service).items() if spot[0] in topics}

    def _partitions(self, service: str) -> int:
        settings = self.deployment.settings
        return sum(int(settings.get(f"kafka.{PARTITIONS[topic]}_partitions", 1)) for topic in BUSY[service])

    def ended(self, worker: str, code: int, told: str, seconds: float = 60) -> None:
        """See a worker end by itself, with that exit code and with `told` in its last line."""
        process = self.deployment.workers[worker]
        self.until(lambda: process.poll() is not None, f"{worker} ends by itself", seconds)
        del self.deployment.workers[worker]
        said = self.deployment.log(worker)
        assert process.returncode == code, f"{worker} ended with {process.returncode}, not {code}:\n{said[-2000:]}"
        assert told in said.splitlines()[-1], f"{worker} does not end with {told!r}:\n{said[-2000:]}"

    def gives_up(self, worker: str, told: str, seconds: float) -> None:
        """See a worker end for good, with `told` in its last line, started again as often as it says that this helps."""
        deadline = time.monotonic() + seconds
        while True:
            process = self.deployment.workers[worker]
            left = deadline - time.monotonic()
            self.until(lambda process=process: process.poll() is not None, f"{worker} gives up", left)
            if process.returncode != 1:
                return self.ended(worker, 2, told)
            self.deployment.restart_what_ended()

    def metric(self, worker: str, name: str) -> float:
        """What a worker shows under that name, summed over its labels; 0 where it shows nothing."""
        return sum(self.samples(worker, name).values())

    def samples(self, worker: str, name: str) -> dict[str, float]:
        """What a worker shows under that name by its labels, as they are written."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.deployment.ports[worker]}/metrics", timeout=10) as answer:
            lines = answer.read().decode().splitlines()
        shown = (line.rpartition(" ")[::2] for line in lines if line.partition("{")[0].partition(" ")[0] == name)
        return {series.removeprefix(name).strip("{}"): float(value) for series, value in shown}

    def until(self, what: Callable[[], bool], described: str, seconds: float = PATIENCE) -> None:
        """Wait until `what` holds."""
        deadline = time.monotonic() + seconds
        while not what():
            assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {described}"
            time.sleep(0.2)

    def count(self, *topics: str) -> int:
        """Records that were ever written to the topics, by their ends."""
        return sum(self.witness.ends(*topics).values())

    def settle(self) -> None:
        """Wait until all is acknowledged by every service, and stop them: within ten seconds each. Once is enough."""
        if self.deployment.workers:
            self.deployment.wait_until_done(self.witness)
            self.deployment.stop()

    def judge(self) -> Judged:
        """Wait until all is done, stop the services, and have the ledgers judge; once, and never after something that
        destroys what they read."""
        if self.judged is None:
            self.settle()
            self.judged = self._judge()
        return self.judged

    def _judge(self) -> Judged:
        witness = self.witness
        arrivals, log, documents = witness.arrivals(), witness.log(), list(witness.indexed("documents"))
        alerts = list(witness.records("alerts"))
        records = witness.inputs_of(arrivals)
        verdict = judge(records, documents, witness.letters())
        verdict.faults += log_faults(arrivals, documents, log)
        if self.replays:
            verdict.faults += alert_faults(self.deployment, witness, self.folder)
        verdict.faults += index_faults(witness)
        delays, faults = alarm_delays(arrivals, alerts)
        verdict.faults += faults
        offsets = {}
        for service in SERVICES:
            lags = witness.lag(service)
            verdict.faults += [
                f"{service} has not acknowledged {lag} of {topic}/{partition}"
                for (topic, partition), lag in lags.items()
                if lag > 1  # a transactional topic ends with a marker that no consumer reads
            ]
            offsets[service] = sum(witness.committed(service).values())
        return Judged(verdict, len(records), len(alerts), delays, offsets)


def sound(line: bytes) -> dict[str, Any] | None:
    """The content of a record of the scenario; None for one that it broke."""
    try:
        decode_document(line)
    except PoisonError:
        return None
    return dict(json.loads(line))
