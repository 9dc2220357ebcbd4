"""What a service shows of itself: Prometheus metrics, ``/healthz`` and ``/readyz`` on one port.

Healthy: the process answers. Ready: it makes progress, or there is nothing to do.
"""

import json
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import monotonic
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Gauge, GCCollector, ProcessCollector
from prometheus_client import generate_latest as exposition

from processors.errors import ConfigurationError

Clock = Callable[[], float]


class Progress:
    """When a service last got on. Thread-safe; seconds of a monotonic clock."""

    def __init__(self, stall_seconds: float, clock: Clock = monotonic) -> None:
        self._stall, self._clock = stall_seconds, clock
        self._latest = clock()
        self._waiting_for = "starting"
        self._stuck = False

    def made(self) -> None:
        """Work was finished, or there was none."""
        self._latest, self._waiting_for, self._stuck = self._clock(), "", False

    def waits_for(self, what: str) -> None:
        """What the service is waiting for, as `/readyz` tells it; it makes no progress until `made`."""
        self._waiting_for = what

    def stuck(self, on: str) -> None:
        """Something went wrong that waiting has not mended: not ready from now on, until `made`."""
        self._waiting_for, self._stuck = on, True

    @property
    def seconds(self) -> float:
        """Since the latest progress."""
        return self._clock() - self._latest

    @property
    def ready(self) -> bool:
        """Whether progress is recent and nothing is waited for at the start."""
        return self.seconds < self._stall and self._waiting_for != "starting" and not self._stuck

    def describe(self) -> dict[str, Any]:
        """For `/readyz`."""
        return {
            "ready": self.ready,
            "seconds_since_progress": round(self.seconds, 1),
            "waiting_for": self._waiting_for or None,
        }


class Monitor:
    """The registry of one service's metrics, and the small server that shows them."""

    def __init__(self, service: str, progress: Progress) -> None:
        self.registry = CollectorRegistry()
        self.progress = progress
        self._service = service
        ProcessCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        idle = Gauge(
            "tocsin_seconds_since_progress",
            "Seconds since the service last got on",
            ["service"],
            registry=self.registry,
        )
        idle.labels(service).set_function(lambda: self.progress.seconds)

    def serve(self, host: str, port: int) -> ThreadingHTTPServer:
        """Serve in a thread of its own until the process ends; port 0 takes a free one.

        Raises ConfigurationError where the port is taken.
        """
        try:
            server = ThreadingHTTPServer((host, port), _handler(self))
        except OSError as error:
            raise ConfigurationError(
                f"cannot serve health and metrics of {self._service} on {host}:{port}: {error.strerror}; "
                f"set services.{self._service}_port"
            ) from None
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, name="monitor", daemon=True).start()
        return server

    def answer(self, path: str) -> tuple[int, str, bytes]:
        """Status, content type and body of a request."""
        if path == "/metrics":
            return 200, CONTENT_TYPE_LATEST, exposition(self.registry)
        pages: Mapping[str, Callable[[], dict[str, Any]]] = {
            "/healthz": lambda: {"service": self._service},
            "/readyz": lambda: {"service": self._service, **self.progress.describe()},
        }
        page = pages.get(path)
        if page is None:
            return 404, "text/plain; charset=utf-8", b"/metrics, /healthz, /readyz\n"
        content = page()
        status = 200 if content.get("ready", True) else 503
        return status, "application/json", json.dumps(content).encode() + b"\n"


def _handler(monitor: Monitor) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, content_type, body = monitor.answer(self.path.partition("?")[0])
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Scrapes are not worth a line."""

    return Handler
