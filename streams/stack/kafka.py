"""The local Kafka broker: one node that is broker and controller, with the plain jars and no distribution."""

import os
import subprocess
from pathlib import Path
from typing import ClassVar, Final
from uuid import NAMESPACE_DNS, uuid5

from processors.errors import FatalError
from streams.stack.install import ASSETS, KAFKA, cache_folder, installed, tool
from streams.stack.ports import HOST, is_free
from streams.stack.server import Launch, Server

_HEAP: Final = "-Xmx512m"
_CLUSTER: Final = str(uuid5(NAMESPACE_DNS, "kafka.tocsin.local"))


class Kafka(Server):
    """A broker with the default ports (clients, controller); topics are made by `tocsin topics create` only."""

    name: ClassVar[str] = "kafka"
    title: ClassVar[str] = "Kafka"
    start_seconds: ClassVar[float] = 180
    stop_seconds: ClassVar[float] = 20

    @property
    def address(self) -> str:
        """``host:port`` for clients to begin with."""
        return f"{HOST}:{self.ports[0]}"

    def prepare(self) -> Launch:
        """Write the configuration; format the data folder the first time."""
        java = tool("java", "openjdk-17-jre-headless")
        libraries = installed(KAFKA, cache_folder(os.environ), self.say) / "libs"
        properties, logging = self.folder / "server.properties", ASSETS / "kafka-log4j2.xml"
        properties.write_text(self._properties(), "utf-8")
        run = (java, _HEAP, f"-Dlog4j2.configurationFile={logging}", "-cp", f"{libraries}/*")
        if not (self.folder / "data" / "meta.properties").is_file():
            _format(run, properties)
        return Launch((*run, "kafka.Kafka", str(properties)), os.environ, self.folder)

    def is_ready(self) -> bool:
        """The broker is a member of its own cluster, and leads every partition that it holds."""
        from kafka import KafkaAdminClient
        from kafka.errors import KafkaError

        if is_free(self.ports[0]):  # nothing listens yet, and the client is loud about that
            return False
        try:
            admin = KafkaAdminClient(bootstrap_servers=self.address, bootstrap_timeout_ms=1000, request_timeout_ms=2000)
        except (KafkaError, OSError):
            return False
        try:
            if not admin.describe_cluster()["brokers"]:
                return False
            return all(
                partition["leader_id"] >= 0 for topic in admin.describe_topics() for partition in topic["partitions"]
            )
        except (KafkaError, OSError):
            return False
        finally:
            admin.close()

    def _properties(self) -> str:
        client, controller = (f"{HOST}:{port}" for port in self.ports)
        own = {
            "controller.quorum.voters": f"1@{controller}",
            "listeners": f"PLAINTEXT://{client},CONTROLLER://{controller}",
            "advertised.listeners": f"PLAINTEXT://{client}",
            "log.dirs": self.folder / "data",
        }
        lines = (f"{name}={value}\n" for name, value in own.items())
        return (ASSETS / "kafka-server.properties").read_text(encoding="utf-8") + "".join(lines)


def _format(run: tuple[str, ...], properties: Path) -> None:
    command = (*run, "kafka.tools.StorageTool", "format", "-t", _CLUSTER, "-c", str(properties))
    done = subprocess.run(command, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        raise FatalError(f"cannot format Kafka's data folder:\n{done.stdout}")
