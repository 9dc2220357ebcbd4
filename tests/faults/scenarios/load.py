"""More than usual, for long: a tenfold burst."""

import time
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Final

import psutil
from log_ledger import AlarmDelay
from matrix import scenario
from trial import LATEST, SERVICES, Trial

from tests.patience import PATIENCE

USUAL: Final = 30.0
"""Documents a second."""

LOOK_SECONDS: Final = 3.0

MEMORY_MIB: Final[Mapping[str, int]] = {"enrich": 300, "detect": 300, "index": 200}
"""That no worker may pass, whatever comes."""

TOGETHER: Final[Mapping[str, int]] = {"enrich": 256, "detect": 2000, "index": 1024}
"""Records that no worker may handle at once: what it is set to, or the next number by which it counts its batches."""

BEHIND: Final = 1000
"""Records that wait for a service, at most, when it is said to have caught up."""

AFTERWARDS_SECONDS: Final = 30.0
"""Longest delay of an alarm when all is caught up."""


class Watch:
    """The most memory (MiB) that each worker took, the most that waited for it in Kafka, the most that detect held until
    the clock got there."""

    def __init__(self, trial: Trial) -> None:
        self._trial = trial
        self.memory = dict.fromkeys(SERVICES, 0)
        self.waiting = dict.fromkeys(SERVICES, 0)
        self.held = 0.0

    def look(self) -> dict[str, int]:
        """Look once, in a while; what waits for each."""
        time.sleep(LOOK_SECONDS)
        deployment = self._trial.deployment
        deployment.restart_what_ended()
        assert not deployment.restarts, f"ended by themselves: {dict(deployment.restarts)}"
        waiting = {service: sum(self._trial.witness.lag(service).values()) for service in SERVICES}
        for service in SERVICES:
            memory = psutil.Process(deployment.workers[service].pid).memory_info().rss // 2**20
            self.memory[service] = max(self.memory[service], memory)
            self.waiting[service] = max(self.waiting[service], waiting[service])
        self.held = max(self.held, self._trial.metric("detect", "tocsin_held_records"))
        return waiting

    def look_for(self, seconds: float) -> None:
        """Look again and again."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.look()


@scenario(
    13,
    "A minute of ten times the usual load at once, then ten minutes of it, wait in Kafka, not in memory; alarms go on "
    "ringing, all is caught up, and then they ring as fast as before.",
    quick=True,
    # The burst alone lasts for ten minutes, and the ledgers then judge two hundred thousand records.
    limit=2400,
)
def burst(trial: Trial) -> None:
    at_once, tenfold, around = (5, 15, 10) if trial.quick else (60, 600, 60)
    counts = [int(USUAL * 10 * at_once), int(USUAL * 10 * tenfold), int(USUAL * 900)]
    first, second, usual = (trial.copies(count, LATEST + sum(counts[:n])) for n, count in enumerate(counts))
    watch = Watch(trial)
    with trial.load(USUAL, documents=3500):
        started = time.time()
        watch.look_for(around)
    before = dict(watch.memory)

    trial.done["tenfold burst"] += 1
    began = time.time()
    # Whatever this machine can do, what comes at once has to wait.
    for file, pace in ((first, None), (second, USUAL * 10)):
        feed = trial.feed(file, pace)
        while feed.poll() is None:
            watch.look()
        assert feed.returncode == 0, f"the feed ended with {feed.returncode}"
    ended = time.time()

    feed = trial.feed(usual, USUAL)
    while max((waiting := watch.look()).values()) > BEHIND:
        assert feed.poll() is None, f"not caught up within a quarter of an hour: {waiting} records wait"
    caught_up = time.time()
    watch.look_for(around)
    together = {service: largest_batch(trial, service) for service in SERVICES}
    feed.terminate()
    feed.wait(PATIENCE)

    delays = trial.judge().delays
    alarms = {
        "before the burst": between(delays, started, began),
        "in it": between(delays, began, ended),
        "while that was caught up with": between(delays, ended, caught_up),
        "after that": between(delays, caught_up, time.time()),
    }
    rate = sum(counts[:2]) / (ended - began)
    trial.notes += [
        f"{rate:.0f} documents a second for {ended - began:.0f} s; caught up {caught_up - ended:.0f} s later",
        "waited at most: " + ", ".join(f"{count:,} for {service}" for service, count in watch.waiting.items()),
        "at once at most: "
        + ", ".join(f"{size:g} for {service}" for service, size in together.items())
        + f"; held by detect until the clock got there: {watch.held:,.0f}",
        "memory before and at most: "
        + ", ".join(f"{service} {before[service]} and {most} MiB" for service, most in watch.memory.items()),
        "alarms by when their document came: " + "; ".join(f"{when} {told(some)}" for when, some in alarms.items()),
    ]
    for service in SERVICES:
        assert watch.memory[service] < MEMORY_MIB[service], f"memory is not bounded: {watch.memory}"
        assert together[service] <= TOGETHER[service], f"{service} takes {together[service]:g} records at once"
    if trial.quick:
        return
    assert rate > USUAL * 9, (
        f"the machine did not bring about ten times the usual load, but {rate:.0f} documents a second"
    )
    assert watch.waiting["enrich"] > counts[0] / 2, "what came at once did not wait in Kafka"
    ringing = sum(delay.received + delay.seconds < ended for delay in alarms["in it"])
    assert ringing >= 20, f"alarms did not go on ringing: {ringing} in the burst"
    assert alarms["after that"], "nothing rang after the burst"
    late = max(delay.seconds for delay in alarms["after that"])
    assert late < AFTERWARDS_SECONDS, f"when all is caught up an alarm is still {late:.0f} s late"


def largest_batch(trial: Trial, worker: str) -> float:
    """Records that a worker has handled at once, at most, by its own classes."""
    by_size = trial.samples(worker, "tocsin_batch_records_bucket")
    return next(float(size[4:-1]) for size, count in by_size.items() if count == by_size['le="+Inf"'])


def between(delays: Sequence[AlarmDelay], begin: float, end: float) -> list[AlarmDelay]:
    """Those whose document came then, in seconds since 1970."""
    return [delay for delay in delays if begin <= delay.received < end]


def told(delays: Sequence[AlarmDelay]) -> str:
    """How many, their median and the longest."""
    if not delays:
        return "none"
    seconds = [delay.seconds for delay in delays]
    return f"{len(seconds)}, delayed by {median(seconds):.1f} s in the middle and {max(seconds):.1f} s at most"
