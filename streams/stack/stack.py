"""The local servers, and Tocsin's services beside them, in one folder.

The ports stand in ``stack.json`` of the folder, so that another shell finds the servers.
"""

import json
import os
from collections.abc import Iterable, Mapping, Sequence
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
from streams.stack.services import Services
from streams.stack.triton import Triton

SERVERS: Final = ("kafka", "elasticsearch", "triton")

_RECORD: Final = "stack.json"


@dataclass(frozen=True, slots=True)
class Status:
    """One part at one moment; `pid` is None where it does not run, `memory` is in bytes."""

    name: str
    address: str
    pid: int | None
    ready: bool
    memory: int


class Stack:
    """Kafka, Elasticsearch and Triton under `folder`, on `ports`, Triton serving the repository `models`; and
    Tocsin's services, `service_names` or those that need no settings of their own, run with `service_options` after
    ``tocsin run NAME``.

    Without `ports`, those of the stack that was here before, else a block that is free. As a context manager it ends
    with its block and with its process, however that ends; otherwise its parts go on until `down`, here or in
    another process that names the same folder.
    """

    def __init__(
        self,
        folder: Path,
        ports: Ports | None = None,
        *,
        models: Path | None = None,
        service_options: Sequence[str] = (),
        service_names: Sequence[str] | None = None,
        say: Say = lambda line: None,
    ) -> None:
        self.folder = folder.absolute()
        self.ports = p = ports or recorded_ports(self.folder) or Ports.picked()
        self.say = say
        self.kafka = Kafka(self.folder, (p.kafka, p.kafka_controller), say)
        self.elasticsearch = Elasticsearch(self.folder, (p.elasticsearch, p.elasticsearch_transport), say)
        triton_ports = (p.triton_http, p.triton_grpc, p.triton_metrics)
        self.triton = Triton(self.folder, triton_ports, say, (models or self.folder / "models").absolute())
        flags = (word for name, value in self.settings.items() for word in ("--set", f"{name}={value}"))
        self.services = Services(self.folder, p, say, (*service_options, *flags), service_names)
        self._guard: Guard | None = None

    @property
    def parts(self) -> Mapping[str, Server]:
        """The servers and the services, by name."""
        return {part.name: part for part in (self.kafka, self.elasticsearch, self.triton, self.services)}

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
            "services.web_port": str(self.ports.web),
            "services.collect_port": str(self.ports.collect),
            "services.deliver_port": str(self.ports.deliver),
            "web.port": str(self.ports.console),
            "push.port": str(self.ports.push),
        }

    def up(self, servers: Iterable[str] = SERVERS) -> None:
        """Start what of `servers` does not run, side by side, and wait until all are ready.

        The services have a start of their own, for their topics must be there before. Raises ConfigurationError or
        FatalError as `Server.start` does; what came up before stays up.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with locked(self.folder / "lock", lambda: self.say(f"another process starts {self.folder}: waiting")):
                self._keep_ports()
                start_all(self.parts[name] for name in SERVERS if name in set(servers))
        except PermissionError as error:
            raise ConfigurationError(f"cannot write to {error.filename}: choose another folder with --folder") from None

    def down(self) -> None:
        """Stop whatever runs, the services first; nothing else of the folder changes."""
        self.services.stop()
        stop_all(self.parts[name] for name in SERVERS)

    def status(self) -> tuple[Status, ...]:
        """How each part is."""
        return tuple(status_of(part) for part in self.parts.values())

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
        if before not in (None, self.ports) and any(part.pid for part in self.parts.values()):
            raise ConfigurationError(f"the stack in {self.folder} runs on other ports: `tocsin stack down` first")
        (self.folder / _RECORD).write_text(json.dumps({"ports": asdict(self.ports)}), "utf-8")


def status_of(part: Server) -> Status:
    """How `part` is now."""
    pid = part.pid
    return Status(part.name, part.address, pid, pid is not None and part.is_ready(), part.process.memory)


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
