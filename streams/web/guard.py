"""What stands between a server of ours and strangers: a password or key, the address asked for, headers that keep texts
texts."""

import base64
import secrets
from collections.abc import Iterable
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from streams.web.problems import problem

_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; manifest-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

_HEADERS: Final = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}

LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})

USER: Final = "tocsin.user"
"""Where the scope says who asks: the name given with the password, empty without one."""


class Guard:
    """ASGI middleware. With `password`, every request has to bring it (HTTP Basic, under any name, or as a Bearer key).
    Without, only requests to a name of this machine (`hosts`) are answered, so that no page from elsewhere reaches in through a name that it
    points here. What changes something has to come from the console's own pages or from a program."""

    def __init__(self, app: ASGIApp, password: str, hosts: Iterable[str]) -> None:
        self._app = app
        self._password = password.encode()
        self._hosts = frozenset(hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        refusal = self._refusal(scope)
        await (refusal or self._app)(scope, receive, send_guarded)

    def _refusal(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        scope[USER] = ""
        if self._password:
            user, password = _credentials(headers.get("authorization", ""))
            if not secrets.compare_digest(password, self._password):
                challenge = {"WWW-Authenticate": 'Basic realm="Tocsin", charset="UTF-8"'}
                return problem(401, "this wants its password or key", challenge)
            scope[USER] = user
        elif _host(headers.get("host", "")) not in self._hosts:
            return problem(
                421, "this answers to this machine's own names only: with a password or key it answers to others"
            )
        origin = headers.get("origin")
        if scope["method"] not in ("GET", "HEAD") and origin and urlsplit(origin).netloc != headers.get("host"):
            return problem(403, "only this server's own pages may do this")
        return None


def _credentials(authorization: str) -> tuple[str, bytes]:
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return "", encoded.strip().encode("latin-1", "replace")  # as headers are read
    try:
        user, _, password = base64.b64decode(encoded, validate=True).partition(b":")
    except ValueError:
        return "", b""
    return (user.decode("utf-8", "replace")[:200], password) if scheme.lower() == "basic" else ("", b"")


def _host(header: str) -> str:
    return (urlsplit(f"//{header}").hostname or "") if header else ""
