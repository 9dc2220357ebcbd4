"""`tocsin run collect` as a process of its own on the real broker, and what it left on the topics."""

import json
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from streams.stack.kafka import Kafka
from streams.stack.ports import Ports
from tests.patience import PATIENCE
from tests.services.kafka_client import Prefix, new_prefix

TERMS = {"licence": "L", "purpose": "P"}


def declare(path: Path, *entries: dict[str, Any]) -> Path:
    """A sources file of `entries`."""
    lines = []
    for entry in entries:
        lines.append("[[source]]")
        lines += [f"{name} = {json.dumps(value)}" for name, value in ({"kind": "news", **TERMS} | entry).items()]
    path.write_text("\n".join(lines) + "\n")
    return path


def feed(name: str, url: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "url": url, "allow_private": True, "interval": 1, **more}


@dataclass
class Collecting:
    """Processes of collect on one prefix."""

    prefix: Prefix
    ports: Ports
    log: Path
    options: Sequence[str] = ()
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self, *, port: int | None = None) -> subprocess.Popen[bytes]:
        """One more process."""
        command = [
            sys.executable,
            "-c",
            "from streams.cli import main; main()",
            "run",
            "collect",
            *self.prefix.arguments,
        ]
        command += [f"--set=services.collect_port={port or self.ports.collect}", f"--set=push.port={self.ports.push}"]
        with self.log.open("ab") as log:
            self.processes.append(subprocess.Popen([*command, *self.options], stdout=log, stderr=log))
        return self.processes[-1]

    def kill(self) -> None:
        self.processes[-1].send_signal(signal.SIGKILL)
        self.processes[-1].wait()

    def stop(self) -> int:
        self.processes[-1].terminate()
        return self.processes[-1].wait(PATIENCE)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.ports.push}/v1/documents"

    def metrics(self) -> str:
        """What the process shows; nothing while it does not answer."""
        with (
            suppress(URLError, OSError),
            urlopen(f"http://127.0.0.1:{self.ports.collect}/metrics", timeout=5) as answer,
        ):
            return str(answer.read().decode())
        return ""

    def leads(self) -> bool:
        return "tocsin_collect_leading 1.0" in self.metrics()

    def wait(self, what: Callable[[], bool], seconds: float = PATIENCE) -> None:
        until = time.monotonic() + seconds
        while not what():
            assert time.monotonic() < until, self.log.read_text()[-3000:]
            time.sleep(0.2)

    def collected(self, *topics: str) -> list[Any]:
        """The records of the input topics, by partition and offset."""
        return [
            record
            for topic in topics or ("news", "social")
            for records in self.prefix.records(topic).values()
            for record in records
        ]

    def identities(self) -> Counter[str]:
        return Counter(record.key.decode() for record in self.collected())

    def push(self, body: bytes | Sequence[dict[str, Any]], kind: str = "", **headers: str) -> tuple[int, Any]:
        """Status and content of the answer to a push."""
        raw = body if isinstance(body, bytes) else b"".join(json.dumps(one).encode() + b"\n" for one in body)
        headers = {"Content-Type": kind or "application/x-ndjson"} | headers
        try:
            with urlopen(Request(self.address, raw, headers), timeout=60) as answer:
                return answer.status, json.load(answer)
        except HTTPError as error:
            return error.code, json.load(error) | {"headers": dict(error.headers)}


@contextmanager
def collecting(kafka: Kafka, folder: Path, *entries: dict[str, Any], **settings: str) -> Iterator[Collecting]:
    """A prefix whose collect is declared to take from `entries`; every process ends with the block."""
    path = declare(folder / "sources.toml", *entries)
    flags = {"collect.sources": str(path), "collect.host_interval": "0.01", **settings}
    running = Collecting(new_prefix(kafka, **flags), Ports.picked(), folder / "collect.log")
    try:
        yield running
    finally:
        for process in running.processes:
            process.kill()
            process.wait()
