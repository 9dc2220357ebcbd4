"""Results of the matrix: what is kept of each case, under the commit that it ran at, so that a full run can be resumed."""

import hashlib
import json
import os
import subprocess
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, Self

from reverted import MEASURES

ROOT: Final = Path(__file__).resolve().parents[2]
KEPT: Final = ROOT / "out" / "faults"


@dataclass
class Result:
    """What became of one case; `faults` say what is wrong, in words. Seconds everywhere; `recoveries` are (service, fault,
    seconds); `hits` counts the faults brought about."""

    case: str
    scenario: str
    row: int
    seed: int
    proves: str
    commit: str
    began: str
    quick: bool
    reverted: str = ""
    """The safety measure without which it ran, to see it fail."""
    faults: list[str] = field(default_factory=list)
    seconds: float = 0.0
    hits: dict[str, int] = field(default_factory=dict)
    recoveries: list[tuple[str, str, float]] = field(default_factory=list)
    records: int = 0
    indexed: int = 0
    duplicates: int = 0
    dead_letters: dict[str, int] = field(default_factory=dict)
    alerts: int = 0
    longest_alarm_delay: float | None = None
    offsets: dict[str, int] = field(default_factory=dict)
    ended_by_themselves: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    load: float = 0.0
    """Of the machine, at the end: others may work on it."""

    @property
    def passed(self) -> bool:
        """Whether nothing is wrong; without a safety measure, whether what is wrong is what that should make of it."""
        if not self.reverted:
            return not self.faults
        return any(told in fault for fault in self.faults for told in MEASURES[self.reverted].tells)

    @property
    def slowest(self) -> float | None:
        """The longest recovery."""
        return max((seconds for _, _, seconds in self.recoveries), default=None)

    def line(self) -> str:
        """For a person who looks on."""
        if self.reverted:
            seen = self.faults[0][:300] if self.faults else "nothing"
            return f"{'noticed' if self.passed else 'NOT NOTICED'} {self.case} ({self.scenario}) in {self.seconds:.0f} s: {seen}"
        lost = f"{self.records:,} records, {self.alerts:,} alerts"
        slowest = f", slowest recovery {self.slowest:.1f} s" if self.slowest is not None else ""
        wrong = (
            "" if self.passed else f": {self.faults[0]}" + f" … {len(self.faults) - 1} more" * (len(self.faults) > 1)
        )
        return f"{'passed' if self.passed else 'FAILED'} {self.case} in {self.seconds:.0f} s: {lost}{slowest}{wrong}"

    @classmethod
    def read(cls, path: Path) -> Self:
        """As `Store.keep` wrote it."""
        content: dict[str, Any] = json.loads(path.read_text())
        content["recoveries"] = [tuple(recovery) for recovery in content["recoveries"]]
        return cls(**content)


class Store:
    """The results of one commit, one file for each case."""

    def __init__(self, commit: str, *, quick: bool, root: Path = KEPT) -> None:
        self.folder = root / (commit + "-quick" * quick)

    def get(self, case: str) -> Result | None:
        """What is kept of a case."""
        path = self._path(case)
        return Result.read(path) if path.exists() else None

    def keep(self, result: Result) -> None:
        """Keep a result, in place of an earlier one."""
        self.folder.mkdir(parents=True, exist_ok=True)
        part = self._path(result.case).with_suffix(".part")
        part.write_text(json.dumps(asdict(result), indent=1) + "\n")
        part.replace(self._path(result.case))

    def all(self) -> list[Result]:
        """Every result, by row and case."""
        found = [Result.read(path) for path in self.folder.glob("case-*.json")]
        return sorted(found, key=lambda result: (result.row, result.scenario, result.seed))

    def _path(self, case: str) -> Path:
        return self.folder / f"case-{case}.json"


def commit() -> str:
    """The commit at hand; where files differ from it, with a digest of the difference."""
    head = _git("rev-parse", "--short=10", "HEAD").decode().strip()
    difference = _git("diff", "HEAD", "--", "processors", "streams", "models", "compose", "tests")
    untracked = _git("ls-files", "--others", "--exclude-standard", "--", "processors", "streams", "models", "tests")
    for name in untracked.decode().split("\n"):
        if name:
            difference += (ROOT / name).read_bytes()
    return f"{head}+{hashlib.sha256(difference).hexdigest()[:8]}" if difference else head


def machine_load() -> float:
    """Processes that wanted to run, on average over a minute."""
    return round(os.getloadavg()[0], 1)


def _git(*arguments: str) -> bytes:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, check=True).stdout
