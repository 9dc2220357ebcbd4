"""Faults planted on purpose: what shows that the fuzzer would tell of one."""

import time
from collections.abc import Mapping
from typing import Final

from tests.fuzz.targets import Target


def crash(raw: bytes) -> None:
    """Fails on one beginning among all."""
    if raw[:2] == b"{{":
        raise KeyError("planted")


def hang(raw: bytes) -> None:
    """Never ends on one."""
    while raw[:2] == b"{{":
        time.sleep(0.01)


def grow(raw: bytes) -> None:
    """Keeps what it saw, thousandfold."""
    _KEPT.append(bytes(8_000_000))


_KEPT: Final[list[bytes]] = []
PLANTED: Final[Mapping[str, Target]] = {
    "crash": Target(crash, (b"{}",), (b"{",)),
    "hang": Target(hang, (b"{}",), (b"{",)),
    "growth": Target(grow, (b"{}",), (b"{",)),
}
