"""More than usual, for long: a tenfold burst."""

import time
from typing import Final

import psutil
from matrix import scenario
from trial import SERVICES, Trial

USUAL: Final = 30.0
"""Documents a second."""

MEMORY_MIB: Final = 600
"""That no worker may pass, whatever comes."""


@scenario(
    13,
    "Ten times the usual load for three minutes waits in Kafka, not in memory; alarms go on ringing, and all is caught up.",
    quick=True,
)
def burst(trial: Trial) -> None:
    seconds = 15 if trial.quick else 180
    with trial.load(USUAL, documents=3500):
        trial.pause(5, 6)
    trial.done["tenfold burst"] += 1
    feed = trial.feed(trial.copies(int(USUAL * 10 * seconds)), USUAL * 10)
    most = dict.fromkeys(SERVICES, 0)
    waited = 0
    began = time.monotonic()
    while feed.poll() is None:
        for service in SERVICES:
            memory = psutil.Process(trial.deployment.workers[service].pid).memory_info().rss // 2**20
            most[service] = max(most[service], memory)
        waited = max(waited, sum(trial.witness.lag("enrich").values()))
        trial.deployment.restart_what_ended()
        time.sleep(1)
    fed = time.monotonic() - began
    trial.judge()
    trial.notes.append(
        f"fed in {fed:.0f} s; at most {waited:,} records waited for enrich; most memory: "
        + ", ".join(f"{service} {memory} MiB" for service, memory in most.items())
    )
    assert max(most.values()) < MEMORY_MIB, f"memory is not bounded: {most}"
    assert not trial.deployment.restarts, "nobody ended over it"
