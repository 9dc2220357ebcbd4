"""Backup, restore, and one release after another. They stand under row 17: what an operator does, not what goes wrong."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp
from typing import Final

from deployment import free_port
from matrix import scenario
from trial import SERVICES, Trial

ROOT: Final = Path(__file__).resolve().parents[3]
FORMER: Final = "277bf76"
"""The release before documents were judged in event time: other settings of detection, other pieces of state."""

ADOPT: Final = {"detect.adopt_settings": "true"}


@scenario(
    17,
    "The servers' data folders, copied while all was stopped and put back after a disaster, are the whole state: everything "
    "goes on from there, and what had come since comes again from its source.",
    own_servers=True,
)
def backup_and_restore(trial: Trial) -> None:
    stack, copies = trial.stack, trial.folder / "backup"
    copies.mkdir()
    with trial.load(60, documents=3500):
        trial.pause(6, 7)
    trial.settle()
    servers = (stack.kafka, stack.elasticsearch)
    for server in servers:
        server.stop()
        copied(server.folder / "data", copies / server.name)
    stack.up({server.name for server in servers})
    kept = trial.count("news", "social", "documents", "alerts")
    with trial.load(60, documents=3500):
        trial.pause(6, 7)
    trial.settle()
    lost = trial.count("news", "social", "documents", "alerts") - kept
    for server in servers:
        server.kill()
        shutil.rmtree(server.folder / "data")
        copied(copies / server.name, server.folder / "data")
    stack.up({server.name for server in servers})
    trial.done["disk lost, backup restored"] += 1
    assert trial.count("news", "social", "documents", "alerts") == kept, "what was backed up is there, and nothing else"
    with trial.load(60, documents=3500):
        trial.pause(6, 7)
    trial.notes.append(
        f"{kept:,} records were backed up, {lost:,} written since were lost with the disk and came again"
    )


def copied(source: Path, target: Path) -> None:
    """Copy a folder with owners and times, as an operator does."""
    subprocess.run(["cp", "-a", str(source), str(target)], check=True)


@scenario(
    17,
    "A rolling upgrade from the former release under load: old and new workers of enrich and index side by side, then the new "
    "detect takes over the old one's state and adopts its settings; nothing is lost, doubled or begun anew.",
)
def rolling_upgrade(trial: Trial) -> None:
    trial.replays = False  # what the former release judged, only the former release judges again
    deployment = trial.deployment
    with former_release() as root:
        for service in SERVICES:
            start_former(trial, root, f"{service}-former")
        with trial.load(40, services=()):
            trial.until(lambda: trial.count("alerts") > 0, "the former release rings", 240)
            rang = trial.count("alerts")
            deployment.start("enrich", "index")
            deployment.wait_until_ready()
            trial.pause(5, 6)
            deployment.stop("enrich-former", "index-former")
            trial.hit("old workers of enrich and index gone", "enrich", "index")
            trial.recovered("enrich")
            trial.recovered("index")
            deployment.stop("detect-former")
            trial.hit("detect upgraded", "detect")
            deployment.start("detect")
            trial.until(
                lambda: deployment.workers["detect"].poll() is not None, "the new detect refuses other settings", 120
            )
            trial.ended("detect", 2, "`tocsin run detect --adopt-settings` goes on with them")
            settings = deployment.settings
            deployment.settings = {**settings, **ADOPT}
            deployment.start("detect")
            deployment.settings = settings
            trial.recovered("detect")
            trial.pause(5, 6)
    trial.settle()
    adopted = [
        json.loads(one.value or b"") for one in trial.witness.records("state") if one.key == b"_applied" and one.value
    ]
    assert any(len(one["adoptions"]) == 2 and one["adoptions"][0]["offset"] == 0 for one in adopted), (
        "settings were adopted"
    )
    ids = Counter(json.loads(one.value or b"")["id"] for one in trial.witness.records("alerts"))
    assert max(ids.values()) == 1, "an alert was told twice"
    trial.notes.append(f"{rang} alerts of release {FORMER}, {ids.total() - rang} of this one")


@contextmanager
def former_release() -> Iterator[Path]:
    """The code of the former release in a folder of its own."""
    folder = Path(mkdtemp(prefix="tocsin-former-"))
    git = ["git", "-C", str(ROOT)]
    try:
        archive = subprocess.run(
            [*git, "archive", FORMER, "streams", "processors", "models"], check=True, stdout=subprocess.PIPE
        )
        subprocess.run(["tar", "-x", "-C", str(folder)], input=archive.stdout, check=True)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def start_former(trial: Trial, root: Path, name: str) -> None:
    """Start a worker of the former release, with the settings that it knows and the model that is served to both."""
    deployment, service = trial.deployment, name.partition("-")[0]
    deployment.ports[name] = free_port()
    environment: Mapping[str, str] = {**os.environ, "PYTHONPATH": str(root)}
    told = subprocess.run(
        [sys.executable, "-m", "streams", "settings", "--toml"],
        cwd=root,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    known, section = set(), ""
    for line in told.splitlines():
        if line.startswith("["):
            section = line.strip("[]")
        elif setting := re.match(r"(?:# )?(\w+) = ", line):
            known.add(f"{section}.{setting[1]}")
    flags = [flag for flag in deployment.flags(name) if flag.partition("=")[2].partition("=")[0] in known]
    flags.append(f"--set=classifier.model={ROOT / 'models' / 'default'}")
    with (trial.folder / f"{name}.log").open("ab") as log:
        deployment.workers[name] = subprocess.Popen(
            [sys.executable, "-m", "streams", "run", service, *flags], cwd=root, env=environment, stdout=log, stderr=log
        )
