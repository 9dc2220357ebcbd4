"""What doctor says of a machine."""

from pathlib import Path

import pytest

from streams.doctor.machine import GIB, available_memory, disk, examine_machine, java, memory, python_library


@pytest.mark.parametrize(("available", "level"), [(0.9, "fail"), (1.0, "warn"), (2.9, "warn"), (3.0, "ok")])
def test_memory_is_judged_by_what_needs_it(available: float, level: str) -> None:
    finding = memory(int(available * GIB))
    assert finding.level == level
    assert bool(finding.mend) == (level != "ok")


def test_available_memory_is_no_more_than_the_machine_has() -> None:
    import psutil

    assert 0 < available_memory() <= psutil.virtual_memory().total


def test_each_file_system_is_looked_at_once_even_where_folders_do_not_exist_yet(tmp_path: Path) -> None:
    [finding] = disk([tmp_path, tmp_path / "not" / "there"])
    assert str(tmp_path) in finding.text


@pytest.mark.parametrize(
    ("says", "level", "text"),
    [
        ('openjdk version "17.0.15" 2025-04-15', "ok", 'version "17.0.15"'),
        ('openjdk version "21" 2023-09-19', "ok", 'version "21"'),
        ('java version "1.8.0_392"', "warn", 'version "1.8.0_392" is too old'),
        ("Segmentation fault", "warn", "does not tell its version: Segmentation fault"),
    ],
)
def test_java_is_judged_by_its_version(tmp_path: Path, says: str, level: str, text: str) -> None:
    program = tmp_path / "java"
    program.write_text(f"#!/bin/sh\necho '{says}' >&2\n")
    program.chmod(0o755)
    [finding] = java(str(program))
    assert (finding.level, text in finding.text) == (level, True)
    assert bool(finding.mend) == (level != "ok")


def test_without_java_only_the_local_stack_is_lost() -> None:
    [finding] = java(None)
    assert finding.level == "warn"
    assert "only `tocsin stack` needs it" in finding.mend


def test_a_missing_python_library_is_told(tmp_path: Path) -> None:
    assert python_library(tmp_path).level == "warn"


def test_everything_wrong_comes_with_its_mend() -> None:
    for finding in examine_machine():
        assert (finding.level == "ok") != bool(finding.mend), finding
