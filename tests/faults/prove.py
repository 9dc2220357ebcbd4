"""The proof of the stream service: real news and tweets through the real servers, services killed meanwhile, all judged.

    PYTHONPATH=. python tests/faults/prove.py [--documents N] [--kills N] [--labels DIR] [--out DIR]

Sends all of the tweets of 2014 under one prefix and 5,000 stories of Reuters under another; with `--documents` the latest N
tweets, and an eighth as many stories. It ends with 0 if everything is as it has to be.
"""

import argparse
import gzip
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import psutil
from proof import IN_ORDER
from run import Plan, Report, run
from servers import real_servers

ROOT: Final = Path(__file__).resolve().parents[2]
STORIES: Final = 5_000
EARLY: Final[Mapping[str, str]] = {"detection.warm_up_days": "3"}
"""Where less than a year is sent, the bell may ring early: a proof without alerts proves little."""


def main() -> int:
    """Run, judge, report; 1 if anything is wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--documents", type=int, help="the latest so many tweets, and an eighth as many stories")
    parser.add_argument("--kills", type=int, default=5, help="kill -9 of each service under each prefix")
    parser.add_argument(
        "--labels", type=Path, help="folder of earlier replays: DIR/tweets/documents.jsonl.gz, DIR/reuters/…"
    )
    parser.add_argument("--out", type=Path, default=ROOT / "runs" / "proof", help="where everything is left")
    parser.add_argument("--data", type=Path, default=os.environ.get("TOCSIN_DATA"), help="folder of the data sets")
    arguments = parser.parse_args()
    if arguments.data is None:
        parser.error("set TOCSIN_DATA to the folder of the data sets, or give --data")

    out = arguments.out
    out.mkdir(parents=True, exist_ok=True)
    began = datetime.now(UTC)
    load = os.getloadavg()[0]
    reports = []
    with real_servers(out / "servers") as stack:
        for plan in plans(arguments.data, arguments.documents, arguments.kills, arguments.labels, out):
            report = run(stack, plan, out / plan.name, say)
            print(described(report), flush=True)
            reports.append(report)
    sound = not any(report.faults for report in reports)
    result = {
        "began": began.isoformat(timespec="seconds"),
        "commit": commit(),
        "machine": {**machine(), "load_at_the_start": round(load, 1), "load_at_the_end": round(os.getloadavg()[0], 1)},
        "runs": [report.as_dict() for report in reports],
        "sound": sound,
    }
    (out / "report.json").write_text(json.dumps(result, indent=2) + "\n")
    print(f"{'sound' if sound else 'NOT SOUND'}: {out / 'report.json'}")
    return 0 if sound else 1


def plans(data: Path, documents: int | None, kills: int, labels: Path | None, out: Path) -> list[Plan]:
    """What is sent."""
    tweets, stories = data / "tweets-2014.jsonl.gz", data / "reuters-1987-spring.jsonl.gz"
    counts = {"tweets": (tweets, documents), "reuters": (stories, STORIES if documents is None else documents // 8)}
    made = []
    for name, (source, count) in counts.items():
        recorded = labels / name / "documents.jsonl.gz" if labels else None
        made.append(
            Plan(
                name,
                source if count is None else latest(source, count, out / f"{name}.jsonl"),
                kills,
                {**IN_ORDER, **({} if count is None else EARLY)},
                recorded if recorded and recorded.exists() else None,
            )
        )
    return made


def latest(source: Path, count: int, target: Path) -> Path:
    """The last `count` lines of a file in time order, as a file."""
    with gzip.open(source, "rb") as lines:
        target.write_bytes(b"".join(lines.readlines()[-count:]))
    return target


def described(report: Report) -> str:
    """A few lines for a person."""
    proof, seconds, alarms = report.proof, report.seconds, report.proof.alarms
    kills = ", ".join(f"{service} {count}" for service, count in sorted(report.kills.items())) or "none"
    incidents = ", ".join(f"{kind} {count}" for kind, count in sorted(proof.incidents.items())) or "none"
    head = (
        f"{report.name}: {proof.records:,} records in {seconds['until_done']:,.0f} s; killed: {kills}; "
        f"ended by themselves: {report.restarts.total()}"
    )
    lines = [
        head,
        f"  {proof.verdict}",
        f"  {proof.alerts:,} alerts compared byte for byte; incidents: {incidents}",
        f"  {alarms.served:,} alerts where a replay of the file rings {alarms.replayed:,}, {alarms.alike:,} alike to the byte",
        f"  {proof.buckets:,} closed buckets compared with a replay of the file; judged in {seconds['judging']:,.0f} s",
    ]
    return "\n".join(lines)


def machine() -> dict[str, Any]:
    """Where it ran."""
    names = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if "model name" in line
    ]
    return {
        "processor": names[0] if names else platform.processor(),
        "cores": os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30),
    }


def commit() -> str:
    """The commit at hand, with a plus where files differ from it."""
    described = ["git", "describe", "--always", "--dirty=+"]
    return subprocess.run(described, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()


def say(line: str) -> None:
    """Progress."""
    print(f"{time.strftime('%H:%M:%S')} {line}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
