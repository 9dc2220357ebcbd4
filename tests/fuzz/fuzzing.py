"""Runs of the fuzzer: how many inputs, how fast, how much memory, and what it found."""

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from tests.fuzz.targets import Target

ROOT: Final = Path(__file__).resolve().parents[2]
LONGEST: Final = 16 * 1024
"""Bytes of one input."""

SECONDS_EACH: Final = 20
MEGABYTES: Final = 1024
"""What one input may take before it counts as a hang, and the process before it counts as growth."""

_LINE: Final = re.compile(r"^#(\d+)\s+DONE", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one target: inputs run, processor seconds, peak memory in MiB; `finding` is empty, or tells what was
    found and which input did it."""

    target: str
    seed: int
    inputs: int
    seconds: float
    peak_mib: int
    finding: str

    @property
    def rate(self) -> float:
        """Inputs a second of processor time."""
        return self.inputs / self.seconds if self.seconds else 0.0


def fuzz(name: str, target: Target, inputs: int, seed: int, kept: Path, *, seconds_each: int = SECONDS_EACH) -> Result:
    """Run so many inputs of `target` from `seed` on; an input that is a finding is left in the folder `kept`."""
    kept.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix="tocsin-fuzz-") as folder:
        corpus, words = Path(folder) / "corpus", Path(folder) / "words"
        corpus.mkdir()
        for number, content in enumerate(target.seeds):
            (corpus / f"seed-{number}").write_bytes(content)
        words.write_text("".join(f'"{_escaped(token)}"\n' for token in target.tokens))
        options = [
            f"-runs={inputs}",
            f"-seed={seed}",
            f"-max_len={LONGEST}",
            f"-timeout={seconds_each}",
            f"-rss_limit_mb={MEGABYTES}",
            f"-dict={words}",
            f"-artifact_prefix={kept}/{name}-",
            str(corpus),
        ]
        environment: Mapping[str, str] = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": folder}
        before = os.times()
        process = subprocess.run(
            [sys.executable, str(ROOT / "tests" / "fuzz" / "one.py"), name, *options],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        after = os.times()
    said = process.stdout.decode(errors="replace")
    done = _LINE.findall(said)
    memory = [int(mib) for mib in re.findall(r"rss: (\d+)Mb", said)]
    seconds = sum(after[2:4]) - sum(before[2:4])
    finding = "" if process.returncode == 0 and done else said[-3000:]
    return Result(name, seed, int(done[-1]) if done else 0, round(seconds, 1), max(memory, default=0), finding)


def _escaped(token: bytes) -> str:
    return "".join(
        chr(byte) if 0x20 <= byte < 0x7F and byte not in (0x22, 0x5C) else f"\\x{byte:02x}" for byte in token
    )
