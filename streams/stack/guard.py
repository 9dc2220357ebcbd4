"""A small process that ends a stack's servers when the process that holds the stack is gone, however it went.

It reads from a pipe on whose other end is the holder: the system closes that end even after SIGKILL.
"""

import subprocess
import sys
from pathlib import Path
from typing import IO, cast

from streams.stack.server import process_in

_RELEASE = b"release\n"


class Guard:
    """Watches over the servers in `folder` for this process."""

    def __init__(self, folder: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__, str(folder)], stdin=subprocess.PIPE, start_new_session=True
        )

    def release(self) -> None:
        """Let it go: the servers are ended or go on."""
        with cast(IO[bytes], self._process.stdin) as pipe:
            pipe.write(_RELEASE)
        self._process.wait(10)


def _watch(folder: Path) -> None:
    if sys.stdin.buffer.read() != _RELEASE:
        for record in sorted((folder / "run").glob("*.json")):
            process_in(folder, record.stem).kill()


if __name__ == "__main__":
    _watch(Path(sys.argv[1]))
