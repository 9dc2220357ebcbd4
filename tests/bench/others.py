"""The services that have a bench of their own: it is run as it is, and its figures are read from what it prints."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from report import ROOT, Figure
from rig import Rig

HERE = Path(__file__).parent


def detect(rig: Rig) -> Iterator[Figure]:
    """The detector's own bench."""
    rig.down()
    lines = said_by(rig, "bench_detect.py", *(["3000"] if rig.quick else []))
    note = "{:,.0f} a second of processor time".format(number_in(lines, r"([\d,]+) a second of processor time"))
    yield Figure("detect, one worker", number_in(lines, r"([\d,]+) a second,"), "records/s", floor=5000, note=note)
    yield Figure("its memory", number_in(lines, r"memory of the worker: ([\d,]+) MiB"), "MiB", note="by its state")


def index(rig: Rig) -> Iterator[Figure]:
    """The index's own bench."""
    rig.down()
    lines = said_by(rig, "bench_index.py", "--documents", "10000" if rig.quick else "60000")
    cost = number_in(lines, r"takes ([\d,]+) µs"), number_in(lines, r"and ([\d,]+) µs of Elasticsearch")
    note = "{:,.0f} µs of processor time each, and {:,.0f} of Elasticsearch's".format(*cost)
    yield Figure("index, one worker", number_in(lines, r"([\d,]+) documents/s"), "documents/s", floor=3000, note=note)
    yield Figure("its memory", number_in(lines, r"; ([\d,]+) MB;"), "MB", aim=300, at_most=True)


def said_by(rig: Rig, script: str, *arguments: str) -> str:
    """What one of the other benchmarks prints; shown line by line. Raises RuntimeError where it fails."""
    lines: list[str] = []
    rig.say("starting its servers")
    command = [sys.executable, str(HERE / script), *arguments]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line)
            rig.say(line.strip()[:100])
    if process.returncode:
        raise RuntimeError(f"{script} ended with {process.returncode}: {(lines or ['without a word'])[-1].strip()}")
    return "".join(lines)


def number_in(text: str, pattern: str) -> float:
    """The number that the first group of `pattern` finds. Raises ValueError where there is none."""
    found = re.search(pattern, text)
    if found is None:
        raise ValueError(f"found no {pattern!r} in: {text.strip()[-300:]}")
    return float(found[1].replace(",", ""))
