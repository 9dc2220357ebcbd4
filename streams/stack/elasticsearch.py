"""The local Elasticsearch: the genuine server as it is published for integration tests, one node.

It refuses to run as root, so a stack of root's runs it as nobody; every folder on the way to its files must then be
open to others.
"""

import json
import os
import shutil
from collections.abc import Iterable
from http.client import HTTPException
from pathlib import Path
from typing import ClassVar, Final
from urllib.error import URLError
from urllib.request import urlopen

from processors.errors import ConfigurationError
from streams.stack.install import ASSETS, ELASTICSEARCH, cache_folder, installed, tool
from streams.stack.ports import HOST
from streams.stack.server import Launch, Server

_NOBODY: Final = 65534
_NEEDLESS_OPTIONS: Final = ("-XX:+UseG1GC", "-Xlog:gc")
"""How lines of the shipped jvm.options begin that the local node does without: its own file names the collector."""


class Elasticsearch(Server):
    """A node with the default ports (HTTP, transport), without security, for this machine only."""

    name: ClassVar[str] = "elasticsearch"
    title: ClassVar[str] = "Elasticsearch"
    start_seconds: ClassVar[float] = 300
    stop_seconds: ClassVar[float] = 30

    @property
    def address(self) -> str:
        """The URL for clients."""
        return f"http://{HOST}:{self.ports[0]}"

    def prepare(self) -> Launch:
        """Write a configuration folder of the node's own, and the folders that it writes to."""
        java = Path(tool("java", "openjdk-17-jre-headless")).resolve()
        home = installed(ELASTICSEARCH, cache_folder(os.environ), self.say)
        config, data, logs, scratch = (self.folder / name for name in ("config", "data", "logs", "tmp"))
        for folder in (data, logs, scratch):
            folder.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(config, ignore_errors=True)
        shutil.copytree(home / "config", config)
        (config / "elasticsearch.yml").write_text(self._settings(data, logs), "utf-8")
        shipped = (config / "jvm.options").read_text(encoding="utf-8").splitlines(keepends=True)
        (config / "jvm.options").write_text("".join(o for o in shipped if not o.startswith(_NEEDLESS_OPTIONS)), "utf-8")
        shutil.copy(ASSETS / "elasticsearch-jvm.options", config / "jvm.options.d" / "local.options")
        command: tuple[str, ...] = (str(home / "bin" / "elasticsearch"),)
        if os.geteuid() == 0:
            _give_to_nobody(self.folder, home)
            drop = (tool("setpriv", "util-linux"), f"--reuid={_NOBODY}", f"--regid={_NOBODY}", "--clear-groups")
            command = (*drop, *command)
        paths = {"ES_JAVA_HOME": java.parent.parent, "ES_PATH_CONF": config, "ES_TMPDIR": scratch, "HOME": scratch}
        return Launch(command, {**os.environ, **{name: str(path) for name, path in paths.items()}}, self.folder)

    def is_ready(self) -> bool:
        """It has recovered every index that it had."""
        wanted = "wait_for_status=yellow&wait_for_no_initializing_shards=true&timeout=1s"
        try:
            with urlopen(f"{self.address}/_cluster/health?{wanted}", timeout=5) as answer:
                return not json.load(answer)["timed_out"]
        except (URLError, OSError, HTTPException, ValueError):
            return False

    def _settings(self, data: Path, logs: Path) -> str:
        http, transport = self.ports
        own: dict[str, str | int] = {
            "network.host": HOST,
            "http.port": http,
            "transport.port": transport,
            "path.data": str(data),
            "path.logs": str(logs),
        }
        lines = (f"{name}: {json.dumps(value)}\n" for name, value in own.items())
        return (ASSETS / "elasticsearch.yml").read_text(encoding="utf-8") + "".join(lines)


def _give_to_nobody(folder: Path, home: Path) -> None:
    closed = [path for path in (*_and_parents(folder), *_and_parents(home)) if not path.stat().st_mode & 0o001]
    if closed:
        raise ConfigurationError(
            f"Elasticsearch does not run as root, and nobody else may pass through {closed[-1]}: "
            f"put the stack (--folder) and the cache (XDG_CACHE_HOME) elsewhere, such as /var/tmp, or run as another user"
        )
    for path in (folder, *folder.rglob("*")):
        os.chown(path, _NOBODY, _NOBODY, follow_symlinks=False)


def _and_parents(path: Path) -> Iterable[Path]:
    return (path, *path.parents)
