"""What we serve over HTTP listens: on a port of its own, in a thread of its own."""

import socket
import threading
from types import TracebackType
from typing import Final, Self

import uvicorn
from starlette.types import ASGIApp

from processors.errors import ConfigurationError
from streams.service_settings import PushSettings, WebSettings
from streams.web.guard import LOOPBACK

_TRIED: Final = 50
_STOP_SECONDS: Final = 3


class WebServer:
    """Serves `app` at `address` from entry to exit; a context manager.

    Takes the port that is set, or with `or_next` the next one that is free. Raises ConfigurationError where none is, or
    where others than this machine could reach it without a password or key.
    """

    def __init__(self, app: ASGIApp, settings: WebSettings | PushSettings, *, or_next: bool = False) -> None:
        check_open_to(settings)
        self._socket = _listening(settings, _TRIED if or_next else 1)
        self.port: int = self._socket.getsockname()[1]
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        self.address = f"http://{host}:{self.port}/"
        self.moved = self.port != settings.port
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=_STOP_SECONDS,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [self._socket]}, name="web", daemon=True
        )

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.should_exit = True
        self._thread.join(_STOP_SECONDS + 2)
        self._socket.close()

    @property
    def is_up(self) -> bool:
        """Whether it answers."""
        return bool(self._server.started) and self._thread.is_alive()


def check_open_to(settings: WebSettings | PushSettings) -> None:
    """Raises ConfigurationError where it would be open to a network without a password or key."""
    section, secret = _names(settings)
    if settings.host not in LOOPBACK and not getattr(settings, secret):
        raise ConfigurationError(
            f"{section}.host is {settings.host}, which others can reach: set {section}.{secret} too "
            f"(TOCSIN_{section.upper()}_{secret.upper()}), or leave {section}.host at 127.0.0.1"
        )


def _listening(settings: WebSettings | PushSettings, tries: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    why = ""
    for port in range(settings.port, min(settings.port + tries, 65_536)):
        listening = socket.socket(family, socket.SOCK_STREAM)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((settings.host, port))
            listening.listen()  # from here on requests wait until they are answered
        except OSError as error:
            listening.close()
            why = error.strerror or str(error)
        else:
            return listening
    section, _ = _names(settings)
    raise ConfigurationError(
        f"cannot listen on {settings.host}:{settings.port}: {why}; set {section}.port or {section}.host"
    )


def _names(settings: WebSettings | PushSettings) -> tuple[str, str]:
    """The section that `settings` are of, and the name in it of what strangers have to bring."""
    return ("web", "password") if isinstance(settings, WebSettings) else ("push", "key")
