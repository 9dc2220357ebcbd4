"""The image of our services: what its recipe copies exists, and what it installs is all that a service needs."""

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from compose_files import COMPOSE, ROOT

LINES = [
    line.strip()
    for line in re.sub(r"\\\n", " ", (COMPOSE / "Dockerfile").read_text()).splitlines()
    if line.strip() and not line.startswith("#")
]


def _instructions(name: str) -> list[str]:
    return [line.removeprefix(name).strip() for line in LINES if line.startswith(f"{name} ")]


def test_everything_that_is_copied_exists_and_is_let_through() -> None:
    copied = [line.split()[:-1] for line in _instructions("COPY") if not line.startswith("--from=build")]
    sources = {source.rstrip("/") for group in copied for source in group}
    assert all((ROOT / source).exists() for source in sources)
    ignore = (COMPOSE / "Dockerfile.dockerignore").read_text().splitlines()
    assert "*" in ignore
    assert sources == {line.removeprefix("!") for line in ignore if line.startswith("!")}


def test_versions_are_pinned_and_what_is_installed_is_locked() -> None:
    bases = {line.split()[0] for line in _instructions("FROM")}
    assert len(bases) == 1, "what was built for one Python runs on the same"
    assert re.fullmatch(r"python:3\.11\.\d+-slim-\w+", bases.pop()), "the Python that the requirements are locked for"
    run = " ".join(_instructions("RUN"))
    assert "--require-hashes -r requirements.lock" in run
    made = (ROOT / "Makefile").read_text()
    assert re.search(r"uv==[\d.]+", run)[0] in made  # type: ignore[index]


def test_the_locked_runtime_has_no_torch() -> None:
    packages = {line.split("==")[0] for line in (ROOT / "requirements.lock").read_text().splitlines() if "==" in line}
    assert not packages & {"torch", "transformers", "onnx"}
    assert {"onnxruntime", "tritonclient", "kafka-python", "elasticsearch"} <= packages


def test_it_is_run_by_nobody_in_particular() -> None:
    assert _instructions("USER") == ["10001:10001"]
    after = LINES[LINES.index("USER 10001:10001") :]
    assert not any(line.startswith(("RUN", "COPY")) for line in after)
    assert _instructions("ENTRYPOINT") == ['["tocsin"]']


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The package as the recipe builds it."""
    folder = tmp_path_factory.mktemp("wheel")
    context = folder / "src"
    context.mkdir()
    for name in ("pyproject.toml", "README.md", "processors", "models", "streams"):
        (context / name).symlink_to(ROOT / name)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--no-deps"]
    subprocess.run([*command, "--no-build-isolation", "--wheel-dir", str(folder), "."], cwd=context, check=True)
    (built,) = folder.glob("*.whl")
    return zipfile.ZipFile(built)


def test_the_package_holds_every_module_and_file_that_a_service_reads(wheel: zipfile.ZipFile) -> None:
    packed = set(wheel.namelist())
    expected = {
        str(path.relative_to(ROOT))
        for folder in ("processors", "streams", "models")
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and path.suffix in {".py", ".json", ".onnx", ".svg", ".toml"}
    }
    assert not expected - packed
    assert "tocsin = streams.cli:main" in wheel.read("tocsin-0.1.0.dist-info/entry_points.txt").decode()


def test_a_packed_service_starts_without_the_sources(wheel: zipfile.ZipFile, tmp_path: Path) -> None:
    wheel.extractall(tmp_path / "app")
    code = (
        "import sys, pathlib; sys.path.insert(0, 'app'); import streams.settings as s, streams.cli as c; "
        "assert s.__file__.startswith(str(pathlib.Path('app').resolve())), s.__file__; "
        "s.load_master(s.Settings()); sys.argv = ['tocsin', 'models', 'repository', '--out', 'models']; c.main()"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert list((tmp_path / "models").glob("tocsin/*/model.onnx"))
