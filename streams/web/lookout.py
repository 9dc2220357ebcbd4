"""What the services say of themselves, for the page *Now*: what holds up what comes in, and how old the latest canary is."""

from concurrent.futures import Future, ThreadPoolExecutor
from math import isfinite
from time import monotonic
from typing import Final

from processors.errors import TocsinError
from streams.services.runner import addresses_of
from streams.settings import Settings
from streams.status import ServiceState, ask_service

_EVERY_SECONDS: Final = 5.0
_PATIENCE_SECONDS: Final = 10.0
"""A service that has got no further for so long while it waits for something holds up what comes in."""


class Lookout:
    """Asks all services but the console's own now and then, in the background: whoever looks does not wait for them."""

    def __init__(self, settings: Settings) -> None:
        self._addresses = {name: where for name, where in addresses_of(settings).items() if where[0] != "web"}
        self._pool = ThreadPoolExecutor(len(self._addresses) + 1, "lookout")
        self._asked = float("-inf")
        self._asking: Future[None] | None = None
        self._heard: set[str] = set()
        self.held_up: list[dict[str, str]] = []
        """What holds up: `service`, `state` (away, waits, stuck), and for what it waits. Of services that never answered
        nothing is said: they may not be wanted."""
        self.canary: dict[str, float | None] | None = None
        """`seconds` since the latest canary came all the way through, None where none has yet; None without a clock that
        sends any."""

    def look(self) -> None:
        """Have them asked again, where the last answers are old."""
        if monotonic() - self._asked > _EVERY_SECONDS and (self._asking is None or self._asking.done()):
            self._asked = monotonic()
            self._asking = self._pool.submit(self._ask)

    def _ask(self) -> None:
        asked = {name: self._pool.submit(ask_service, *where) for name, where in self._addresses.items()}
        held_up, canary = [], None
        for name, answer in asked.items():
            try:
                state = answer.result()
            except TocsinError:
                if name in self._heard:
                    held_up.append({"service": name, "state": "away", "what": ""})
                continue
            self._heard.add(name)
            held_up += _held_up(name, state)
            canary = _canary(state) or canary
        self.held_up, self.canary = held_up, canary


def _held_up(name: str, state: ServiceState) -> list[dict[str, str]]:
    idle = max(state.values("tocsin_seconds_since_progress", "service").values(), default=0.0)
    if state.waiting_for and (idle > _PATIENCE_SECONDS or not state.ready):
        return [{"service": name, "state": "waits", "what": state.waiting_for}]
    return [] if state.ready else [{"service": name, "state": "stuck", "what": ""}]


def _canary(state: ServiceState) -> dict[str, float | None] | None:
    seconds = state.values("tocsin_canary_seconds", "").get("")
    return None if seconds is None else {"seconds": round(seconds, 1) if isfinite(seconds) else None}
