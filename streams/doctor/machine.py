"""Whether the machine is fit: Python, cores, memory, disk, and what the local stack needs."""

import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import psutil

from streams.doctor.finding import Finding, Level
from streams.stack.install import cache_folder
from streams.stack.stack import state_folder

GIB: Final = 2**30

_OLDEST_JAVA: Final = 17
"""Kafka 4 and Elasticsearch 8 run on nothing older."""

_FOR_THE_STACK: Final = "only `tocsin stack` needs it"


def examine_machine() -> Iterator[Finding]:
    """Everything that can be told without settings."""
    yield Finding("ok", "Python", f"{platform.python_version()} on {platform.system()} {platform.machine()}")
    cores = len(os.sched_getaffinity(0))
    mend = "give it 2 or more: Kafka, Triton and the services share them" if cores < 2 else ""
    yield Finding("warn" if mend else "ok", "cores", f"{cores} that this process may use", mend)
    yield memory(available_memory())
    yield from disk((Path.cwd(), state_folder(os.environ), cache_folder(os.environ)))
    yield from java(shutil.which("java"))
    if shutil.which("mvn"):
        yield Finding("ok", "Maven", "there")
    else:
        yield Finding("warn", "Maven", "not on the PATH", f"apt install maven ({_FOR_THE_STACK})")
    yield python_library(Path(sysconfig.get_config_var("LIBDIR")))


def available_memory() -> int:
    """Bytes that this process could still get, by the machine and by the limit of its control group."""
    available = int(psutil.virtual_memory().available)
    try:
        group = Path("/sys/fs/cgroup")
        limit = int((group / "memory.max").read_text())  # "max" where there is none
        return min(available, limit - int((group / "memory.current").read_text()))
    except (OSError, ValueError):
        return available


def memory(available: int) -> Finding:
    """Whether `available` bytes are enough: 3 GiB for the local stack with all services, 1 GiB for the services."""
    level: Level = "fail" if available < GIB else "warn" if available < 3 * GIB else "ok"
    mend = {
        "ok": "",
        "warn": "enough for the services, not for the local stack beside them (3 GiB): end something",
        "fail": "end something, or take a larger machine: the four services need about 1 GiB",
    }[level]
    return Finding(level, "memory", f"{available / GIB:.1f} GiB available", mend)


def disk(folders: Iterable[Path]) -> Iterator[Finding]:
    """One finding for each file system that `folders` (existing or not) are on."""
    seen = set()
    for folder in folders:
        there = next(path for path in (folder, *folder.parents) if path.exists())
        if (device := there.stat().st_dev) in seen:
            continue
        seen.add(device)
        free = shutil.disk_usage(there).free
        level: Level = "fail" if free < GIB else "warn" if free < 10 * GIB else "ok"
        mend = "" if level == "ok" else "make room: logs and indices grow with every document"
        yield Finding(level, "disk", f"{free / GIB:.1f} GiB free at {there}", mend)


def java(program: str | None) -> Iterator[Finding]:
    """Whether `program` is a Java that the servers run on."""
    mend = f"apt install openjdk-17-jre-headless ({_FOR_THE_STACK})"
    if program is None:
        yield Finding("warn", "Java", "not on the PATH", mend)
        return
    said = subprocess.run([program, "-version"], check=False, capture_output=True, text=True).stderr
    found = re.search(r'version "(?:1\.)?(\d++)[^"]*+"', said)
    if found is None:
        yield Finding("warn", "Java", f"{program} does not tell its version: {said.strip()[:200]}", mend)
    elif int(found[1]) < _OLDEST_JAVA:
        yield Finding("warn", "Java", f"{found[0]} is too old", mend)
    else:
        yield Finding("ok", "Java", found[0])


def python_library(folder: Path) -> Finding:
    """Whether the interpreter's shared library, which the local Triton embeds, is in `folder`."""
    name = f"libpython{sys.version_info.major}.{sys.version_info.minor}.so"
    if any(folder.glob(f"{name}*")):
        return Finding("ok", "Python library", f"{name} in {folder}")
    return Finding(
        "warn",
        "Python library",
        f"no {name} in {folder}",
        f"use a Python built with --enable-shared ({_FOR_THE_STACK})",
    )
