"""Processes that are killed, frozen, joined by others, told to stop."""

import resource
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path
from typing import Final

from deployment import TOCSIN
from ledger import identity_of
from matrix import scenario
from trial import SERVICES, Trial

TWO_EACH: Final = tuple(f"{service}-{number}" for service in SERVICES for number in (1, 2))
PAST_EVERY_SESSION: Final = 13.0
"""Seconds: index has the longest session, of ten."""

DRAINED_SECONDS: Final = 10.0
ROOM: Final = 20_000
"""Bytes that a file may grow to where the disk is said to be full."""


@scenario(
    1, "Each service, killed at random points under load, loses, doubles and falsifies nothing.", seeds=9, quick=True
)
def kills(trial: Trial) -> None:
    order = list(SERVICES) * (1 if trial.quick else 4)
    trial.chance.shuffle(order)
    with trial.load():
        for service in order:
            trial.pause()
            trial.kill(service)


@scenario(
    2, "A worker that sleeps past its session and wakes up again cannot falsify what its successor does.", seeds=4
)
def freezes(trial: Trial) -> None:
    with trial.load(services=TWO_EACH):
        for _ in range(2):
            trial.pause()
            frozen = {service: f"{service}-{trial.chance.choice((1, 2))}" for service in SERVICES}
            began = time.monotonic()
            for service, worker in frozen.items():
                trial.deployment.workers[worker].send_signal(signal.SIGSTOP)
                trial.hit(f"SIGSTOP of {service} past its session", service)
            for service in SERVICES:
                trial.recovered(service)  # by the other one
            time.sleep(max(0.0, began + PAST_EVERY_SESSION - time.monotonic()))
            for service, worker in frozen.items():
                trial.deployment.workers[worker].send_signal(signal.SIGCONT)
                trial.hit(f"SIGCONT of {service}", service)
            for service in SERVICES:
                trial.recovered(service)


@scenario(3, "Workers that join and leave under load share the partitions without loss or doubling.", seeds=2)
def scaling(trial: Trial) -> None:
    with trial.load():
        for number in (2, 3):
            for service in SERVICES:
                trial.deployment.start(f"{service}-{number}")
                trial.hit(f"one more {service}", service)
                trial.recovered(service)
        trial.deployment.wait_until_ready()
        for number in (2, 3):
            for service in SERVICES:
                trial.deployment.stop(f"{service}-{number}")
                trial.hit(f"one {service} fewer", service)
                trial.recovered(service)


@scenario(15, "Told to stop under load, each service finishes what it has in hand, and doubles nothing.")
def drains(trial: Trial) -> None:
    longest = 0.0
    with trial.load(80):
        for service in SERVICES * (1 if trial.quick else 3):
            trial.pause()
            began = time.monotonic()
            trial.deployment.stop(service, seconds=DRAINED_SECONDS)
            longest = max(longest, time.monotonic() - began)
            trial.hit(f"SIGTERM of {service}", service)
            trial.deployment.start(service)
            trial.recovered(service)
    trial.settle()
    trial.notes.append(f"the slowest stopped within {longest:.1f} s")
    sent = Counter(identity_of(record.value) for record in trial.witness.inputs())
    written = Counter(identity_of(record.value) for record in trial.witness.records("documents"))
    doubled = [identity for identity, count in written.items() if count > sent[identity]]
    assert not doubled, f"{len(doubled)} documents were written again after a clean stop, {doubled[0]} among them"


@scenario(1, "A client library that passes over a record is noticed, and the record read after all.")
def client_skips(trial: Trial) -> None:
    trial.deployment.injected["enrich"] = (f"skip:{trial.chance.randint(15, 30)}",)
    with trial.load():
        for _ in range(20):
            trial.pause(1, 1)
            trial.deployment.restart_what_ended()
        del trial.deployment.injected["enrich"]
    trial.done["record passed over by the client"] = trial.deployment.log("enrich").count("passes over offset")
    assert trial.done["record passed over by the client"] > 0


@scenario(
    15, "A full disk ends what writes files, with a clear line and no half file; services go on without their logs."
)
def disk_full(trial: Trial) -> None:
    trial.deployment.logs_to = Path("/dev/full")
    trial.deployment.settings = {**trial.deployment.settings, "services.log_level": "debug"}
    with trial.load(documents=3500):
        trial.pause(8, 10)
    trial.judge()
    trial.done["logs on a full disk"] = len(SERVICES)

    log = trial.folder / "log"
    for name, arguments in (
        ("export", ["export", "--out", str(trial.folder / "full"), *trial.deployment.flags()]),
        ("replay", ["replay", "--mentions", str(log), "--out", str(trial.folder / "full"), *trial.deployment.flags()]),
    ):
        done = subprocess.run(
            [*TOCSIN, *arguments],
            capture_output=True,
            text=True,
            check=False,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (ROOM, ROOM)),
        )
        trial.done[f"{name} onto a full disk"] += 1
        said = done.stderr.strip().splitlines()
        assert done.returncode == 2, f"{name} ended with {done.returncode}: {done.stderr[-2000:]}"
        assert "cannot write" in said[-1], f"{name} ends with {said[-1]!r}"
        left = [path.name for path in (trial.folder / "full").glob("*")]
        whole = [
            name for name in left if name == "manifest.json" or (trial.folder / "full" / name).stat().st_size >= ROOM
        ]
        assert not whole, f"{name} left {whole} as if they were whole"
