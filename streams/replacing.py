"""Files that are whole or not there: written beside the name that they are to have."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """Where to write what becomes `path` at a clean end: ``NAME.part`` beside it, removed at any other end.

    What stood at `path` stays until then. A link is followed; a device or pipe is written as it is. The file has to
    be closed inside. Raises OSError where it cannot take its name.
    """
    target = path.resolve()
    if target.exists() and not target.is_file():
        yield target
        return
    part = target.with_name(f"{target.name}.part")
    try:
        yield part
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
