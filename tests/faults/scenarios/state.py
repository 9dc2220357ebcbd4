"""The state of detection lost, cut off, damaged, of another version; offsets expired; files deleted."""

import json
import os
from pathlib import Path

from matrix import scenario
from scenarios.broker import delete
from trial import SERVICES, Trial
from writer import administering, writing

REBUILD = {"detect.rebuild": "true"}


@scenario(
    12,
    "With its state topic gone, detect refuses to start and says how to build it again; then it does, silently up to where it "
    "was, and alerts are those of a replay.",
)
def state_gone(trial: Trial) -> None:
    worked_for_a_while(trial)
    delete(trial, f"{trial.witness.prefix}.state")
    trial.deployment.command("topics", "create")
    trial.done["state topic emptied"] += 1
    refused_then_rebuilt(trial, "its state is gone, though")


@scenario(
    12,
    "A state of which a piece is missing, or whose account is, is noticed at the start and refused; nothing begins at zero.",
)
def state_damaged(trial: Trial) -> None:
    worked_for_a_while(trial)
    pieces = [one for one in trial.witness.records("state") if one.value and (one.key or b"").startswith(b"series/")]
    with writing(trial.witness) as writer:
        writer.send("state", None, pieces[-1].place.partition, key=pieces[-1].key)
    trial.done["piece of state deleted"] += 1
    refused_then_rebuilt(trial, "some are missing, stale or damaged")
    worked_for_a_while(trial, again=True)
    with writing(trial.witness) as writer:
        writer.send("state", None, pieces[-1].place.partition, key=b"_applied")
    trial.done["account of the state deleted"] += 1
    refused_then_rebuilt(trial, "but not the record _applied that says how far it goes")


@scenario(12, "A state that a later release has written is refused, naming its version and the way on.")
def state_of_a_later_version(trial: Trial) -> None:
    worked_for_a_while(trial)
    latest = {one.place.partition: one for one in trial.witness.records("state") if one.key == b"_applied"}
    with writing(trial.witness) as writer:
        for partition, one in latest.items():
            later = {**json.loads(one.value or b""), "state_version": 99}
            writer.send("state", json.dumps(later).encode(), partition, key=one.key)
    trial.done["state of a later version"] += 1
    refused_then_rebuilt(trial, "the state is of version 99, this release reads")


@scenario(12, "When the groups' offsets have expired, everything is read again, indexed once, and nothing rings twice.")
def offsets_expired(trial: Trial) -> None:
    worked_for_a_while(trial)
    rang = trial.witness.by_partition("alerts")
    with administering(trial.witness) as admin:
        admin.delete_groups([f"{trial.witness.prefix}-{service}" for service in SERVICES])
    trial.done["offsets of all groups deleted"] += 1
    trial.deployment.start(*SERVICES)
    trial.deployment.wait_until_done(trial.witness)
    assert trial.witness.by_partition("alerts") == rang, "something rang again"


@scenario(
    12, "No service writes a local file but its log: there is none whose loss could cost anything, kills included."
)
def no_local_files(trial: Trial) -> None:
    with trial.load(documents=3500):
        trial.pause(3, 4)
        for service in SERVICES:
            process = trial.deployment.workers[service]
            written = {str(path) for path in written_files(process.pid)} - {
                str((trial.folder / f"{service}.log").resolve())
            }
            assert not written, f"{service} writes to {written}"
            trial.kill(service)
            trial.done["killed, with no file to come back to"] += 1


def written_files(pid: int) -> list[Path]:
    """Regular files that a process has open for writing."""
    found = []
    for link in Path(f"/proc/{pid}/fd").iterdir():
        try:
            target = Path(os.readlink(link))
            flags = int(Path(f"/proc/{pid}/fdinfo/{link.name}").read_text().split("flags:")[1].split()[0], 8)
        except OSError:
            continue
        if target.is_file() and flags & (os.O_WRONLY | os.O_RDWR):
            found.append(target)
    return found


def worked_for_a_while(trial: Trial, *, again: bool = False) -> None:
    """The services under load, then stopped with everything done."""
    with trial.load(60, documents=3500):
        trial.pause(5, 6)
    trial.settle()
    if not again:
        assert trial.count("alerts") > 0, "a state that has rung nothing says little"


def refused_then_rebuilt(trial: Trial, told: str) -> None:
    """detect refuses to start, with what is wrong and the way on; with `--rebuild` it works."""
    rang = trial.witness.by_partition("alerts")
    trial.deployment.start("detect")
    process = trial.deployment.workers["detect"]
    trial.until(lambda: process.poll() is not None, "detect refuses to start", 120)
    said = trial.deployment.log("detect")
    trial.ended("detect", 2, told)
    assert "--rebuild" in said.splitlines()[-1], said[-1000:]
    before = trial.deployment.settings
    trial.deployment.settings = {**before, **REBUILD}
    trial.deployment.start(*SERVICES)
    trial.deployment.settings = before
    trial.deployment.wait_until_ready()
    trial.deployment.wait_until_done(trial.witness)
    assert trial.witness.by_partition("alerts") == rang, "something rang again"
    trial.deployment.stop()
