"""What a run of the benchmarks found: figures with their floor and aim, the machine, a table and JSON."""

import json
import os
import platform
import subprocess
import time
import traceback
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import psutil
from rich import box
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

ROOT = Path(__file__).resolve().parent.parent.parent


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured number. `at_most`: floor and aim are limits from above. `note` says how it came about."""

    name: str
    value: float
    unit: str
    floor: float | None = None
    aim: float | None = None
    at_most: bool = False
    note: str = ""

    @property
    def verdict(self) -> str:
        """``aim``, ``floor`` or ``missed``; empty where nothing was wanted."""
        if self.aim is not None and self._reaches(self.aim):
            return "aim"
        if self.floor is not None:
            return "floor" if self._reaches(self.floor) else "missed"
        return "" if self.aim is None else "missed"

    def _reaches(self, wanted: float) -> bool:
        return self.value <= wanted if self.at_most else self.value >= wanted


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the run: its figures, or why it failed."""

    name: str
    seconds: float
    figures: Sequence[Figure] = ()
    error: str = ""


def measured(name: str, figures: Iterable[Figure]) -> Part:
    """The part `name`, whatever becomes of it: where `figures` fail, those before the failure, and why."""
    started = time.monotonic()
    found: list[Figure] = []
    error = ""
    try:
        found.extend(figures)
    except Exception as problem:  # noqa: BLE001 - told in its row
        error = f"{problem or type(problem).__name__}\n{traceback.format_exc()}"
    return Part(name, time.monotonic() - started, found, error)


@dataclass(frozen=True, slots=True)
class Machine:
    """What it ran on, and how busy that was beforehand."""

    cores: int
    processor: str
    memory_gib: float
    load: float
    system: str
    python: str
    revision: str


def this_machine() -> Machine:
    """The machine at hand."""
    names = (
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if "model name" in line
    )
    revision = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.strip()
    return Machine(
        len(os.sched_getaffinity(0)),
        next(names, platform.processor() or platform.machine()),
        round(psutil.virtual_memory().total / 2**30, 1),
        os.getloadavg()[0],
        f"{platform.system()} {platform.release()}",
        platform.python_version(),
        revision,
    )


@dataclass
class Report:
    """One run; `quick` ones are too short to be quoted."""

    quick: bool
    machine: Machine = field(default_factory=this_machine)
    began: datetime = field(default_factory=lambda: datetime.now(UTC))
    parts: list[Part] = field(default_factory=list)

    def write(self, folder: Path) -> Path:
        """Keep it in `folder` as JSON, under its time; the path."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{self.began:%Y-%m-%dT%H%M%S}{'-quick' if self.quick else ''}.json"
        parts = [
            {
                "name": part.name,
                "seconds": round(part.seconds, 1),
                "error": part.error or None,
                "figures": [{**asdict(figure), "verdict": figure.verdict} for figure in part.figures],
            }
            for part in self.parts
        ]
        content = {
            "began": self.began.isoformat(timespec="seconds"),
            "quick": self.quick,
            "machine": asdict(self.machine),
            "parts": parts,
        }
        path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        return path

    def table(self) -> RenderableType:
        """All of it for a terminal."""
        machine = self.machine
        words = f"{machine.cores} cores of {machine.processor}, {machine.memory_gib:g} GiB, {machine.system}"
        head = f"{words}; Python {machine.python}, {machine.revision}; load before the run {machine.load:.1f}"
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        table.add_column("")
        for heading in ("measured", "floor", "aim", ""):
            table.add_column(heading, justify="right" if heading else "left", no_wrap=True)
        for part in self.parts:
            table.add_row(Text(part.name, "bold"), Text(f"in {part.seconds:.0f} s", "dim"))
            for row in map(_row, part.figures):
                table.add_row(*row)
            if part.error:
                table.add_row(_named("failed", part.error.splitlines()[0]), "", "", "", Text("failed", "red"))
        warnings = [Text(warning, "yellow") for warning in self._warnings()]
        return Group(Text(head), *warnings, table)

    def _warnings(self) -> Iterator[str]:
        if self.quick:
            yield "A quick run shows that everything works; its figures are not to be quoted."
        if self.machine.load > 0.5:
            yield "The machine was busy before the run began: wall-clock figures are too low."


def _row(figure: Figure) -> tuple[RenderableType, ...]:
    limit = "≤ " if figure.at_most else ""
    wanted = ["" if value is None else f"{limit}{_number(value)}" for value in (figure.floor, figure.aim)]
    style = {"aim": "green", "floor": "yellow", "missed": "red"}.get(figure.verdict, "")
    measured = Text.assemble(_number(figure.value), (f" {figure.unit}" if figure.unit else "", "dim"))
    return _named(figure.name, figure.note), measured, *wanted, Text(figure.verdict, style)


def _named(name: str, note: str) -> RenderableType:
    lines = Text(name) if not note else Text.assemble(name, "\n", (note, "dim"))
    return Padding(lines, (0, 0, 0, 2))


def _number(value: float) -> str:
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) >= 10 else f"{value:.2f}"
