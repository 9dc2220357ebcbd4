"""Fetching: once, whole or not at all, by one process at a time."""

import threading
import time
from pathlib import Path

import pytest

from processors.errors import ConfigurationError, RetryableError
from streams.stack import install
from streams.stack.install import ELASTICSEARCH, KAFKA, TRITON, Part, cache_folder, installed


def part_of(recipe: Path, build: object) -> Part:
    recipe.write_text(recipe.read_text() if recipe.exists() else "recipe")
    return Part("thing", "1.0", recipe, 1, build)  # type: ignore[arg-type]


def test_it_is_built_once_and_said_once(tmp_path: Path) -> None:
    said: list[str] = []
    part = part_of(tmp_path / "recipe", lambda recipe, folder: (folder / "file").write_text("whole"))
    folder = installed(part, tmp_path / "cache", said.append)
    assert installed(part, tmp_path / "cache", said.append) == folder
    assert (folder / "file").read_text() == "whole"
    assert said == ["fetching thing 1.0 (about 1 MB, once)"]


def test_a_build_that_fails_leaves_nothing_and_may_be_tried_again(tmp_path: Path) -> None:
    fails = [True, False]

    def build(recipe: Path, folder: Path) -> None:
        (folder / "file").write_text("half")
        if fails.pop(0):
            raise RetryableError("the registry is away")
        (folder / "file").write_text("whole")

    part, cache = part_of(tmp_path / "recipe", build), tmp_path / "cache"
    with pytest.raises(RetryableError):
        installed(part, cache, print)
    assert [path.name for path in cache.iterdir()] == ["thing.lock"]
    assert (installed(part, cache, print) / "file").read_text() == "whole"


def test_a_changed_recipe_is_another_part(tmp_path: Path) -> None:
    recipe = tmp_path / "recipe"
    part = part_of(recipe, lambda recipe, folder: None)
    before = part.folder_name
    recipe.write_text("another recipe")
    assert part.folder_name != before


def test_two_at_once_build_it_once(tmp_path: Path) -> None:
    built: list[Path] = []
    said: list[str] = []
    begun = threading.Event()

    def build(recipe: Path, folder: Path) -> None:
        begun.set()
        time.sleep(0.5)
        built.append(folder)

    part, cache = part_of(tmp_path / "recipe", build), tmp_path / "cache"
    first = threading.Thread(target=installed, args=(part, cache, print))
    first.start()
    begun.wait(10)
    folder = installed(part, cache, said.append)
    first.join()
    assert len(built) == 1
    assert folder.is_dir()
    assert said == ["another process is fetching thing: waiting"]


def test_what_was_fetched_is_open_to_another_user(tmp_path: Path) -> None:
    def build(recipe: Path, folder: Path) -> None:
        (folder / "bin").mkdir(mode=0o700)
        (folder / "bin" / "program").touch(mode=0o700)
        (folder / "data").touch(mode=0o600)

    folder = installed(part_of(tmp_path / "recipe", build), tmp_path / "cache", print)
    assert {path.name: path.stat().st_mode & 0o777 for path in (folder, *folder.rglob("*"))} == {
        folder.name: 0o755,
        "bin": 0o755,
        "program": 0o755,
        "data": 0o644,
    }


def test_a_missing_tool_is_named_with_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigurationError, match=r"needs mvn, which is not on the PATH: install it \(apt: maven\)"):
        installed(KAFKA, tmp_path / "cache", print)


def test_a_registry_that_fails_is_told_with_what_it_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    maven = tmp_path / "mvn"
    maven.write_text("#!/bin/sh\necho Could not resolve the name of the registry\nexit 1\n")
    maven.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    with pytest.raises(RetryableError, match="(?s)try again.*Could not resolve the name"):
        installed(ELASTICSEARCH, tmp_path / "cache", print)


def test_a_cache_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "cache").touch()
    with pytest.raises(ConfigurationError, match="set XDG_CACHE_HOME"):
        installed(KAFKA, tmp_path / "cache", print)


def test_the_cache_is_where_the_user_keeps_caches(monkeypatch: pytest.MonkeyPatch) -> None:
    assert cache_folder({"XDG_CACHE_HOME": "/somewhere"}) == Path("/somewhere/tocsin")
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setenv("HOME", "/home/someone")
    assert cache_folder({}) == Path("/home/someone/.cache/tocsin")
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert cache_folder({}) == Path("/var/cache/tocsin")


def test_versions_are_those_that_the_recipes_fetch() -> None:
    assert f"<version>{install.KAFKA_VERSION}</version>" in KAFKA.recipe.read_text()
    assert f"<version>{install.ELASTICSEARCH_VERSION}</version>" in ELASTICSEARCH.recipe.read_text()
    assert f"nvidia-pytriton=={install.TRITON_PACKAGE_VERSION} " in TRITON.recipe.read_text()
