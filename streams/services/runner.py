"""How every service starts, shows itself, stops and fails."""

import logging
import os
import signal
import sys
import threading
from importlib import import_module
from types import FrameType
from typing import Final, Literal, Protocol, cast, get_args

from processors.errors import ConfigurationError, TocsinError
from streams.services.logs import configure_logs
from streams.services.monitor import Monitor, Progress
from streams.settings import Settings

ServiceName = Literal["enrich", "detect", "index", "clock", "web", "collect", "deliver"]
SERVICES: Final[tuple[ServiceName, ...]] = get_args(ServiceName)


def services_of(settings: Settings) -> tuple[ServiceName, ...]:
    """The services that `settings` give something to do: collect has nothing without sources, deliver without desks."""
    needed = {"collect": settings.collect.sources, "deliver": settings.deliver.desks}
    return tuple(name for name in SERVICES if needed.get(name, True))


def addresses_of(settings: Settings) -> dict[str, tuple[ServiceName, str]]:
    """Where each service shows its health and metrics: by a name to show it under, which service it is and host:port.

    Those of `services.addresses`, and for others their own ports on `services.host`. Raises ConfigurationError where an
    address is none.
    """
    found: dict[str, tuple[ServiceName, str]] = {}
    for entry in settings.services.addresses:
        name, equals, address = entry.partition("=")
        known = next((service for service in SERVICES if service == name), None)
        host, _, port = address.rpartition(":")
        if known is None or not equals or not host or not port.isdecimal():
            raise ConfigurationError(
                f"services.addresses has {entry!r}: write it as enrich=host:9101; services are {', '.join(SERVICES)}"
            )
        found[f"{name} on {address}" if name in found else name] = (known, address)
    for own in services_of(settings):
        found.setdefault(own, (own, f"{settings.services.host}:{getattr(settings.services, f'{own}_port')}"))
    return found


class Service(Protocol):
    """A module of this package: what a service does until it is told to stop."""

    def run(self, settings: Settings, monitor: Monitor, stop: threading.Event) -> None:
        """Work until `stop` is set, then finish what is in hand within 10 s and return.

        Raises TocsinError for what a person can mend; anything that could lose or falsify ends the process.
        """


def run_service(name: ServiceName, settings: Settings) -> None:
    """Run the service `name` in this process until SIGTERM or SIGINT; ends the process with a code.

    0: told to stop. 2: a setting, file or topic is wrong, starting again does not help. 1: anything else; a
    supervisor starts it again. Nothing is cleaned up after a failure: the next start reads the truth from Kafka.
    """
    configure_logs(name, settings.services.log_level)
    stop = threading.Event()

    def told(number: int, frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, told)
    signal.signal(signal.SIGINT, told)
    log = logging.getLogger("tocsin")
    code = 1
    try:
        monitor = Monitor(name, Progress(settings.services.stall_seconds))
        monitor.serve(settings.services.host, getattr(settings.services, f"{name}_port"))
        cast(Service, import_module(f"streams.services.{name}")).run(settings, monitor, stop)
        code = 0
    except TocsinError as error:
        code = 2 if isinstance(error, ConfigurationError) else 1
        log.error("%s", error)
    except BaseException as error:
        what = f"{type(error).__name__}: {error}"
        log.exception("the service ends, for it cannot be sure of what it did last: %s", what)
    finally:
        logging.shutdown()
        sys.stdout.flush()
        os._exit(code)
