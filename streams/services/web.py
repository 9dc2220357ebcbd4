"""`tocsin run web`: the console."""

import logging
import threading
from typing import Final

from prometheus_client import Gauge

from streams.services.monitor import Monitor
from streams.settings import Settings
from streams.web.app import application
from streams.web.context import Context
from streams.web.outbox import Outbox
from streams.web.server import WebServer, check_open_to
from streams.web.stores import Stores, opener_of

_LOOK_SECONDS: Final = 1.0

log = logging.getLogger(__name__)


def run(settings: Settings, monitor: Monitor, stop: threading.Event) -> None:
    """Serve the console until `stop` is set. Its pages say themselves what is away meanwhile: it is ready while it
    answers. Raises ConfigurationError for a port that is taken, a store that is none, or a way in without a password."""
    check_open_to(settings.web)
    stores = Stores(opener_of(settings, log.warning))
    outbox = None if settings.web.store else Outbox(settings.kafka)
    if outbox is not None:
        waiting = Gauge(
            "tocsin_feedback_waiting", "Feedback that is kept but not sent to its topic yet", registry=monitor.registry
        )
        waiting.set_function(lambda: outbox.waiting)
    with WebServer(application(Context(settings, stores, outbox)), settings.web) as server:
        print(f"The console is at {server.address}", flush=True)
        while not stop.wait(_LOOK_SECONDS):
            if server.is_up:
                monitor.progress.made()
