"""A long run at half load: does memory, do open handles, does what waits grow without end?

    PYTHONPATH=. python tests/faults/soak.py [--minutes 30] [--rate N] [--out DIR]

The load is live: documents of the present, a clock, a canary. Without `--rate` it is half of what enrich did with a backlog,
measured first. Each worker is looked at every few seconds; a slope is judged by its 99 % interval (least squares) over all
but the first quarter. detect may grow besides by what it has to remember of each record of its log for days. It ends with 0 if
nothing grows by more and every document is indexed.
"""

import argparse
import json
import math
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import cycle, pairwise
from pathlib import Path
from typing import Any, Final

import psutil
from deployment import Deployment
from faulty_servers import faulty_servers
from kafka import KafkaProducer
from results import KEPT, commit, machine_load
from trial import FEW_PARTITIONS, SERVICES, sound
from witness import Witness

from processors.identity import identity_of, partition_of
from streams.demo.scenario import make_scenario
from tests.patience import PATIENCE

LOOK_SECONDS: Final = 5.0
BACKLOG: Final = 4000
"""Documents by which the rate at full load is measured."""

PER_HOUR: Final = {"memory": 0.10, "handles": 0.10, "waiting": 0.50}
"""Growth in an hour that is allowed, as a share of what was usual: nothing if the interval of its slope begins above it."""

AT_LEAST: Final = {"memory": 150.0, "handles": 40.0, "waiting": 200.0}
"""What counts as usual where it is less: MiB, handles, records."""


REMEMBERED: Final = 140
"""Bytes that detect may keep of a record of its log for days: 60 for its identity (`detection.identities_hours`), 80 for its
place in a story that is told already; tests of the processors hold them to that. A story of its own takes far more, but
the load has only so many."""


@dataclass(frozen=True, slots=True)
class Slope:
    """How a series grows an hour: the least-squares estimate and its 99 % interval."""

    estimate: float
    low: float
    high: float


def slope_of(seconds: Sequence[float], values: Sequence[float]) -> Slope:
    """Growth of `values` an hour. Errors next to each other are alike, so the interval is widened by their autocorrelation
    (first order)."""
    count = len(values)
    mean_x, mean_y = sum(seconds) / count, sum(values) / count
    spread = sum((x - mean_x) ** 2 for x in seconds)
    slope = sum((x - mean_x) * (y - mean_y) for x, y in zip(seconds, values, strict=True)) / spread
    errors = [y - mean_y - slope * (x - mean_x) for x, y in zip(seconds, values, strict=True)]
    square = sum(error**2 for error in errors)
    alike = sum(a * b for a, b in pairwise(errors)) / square if square else 0.0
    alike = min(max(alike, 0.0), 0.99)
    deviation = math.sqrt(square / max(1, count - 2) / spread * (1 + alike) / (1 - alike))
    return Slope(*(3600 * value for value in (slope, slope - 2.6 * deviation, slope + 2.6 * deviation)))


def grows(kind: str, seconds: Sequence[float], values: Sequence[float], due: float = 0.0) -> tuple[bool, Slope]:
    """Whether a series grows by more than is allowed besides what is `due` an hour, as far as it can be told."""
    slope = slope_of(seconds, values)
    usual = max(AT_LEAST[kind], sum(values) / len(values))
    return slope.low > due + PER_HOUR[kind] * usual, slope


def remembered(records_an_hour: float) -> float:
    """MiB an hour by which detect may grow for what it has to remember of its log."""
    return records_an_hour * REMEMBERED / 2**20


class Load:
    """Documents of the present at a steady rate, from a thread of its own."""

    def __init__(self, servers: str, prefix: str, settings: dict[str, str]) -> None:
        self._producer = KafkaProducer(bootstrap_servers=servers, linger_ms=20)
        self._prefix = prefix
        self._partitions = {kind: int(settings[f"kafka.{kind}_partitions"]) for kind in ("news", "social")}
        lines = (arrival.raw for arrival in make_scenario().arrivals)
        self._contents = cycle([content for line in lines if (content := sound(line)) and not content.get("repost_of")])
        self.sent = 0

    def send(self, count: int) -> None:
        """So many documents, now."""
        for _ in range(count):
            content = next(self._contents)
            self.sent += 1
            changed = {"id": f"soak-{self.sent}", "published_at": datetime.now(UTC).isoformat()}
            kind = content["kind"]
            partition = partition_of(identity_of(content["source"], changed["id"]), self._partitions[kind])
            value = json.dumps({**content, **changed}).encode()
            self._producer.send(f"{self._prefix}.{kind}", value, partition=partition)
        self._producer.flush()

    @contextmanager
    def steady(self, rate: float) -> Iterator[None]:
        """At `rate` documents a second within the block."""
        done = threading.Event()

        def run() -> None:
            began, before = time.monotonic(), self.sent
            while not done.wait(0.1):
                self.send(int(rate * (time.monotonic() - began)) - (self.sent - before))

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()


def main() -> int:
    """Run, judge, report; 1 if anything grows or is missing."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--rate", type=float, help="documents a second; half of what is measured without it")
    parser.add_argument("--out", type=Path, default=KEPT / f"{commit()}-soak", help="where the report is left")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    with faulty_servers(arguments.out / "servers") as stack:
        stack.up()
        own = {"kafka.prefix": "soak", "elasticsearch.prefix": "soak", "clock.canary_seconds": "10"}
        settings = {**stack.settings, **FEW_PARTITIONS, **own}
        witness = Witness(stack.kafka.address, "soak", stack.elasticsearch.address, "soak")
        with Deployment(arguments.out / "services", settings) as deployment:
            deployment.command("topics", "create")
            deployment.start(*SERVICES, "clock")
            deployment.wait_until_ready()
            load = Load(stack.kafka.address, "soak", settings)
            rate = arguments.rate or measured(load, deployment, witness) / 2
            say(f"{rate:.0f} documents a second for {arguments.minutes:g} minutes")
            before = sum(witness.ends("mentions", "wide").values())
            with load.steady(rate):
                looks = list(looked(deployment, witness, arguments.minutes * 60))
            logged = sum(witness.ends("mentions", "wide").values()) - before
            deployment.stop("clock")
            deployment.wait_until_done(witness)
            held = counted(witness)
            restarts = dict(deployment.restarts)
            deployment.stop()
    report = judged(looks, load.sent, held, restarts, remembered(logged * 60 / arguments.minutes))
    report |= {"minutes": arguments.minutes, "rate": round(rate, 1), "commit": commit(), "load": machine_load()}
    (arguments.out / "soak.json").write_text(json.dumps(report, indent=1) + "\n")
    for line in report["faults"] or ["nothing grows, nothing is missing"]:
        print(line)
    print(arguments.out / "soak.json")
    return 1 if report["faults"] else 0


def measured(load: Load, deployment: Deployment, witness: Witness) -> float:
    """Documents a second that enrich does with a backlog."""
    deployment.stop("enrich")
    load.send(BACKLOG)
    before = sum(witness.ends("documents").values())
    deployment.start("enrich")
    times: list[tuple[float, int]] = []
    deadline = time.monotonic() + 10 * PATIENCE
    while not times or times[-1][1] < BACKLOG * 0.9:
        assert time.monotonic() < deadline, f"enrich did {times[-1][1]} of {BACKLOG} documents"
        time.sleep(0.2)
        times.append((time.monotonic(), sum(witness.ends("documents").values()) - before))
    first = next((at, count) for at, count in times if count > BACKLOG * 0.1)
    last = times[-1]
    rate = (last[1] - first[1]) / max(0.2, last[0] - first[0])
    say(f"enrich did {rate:.0f} documents a second with a backlog")
    return rate


def looked(deployment: Deployment, witness: Witness, seconds: float) -> Iterator[dict[str, Any]]:
    """Every few seconds: memory (MiB) and handles of each worker, records that wait for each."""
    began = time.monotonic()
    said = 0.0
    while (passed := time.monotonic() - began) < seconds:
        deployment.restart_what_ended()
        look: dict[str, Any] = {"seconds": round(passed, 1)}
        for name, process in deployment.workers.items():
            entry = psutil.Process(process.pid)
            look[f"{name} memory"] = round(entry.memory_info().rss / 2**20, 2)
            look[f"{name} handles"] = entry.num_fds() + entry.num_threads()
        for service in SERVICES:
            look[f"{service} waiting"] = sum(witness.lag(service).values())
        yield look
        if passed - said >= 60 or not said:
            said = passed
            say(", ".join(f"{name} {value:,}" for name, value in look.items()))
        time.sleep(max(0.0, LOOK_SECONDS - (time.monotonic() - began - passed)))


def counted(witness: Witness) -> int:
    """Documents in the index that the load sent."""
    url = f"{witness.index_url}/{witness.index_prefix}-documents"
    query = json.dumps({"query": {"prefix": {"id": "soak-"}}}).encode()
    for path, body in ((f"{url}/_refresh", b""), (f"{url}/_count", query)):
        request = urllib.request.Request(path, body, {"Content-Type": "application/json"}, method="POST")
        with urllib.request.urlopen(request, timeout=60) as answer:
            found = json.load(answer)
    return int(found["count"])


def judged(
    looks: Sequence[dict[str, Any]], sent: int, held: int, restarts: dict[str, int], due: float = 0.0
) -> dict[str, Any]:
    """The slopes, and what is wrong; `due` is what detect's memory may grow by (see `remembered`)."""
    faults = [f"{sent:,} documents were sent, {held:,} are in the index"] if sent != held else []
    faults += [f"{name} ended by itself {count} times" for name, count in restarts.items()]
    steady = looks[len(looks) // 4 :]
    seconds = [look["seconds"] for look in steady]
    slopes = {}
    for name in steady[0].keys() - {"seconds"}:
        values = [look[name] for look in steady]
        kind = name.rpartition(" ")[2]
        too_much, slope = grows(kind, seconds, values, due if kind == "memory" and name.startswith("detect") else 0.0)
        slopes[name] = {
            "mean": round(sum(values) / len(values), 1),
            "most": max(values),
            "an_hour": round(slope.estimate, 1),
            "interval": [round(slope.low, 1), round(slope.high, 1)],
        }
        if too_much:
            faults.append(f"{name} grows by {slope.estimate:.1f} an hour ({slope.low:.1f} to {slope.high:.1f})")
    return {
        "sent": sent,
        "indexed": held,
        "looks": len(looks),
        "remembered_mib_an_hour": round(due, 1),
        "slopes": dict(sorted(slopes.items())),
        "faults": faults,
    }


def say(line: str) -> None:
    """Progress."""
    print(f"{time.strftime('%H:%M:%S')} {line}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
