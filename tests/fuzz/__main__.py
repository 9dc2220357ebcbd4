"""`make fuzz`: a million hostile inputs and more against whatever reads what strangers write.

Each target runs in a process of its own; what is done is kept in out/fuzz with the commit, so that a run that was
interrupted goes on with the next target.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.fuzz.fuzzing import ROOT, Result, fuzz
from tests.fuzz.targets import TARGETS

KEPT: Final = ROOT / "out" / "fuzz"
RESULTS: Final = KEPT / "results.json"


def main() -> int:
    """Fuzz what is asked for; 1 if something was found."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("targets", nargs="*", choices=[[], *TARGETS], help="all if none is named")
    arguments.add_argument("--inputs", type=int, default=200_000, help="of each target, of slow ones less")
    arguments.add_argument("--seed", type=int, default=1)
    asked = arguments.parse_args()
    commit = _commit()
    wanted = {name: round(asked.inputs * TARGETS[name].weight) for name in asked.targets or TARGETS}
    done = {
        name: result
        for name, result in _done(commit)
        if (result.inputs, result.seed) == (wanted.get(name), asked.seed) and not result.finding
    }
    for name, inputs in wanted.items():
        if name not in done:
            print(f"{name} …", end=" ", flush=True)
            done[name] = fuzz(name, TARGETS[name], inputs, asked.seed, KEPT)
            _keep(commit, done)
        else:
            print(f"{name} was done before:", end=" ")
        print(_told(done[name]), flush=True)
    found = [result for result in done.values() if result.finding]
    total = sum(result.inputs for result in done.values())
    print(f"{total:,} inputs of {len(done)} targets, seed {asked.seed}, commit {commit[:10]}: {len(found)} findings")
    for result in found:
        print(f"\n{result.target}: the input is in {KEPT}\n{result.finding}")
    return 1 if found else 0


def _told(result: Result) -> str:
    outcome = "A FINDING" if result.finding else "sound"
    return f"{result.inputs:,} inputs, {result.rate:,.0f} a second of processor time, {result.peak_mib} MiB: {outcome}"


def _commit() -> str:
    named = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--abbrev=40"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return named.stdout.strip() or "no commit"


def _done(commit: str) -> Iterator[tuple[str, Result]]:
    with suppress(OSError, ValueError, KeyError, TypeError):
        kept: dict[str, Any] = json.loads(RESULTS.read_text())
        if kept["commit"] == commit and not commit.endswith("-dirty"):
            for entry in kept["results"]:
                yield entry["target"], Result(**entry)


def _keep(commit: str, done: dict[str, Result]) -> None:
    KEPT.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(
        json.dumps({"commit": commit, "results": [asdict(result) for result in done.values()]}, indent=2)
    )


if __name__ == "__main__":
    sys.exit(main())
