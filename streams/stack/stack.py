"""The three local servers together, in one folder.

The ports stand in ``stack.json`` of the folder, so that another shell finds the servers.
"""

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from processors.errors import ConfigurationError
from streams.stack.elasticsearch import Elasticsearch
from streams.stack.guard import Guard
from streams.stack.install import Say
from streams.stack.kafka import Kafka
from streams.stack.lock import locked
from streams.stack.ports import Ports
from streams.stack.server import Server, start_all, stop_all
from streams.stack.triton import Triton

PARTS: Final = ("kafka", "elasticsearch", "triton")

_RECORD: Final = "stack.json"


@dataclass(frozen=True, slots=True)
class Status:
    """One server at one moment; `pid` is None where it does not run, `memory` is in bytes."""

    name: str
    address: str
    pid: int | None
    ready: bool
    memory: int


class Stack:
    """Kafka, Elasticsearch and Triton under `folder`, on `ports`, Triton serving the repository `models`.

    Without `ports`, those of the stack that was here before, else a block that is free. As a context manager it ends
    with its block and with its process, however that ends; otherwise its servers go on until `down`, here or in
    another process that names the same folder.
    """

    def __init__(
        self, folder: Path, ports: Ports | None = None, *, models: Path | None = None, say: Say = lambda line: None
    ) -> None:
        self.folder = folder.absolute()
        self.ports = p = ports or recorded_ports(self.folder) or Ports.picked()
        self.say = say
        self.kafka = Kafka(self.folder, (p.kafka, p.kafka_controller), say)
        self.elasticsearch = Elasticsearch(self.folder, (p.elasticsearch, p.elasticsearch_transport), say)
        triton_ports = (p.triton_http, p.triton_grpc, p.triton_metrics)
        self.triton = Triton(self.folder, triton_ports, say, (models or self.folder / "models").absolute())
        self._guard: Guard | None = None

    @property
    def servers(self) -> Mapping[str, Server]:
        """The servers by name."""
        return {server.name: server for server in (self.kafka, self.elasticsearch, self.triton)}

    @property
    def settings(self) -> Mapping[str, str]:
        """What tells Tocsin where this stack is: values by ``section.field``."""
        return {
            "kafka.servers": self.kafka.address,
            "elasticsearch.servers": self.elasticsearch.address,
            "triton.server": self.triton.address,
            "services.enrich_port": str(self.ports.enrich),
            "services.detect_port": str(self.ports.detect),
            "services.index_port": str(self.ports.index),
            "services.clock_port": str(self.ports.clock),
        }

    def up(self, parts: Iterable[str] = PARTS) -> None:
        """Start what of `parts` does not run, side by side, and wait until all are ready.

        Raises ConfigurationError or FatalError as `Server.start` does; what came up before stays up.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with locked(self.folder / "lock", lambda: self.say(f"another process starts {self.folder}: waiting")):
                self._keep_ports()
                start_all(self.servers[part] for part in PARTS if part in set(parts))
        except PermissionError as error:
            raise ConfigurationError(f"cannot write to {error.filename}: choose another folder with --folder") from None

    def down(self) -> None:
        """Stop whatever runs; nothing else of the folder changes."""
        stop_all(self.servers.values())

    def status(self) -> tuple[Status, ...]:
        """How each server is."""
        return tuple(status_of(server) for server in self.servers.values())

    def __enter__(self) -> Self:
        self._guard = Guard(self.folder)
        return self

    def __exit__(
        self, error_type: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.down()
        if self._guard:
            self._guard.release()

    def _keep_ports(self) -> None:
        before = recorded_ports(self.folder)
        if before not in (None, self.ports) and any(server.pid for server in self.servers.values()):
            raise ConfigurationError(f"the stack in {self.folder} runs on other ports: `tocsin stack down` first")
        (self.folder / _RECORD).write_text(json.dumps({"ports": asdict(self.ports)}), "utf-8")


def status_of(server: Server) -> Status:
    """How `server` is now."""
    pid = server.pid
    return Status(server.name, server.address, pid, pid is not None and server.is_ready(), server.process.memory)


def recorded_ports(folder: Path) -> Ports | None:
    """The ports of the stack in `folder`, None where there has been none."""
    path = folder / _RECORD
    try:
        return Ports(**json.loads(path.read_text(encoding="utf-8"))["ports"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(f"{path} is damaged ({error}): delete it") from None


def state_folder(environment: Mapping[str, str]) -> Path:
    """Where a stack is kept unless told otherwise: ``$XDG_STATE_HOME/tocsin/stack``, else under ``~/.local/state``.

    For root ``/var/lib/tocsin/stack``, because Elasticsearch then runs as another user, who must get there.
    """
    usual = Path("/var/lib") if os.geteuid() == 0 else Path.home() / ".local" / "state"
    return Path(environment.get("XDG_STATE_HOME") or usual).absolute() / "tocsin" / "stack"
