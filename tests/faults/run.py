"""One run of the whole stream: a file is fed, services are killed meanwhile, and when all is done it is judged."""

import random
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from deployment import Deployment, Lags
from proof import Proof, prove
from witness import Witness

from streams.stack.stack import Stack

KILLED: Final = ("enrich", "detect", "index")
"""The services of a run: the feed is its clock."""

SAID_SECONDS: Final = 15.0
"""Between two lines about how far a run is."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """What is sent under the prefix `name`, and how often each service is killed meanwhile. `labels` are the documents of
    an earlier replay of the same file by the same model, so that judging need not ask the model again. Of enrich
    `enrich` workers share the partitions."""

    name: str
    file: Path
    kills: int = 0
    settings: Mapping[str, str] = field(default_factory=dict)
    labels: Path | None = None
    enrich: int = 1


@dataclass
class Report:
    """What became of one run. `restarts` are those of services that ended by themselves; `seconds` by what they
    were spent on."""

    name: str
    proof: Proof
    kills: Counter[str]
    restarts: Counter[str]
    seconds: dict[str, float]

    @property
    def faults(self) -> list[str]:
        """Everything that is wrong, in words."""
        return self.proof.verdict.faults

    def as_dict(self) -> dict[str, Any]:
        """As JSON."""
        verdict = self.proof.verdict
        return {
            "name": self.name,
            "records": self.proof.records,
            "indexed": verdict.indexed,
            "by_status": dict(sorted(self.proof.statuses.items())),
            "duplicates": verdict.duplicates,
            "dead_letters": dict(sorted(verdict.dead.items())),
            "alerts": self.proof.alerts,
            "incidents": dict(sorted(self.proof.incidents.items())),
            "closed_buckets": self.proof.buckets,
            "alerts_beside_the_files": asdict(self.proof.alarms),
            "kills": dict(sorted(self.kills.items())),
            "ended_by_themselves": dict(sorted(self.restarts.items())),
            "seconds": {name: round(seconds, 1) for name, seconds in self.seconds.items()},
            "faults": self.faults,
        }


def run(stack: Stack, plan: Plan, folder: Path, say: Say = lambda line: None, *, seed: int = 7) -> Report:
    """Send the file of `plan` through services of their own, and judge what came of it. `folder` keeps what was compared.

    Raises AssertionError where a service gives up, or nothing moves any more.
    """
    settings = {**stack.settings, "kafka.prefix": plan.name, "elasticsearch.prefix": plan.name, **plan.settings}
    witness = Witness(stack.kafka.address, plan.name, stack.elasticsearch.address, plan.name)
    stack.up()
    with Deployment(folder / "services", settings) as deployment:
        deployment.command("topics", "create")
        deployment.start(*KILLED, *(f"enrich-{number}" for number in range(2, plan.enrich + 1)))
        began = time.monotonic()
        deployment.command("feed", str(plan.file), seconds=3600)
        fed = time.monotonic()
        say(f"{plan.name}: fed in {fed - began:.0f} s")
        executioner = Executioner(deployment, plan.kills, random.Random(seed))
        watch = _Watch(plan.name, witness.ends("news", "social"), executioner, stack, deployment.restarts, say)
        deployment.wait_until_done(witness, each=watch)
        done = time.monotonic()
        say(f"{plan.name}: all done {done - began:.0f} s after the first record; judging")
        deployment.wait_until_ready()
        deployment.stop()
        proof = prove(deployment, witness, [plan.file], folder, plan.labels)
        seconds = {"feeding": fed - began, "until_done": done - began, "judging": time.monotonic() - done}
        return Report(plan.name, proof, executioner.kills, deployment.restarts, seconds)


class Executioner:
    """Kills services at moments that are spread by chance over the way of the input through enrich."""

    def __init__(self, deployment: Deployment, each: int, chance: random.Random) -> None:
        self._deployment = deployment
        due = [(chance.uniform(0.02, 0.95), service) for service in KILLED for _ in range(each)]
        self._due = sorted(due, reverse=True)
        self.kills: Counter[str] = Counter()

    def look(self, share: float) -> None:
        """Kill the next one if it is due; one at a time, so that each has to get on again."""
        if self._due and share >= self._due[-1][0]:
            _, service = self._due.pop()
            self._deployment.kill(service)
            self.kills[service] += 1


@dataclass
class _Watch:
    """Looks on while a run gets on: kills, starts servers that ended by themselves, and says how far it is."""

    name: str
    ends: Mapping[tuple[str, int], int]
    executioner: Executioner
    stack: Stack
    restarts: Counter[str]
    say: Say
    began: float = field(default_factory=time.monotonic)
    said: float = 0.0

    def __call__(self, lags: Lags) -> None:
        waiting = {service: sum(places.values()) for service, places in lags.items()}
        waiting["enrich"] = sum({**self.ends, **lags["enrich"]}.values())
        share = 1 - waiting["enrich"] / sum(self.ends.values())
        self.executioner.look(share)
        for server in (self.stack.kafka, self.stack.elasticsearch, self.stack.triton):
            if server.pid is None:
                self.say(f"{self.name}: {server.name} ended by itself and is started again:\n{server.process.tail(5)}")
                self.restarts[server.name] += 1
                self.stack.up({server.name})
        now = time.monotonic()
        if now - self.said >= SAID_SECONDS:
            self.said = now
            waits = ", ".join(f"{service} {count:,}" for service, count in waiting.items())
            kills = self.executioner.kills.total()
            self.say(f"{self.name}: {now - self.began:4.0f} s, {share:6.1%} read; waiting for {waits}; {kills} kills")
