"""Ends a process that no longer gets on: some calls of the Kafka client have no time-out of their own."""

import logging
import os
import threading
from time import monotonic
from typing import Final

_LOG: Final = logging.getLogger("tocsin.detect")
_LOOKS: Final = 10
"""How often in its time the watchdog looks."""


class Watchdog:
    """A thread that ends the process, without cleaning up, when nothing was heard of it for `seconds`."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._latest = monotonic()
        self._done = threading.Event()

    def start(self) -> None:
        """Watch from now on."""
        self.beat()
        threading.Thread(target=self._watch, name="watchdog", daemon=True).start()

    def beat(self) -> None:
        """Something got on."""
        self._latest = monotonic()

    def stop(self) -> None:
        """Watch no more."""
        self._done.set()

    def _watch(self) -> None:
        while not self._done.wait(self._seconds / _LOOKS):
            if monotonic() - self._latest > self._seconds:
                _LOG.error("no progress for %.0f s: the process ends, the next start reads what is true", self._seconds)
                logging.shutdown()
                os._exit(1)
