"""Prometheus' own tool for rules, built once by Go from its module."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

import pytest

from streams.stack.install import Part, cache_folder, installed

MODULE: Final = "github.com/prometheus/prometheus/cmd/promtool"
VERSION: Final = "0.316.0"
"""Of Go's module: Prometheus 3.16."""


def promtool() -> Path:
    """The program. Without Go the test is skipped here, and fails in continuous integration."""
    found = shutil.which("promtool")
    if found:
        return Path(found)
    if shutil.which("go") is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("promtool is built by Go, which is not here")
    return installed(PART, cache_folder(os.environ), print) / "promtool"


def _build(recipe: Path, folder: Path) -> None:
    environment = {**os.environ, "GOBIN": str(folder), "CGO_ENABLED": "0"}
    command = ["go", "install", "-tags", "remove_all_sd", f"{MODULE}@v{VERSION}"]  # without clients of every cloud
    subprocess.run(command, env=environment, check=True, cwd=folder)


PART: Final = Part("promtool", VERSION, Path(__file__), 80, _build)
