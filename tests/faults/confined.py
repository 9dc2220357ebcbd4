"""A process that ends at once when its own code reaches for any address but those of its settings."""

import os
import re
import sys
from typing import Any

_HERE = (None, "", "127.0.0.1", "localhost", "::1", "0.0.0.0")


def arm() -> None:
    """From now on. What native libraries connect to themselves (gRPC) is not seen."""
    ports = {int(port) for word in sys.argv for port in re.findall(r"127\.0\.0\.1:(\d+)", word)}

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        match event, arguments:
            case "socket.connect", (_, (str(host), int(port), *_)) if host not in _HERE or port not in ports:
                _end(f"{event} {host}:{port}")
            case (("socket.getaddrinfo" | "socket.gethostbyname"), (host, *_)) if _text(host) not in _HERE:
                _end(f"{event} {host}")
            case "urllib.Request", (url, *_) if not str(url).startswith("http://127.0.0.1:"):
                _end(f"{event} {url}")

    sys.addaudithook(watch)


def _text(host: Any) -> Any:
    return host.decode() if isinstance(host, bytes) else host


def _end(what: str) -> None:
    os.write(2, f"reached for what nobody told it of: {what}\n".encode())
    os._exit(2)
