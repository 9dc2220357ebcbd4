"""The real servers, on ports of their own and in a folder that goes with them."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp

from streams.settings import DEFAULT_MODEL
from streams.stack.stack import Stack


@contextmanager
def real_servers(logs: Path | None = None) -> Iterator[Stack]:
    """Kafka, Elasticsearch and Triton with the shipped model, none of them started; all end with the block. What they
    logged is left in the folder `logs`."""
    from models.repository import write_repository

    folder = Path(mkdtemp(prefix="tocsin-servers-"))
    folder.chmod(0o755)  # Elasticsearch of root's runs as another user
    write_repository(folder / "models", DEFAULT_MODEL, "python", "cpu", threads=1)
    try:
        with Stack(folder) as servers:
            yield servers
    finally:
        if logs and (folder / "log").is_dir():
            shutil.copytree(folder / "log", logs, dirs_exist_ok=True)
        shutil.rmtree(folder, ignore_errors=True)
