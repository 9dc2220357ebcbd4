"""Several versions of the model side by side in one repository: which there are, which is promoted, which was before.

Each version is a folder ``tocsin/N`` that is a packaged model itself; ``tocsin/current`` is a link to the promoted one, which a
classifier may be set to, and ``tocsin/previous`` to the one before. The configuration states the identity of every
version that is served, and which is promoted. At most three are kept: the promoted, the previous and the newest.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, Final

from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2 as pb

from models.repository import CURRENT, MODEL_NAME, PYTHON_BACKEND, Packaged, identities, read_package
from processors.errors import ConfigurationError

PREVIOUS: Final = "previous"


@dataclass(frozen=True, slots=True)
class Version:
    """One version in a repository."""

    packaged: Packaged
    folder: Path
    is_promoted: bool
    is_previous: bool


def versions_in(repository: Path) -> list[Version]:
    """The versions in `repository`, the promoted one first. Raises ConfigurationError where there is no repository,
    ModelError for one whose files are damaged."""
    folder = _model_folder(repository)
    folders = sorted(path for path in folder.iterdir() if path.name.isdigit())
    promoted = _target(folder / CURRENT) or (folders[0].name if len(folders) == 1 else "")
    previous = _target(folder / PREVIOUS)
    found = [Version(read_package(path), path, path.name == promoted, path.name == previous) for path in folders]
    return sorted(found, key=lambda version: (not version.is_promoted, not version.is_previous))


def find_version(versions: list[Version], named: str) -> Version:
    """The one version whose number, version or content hash is, or begins with, `named`. Raises ConfigurationError."""
    exact = [each for each in versions if named in (str(each.packaged.number), each.packaged.version)]
    found = exact or [each for each in versions if named and each.packaged.hash.startswith(named)]
    if len(found) != 1:
        listed = ", ".join(f"{v.packaged.number} ({v.packaged.version}, {v.packaged.hash[:12]})" for v in versions)
        raise ConfigurationError(f"{len(found)} versions are called {named!r}; the repository holds {listed or 'none'}")
    return found[0]


def promoted_in(versions: list[Version]) -> Version:
    """The promoted one. Raises ConfigurationError where none is."""
    for version in versions:
        if version.is_promoted:
            return version
    raise ConfigurationError("no version is promoted: `tocsin models promote NUMBER`")


@contextmanager
def pushed(repository: Path, model: Path) -> Iterator[Packaged]:
    """Put the packaged model in the folder `model` beside the versions of `repository`; the body lets the server load it.

    Where the body fails, the repository is as it was; else versions that are neither promoted, previous nor this
    one are removed. Raises ConfigurationError for a model with other inputs, outputs or languages, or one that is there already.
    """
    folder, before = _model_folder(repository), versions_in(repository)
    packaged, promoted = read_package(model), promoted_in(before)
    if packaged.number in (version.packaged.number for version in before):
        raise ConfigurationError(f"version {packaged.number} ({packaged.hash[:12]}) is in {repository} already")
    if any(getattr(packaged, name) != getattr(promoted.packaged, name) for name in ("outputs", "lengths", "languages")):
        raise ConfigurationError(
            f"{model} has other lengths, outputs or languages than what {repository} serves: write another one"
        )
    config = (folder / "config.pbtxt").read_text(encoding="utf-8")
    place = folder / str(packaged.number)
    kept = [version for version in before if version.is_promoted or version.is_previous]
    try:
        _copy(model, place, python=text_format.Parse(config, pb.ModelConfig()).backend == "python")
        _link(folder, CURRENT, promoted.packaged.number)
        _configure(folder, [*(version.packaged for version in kept), packaged], promoted.packaged)
        yield packaged
    except BaseException:
        _write(folder / "config.pbtxt", config)
        shutil.rmtree(place, ignore_errors=True)
        raise
    for version in before:
        if version not in kept:
            shutil.rmtree(version.folder, ignore_errors=True)


def promote(repository: Path, chosen: Version) -> None:
    """Make `chosen` the promoted version of `repository`, and the one that was so the previous one: in one step for whoever
    follows the link."""
    folder, versions = _model_folder(repository), versions_in(repository)
    former = promoted_in(versions)
    if former.packaged.number == chosen.packaged.number:
        raise ConfigurationError(f"version {chosen.packaged.number} is promoted already")
    _configure(folder, [version.packaged for version in versions], chosen.packaged)
    _link(folder, PREVIOUS, former.packaged.number)
    _link(folder, CURRENT, chosen.packaged.number)


def previous_in(versions: list[Version]) -> Version:
    """What was promoted before. Raises ConfigurationError where nothing was."""
    for version in versions:
        if version.is_previous:
            return version
    raise ConfigurationError("nothing was promoted before: there is nothing to go back to")


def _configure(folder: Path, served: list[Packaged], promoted: Packaged) -> None:
    config: Any = text_format.Parse((folder / "config.pbtxt").read_text(encoding="utf-8"), pb.ModelConfig())
    for name in [name for name in config.parameters if name.startswith("version_")]:
        del config.parameters[name]
    for name, value in identities(served, promoted).items():
        config.parameters[name].string_value = value
    config.version_policy.specific.versions[:] = sorted(packaged.number for packaged in served)
    _write(folder / "config.pbtxt", text_format.MessageToString(config))


def _copy(model: Path, place: Path, *, python: bool) -> None:
    scratch = Path(mkdtemp(prefix=f".{place.name}.", dir=place.parent))
    try:
        for name in ("model.onnx", "tokenizer.json", "model.json"):
            shutil.copyfile(model / name, scratch / name)
        if python:
            shutil.copyfile(PYTHON_BACKEND, scratch / PYTHON_BACKEND.name)
        scratch.chmod(0o755)
        scratch.rename(place)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _link(folder: Path, name: str, number: int) -> None:
    part = folder / f".{name}.part"
    part.unlink(missing_ok=True)
    part.symlink_to(str(number))
    os.replace(part, folder / name)


def _target(link: Path) -> str:
    return os.readlink(link) if link.is_symlink() else ""


def _write(path: Path, text: str) -> None:
    part = path.with_suffix(".part")
    part.write_text(text, encoding="utf-8")
    os.replace(part, path)


def _model_folder(repository: Path) -> Path:
    folder = repository / MODEL_NAME
    if not (folder / "config.pbtxt").is_file():
        raise ConfigurationError(f"{repository} is no model repository: `tocsin models repository` writes one")
    return folder
