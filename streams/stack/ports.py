"""Ports on loopback: which the local stack uses, whether they are free, and who holds those that are not."""

import random
import socket
from collections.abc import Iterable
from dataclasses import astuple, dataclass, fields
from typing import Final, Self

import psutil

from processors.errors import ConfigurationError

HOST: Final = "127.0.0.1"

_BLOCKS: Final = range(21_000, 32_000)
"""Where a block of ports is picked: below what systems use for the near end of connections."""


@dataclass(frozen=True, slots=True)
class Ports:
    """The ports of one stack; by default those that each part is known by."""

    kafka: int = 9092
    kafka_controller: int = 9093
    elasticsearch: int = 9200
    elasticsearch_transport: int = 9300
    triton_http: int = 8000
    triton_grpc: int = 8001
    triton_metrics: int = 8002
    enrich: int = 9101
    detect: int = 9102
    index: int = 9103
    clock: int = 9104
    web: int = 9105
    console: int = 8480
    collect: int = 9106
    push: int = 8481
    deliver: int = 9107

    @classmethod
    def from_block(cls, first: int) -> Self:
        """As many ports as are needed, from `first` on. Raises ConfigurationError where they do not fit."""
        count = len(fields(cls))
        if not 1024 <= first <= 65_536 - count:
            raise ConfigurationError(f"no {count} ports from {first} on: choose a number from 1024 to {65_536 - count}")
        return cls(*range(first, first + count))

    @classmethod
    def picked(cls) -> Self:
        """A block that is free now, for a stack that should not be in anyone's way."""
        count = len(fields(cls))
        for first in random.sample(_BLOCKS, 200):
            if all(is_free(port) for port in range(first, first + count)):
                return cls.from_block(first)
        raise ConfigurationError(f"found no {count} free ports in a row between {_BLOCKS.start} and {_BLOCKS.stop}")

    def all(self) -> tuple[int, ...]:
        """Every port."""
        return astuple(self)


def is_free(port: int) -> bool:
    """Whether a server could listen on `port` of the loopback address."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do: connections that end don't count
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def require_free(ports: Iterable[int], what: str) -> None:
    """Raises ConfigurationError naming each of `ports` that is taken, and by whom where that can be seen."""
    taken = [port for port in ports if not is_free(port)]
    if taken:
        held = "; ".join(f"port {port} is held by {holder_of(port) or 'a process of another user'}" for port in taken)
        raise ConfigurationError(f"cannot start {what}: {held}. End it, or choose other ports with --ports-from N")


def holder_of(port: int) -> str | None:
    """``command (process N)`` of who listens on `port`, where this user may see it."""
    for connection in psutil.net_connections("tcp"):
        if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port and connection.pid:
            try:
                command = " ".join(psutil.Process(connection.pid).cmdline())
            except psutil.Error:
                continue
            return f"{shorten_middle(command, 80)} (process {connection.pid})"
    return None


def shorten_middle(text: str, length: int) -> str:
    """`text`, without what is in the middle where it is longer than `length`: a command ends with what tells most."""
    if len(text) <= length:
        return text
    end = (length - 3) // 2
    return f"{text[: length - 3 - end]} … {text[-end:]}"
