"""Connections to where a stranger's name leads: only to public addresses, and never for longer than allowed.

A name is resolved once, and what is connected to is the address that was checked: a name that means something else a
moment later (DNS rebinding) leads nowhere else. Redirects come through here too.
"""

import ipaddress
import socket
import ssl
from collections.abc import Iterable, Iterator
from time import monotonic
from typing import Any, Final

import httpcore
import httpx

_LOOKED_AT: Final = 4
"""Addresses of one name that are tried."""

_TRANSLATED: Final = ipaddress.ip_network("64:ff9b::/96")
"""IPv4 addresses as networks without IPv4 write them (RFC 6052)."""


class AddressRefusedError(Exception):
    """A name leads to no public address."""


def is_public(address: str) -> bool:
    """Whether `address` is one of the internet's own: not loopback, private, link-local, shared, multicast or reserved,
    nor one of IPv6 that stands for such an address."""
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        inner = found.ipv4_mapped or found.sixtofour or (found.teredo[1] if found.teredo else None)
        if found in _TRANSLATED:
            inner = ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)
        if inner is not None:
            found = inner
    return found.is_global and not found.is_multicast


class Deadline:
    """An instant of the monotonic clock by which everything has to be over."""

    def __init__(self, seconds: float) -> None:
        self._at = monotonic() + seconds

    def within(self, timeout: float | None) -> float:
        """`timeout`, or what is left if that is less. Raises httpcore.ReadTimeout where nothing is left."""
        left = self._at - monotonic()
        if left <= 0:
            raise httpcore.ReadTimeout("it took too long in all")
        return left if timeout is None else min(timeout, left)


class _Stream(httpcore.NetworkStream):
    """A connection of which each read and write ends by the deadline: who sends a byte now and then is cut off."""

    def __init__(self, inner: httpcore.NetworkStream, deadline: Deadline) -> None:
        self._inner, self._deadline = inner, deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, self._deadline.within(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, self._deadline.within(timeout))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        secured = self._inner.start_tls(ssl_context, server_hostname, self._deadline.within(timeout))
        return _Stream(secured, self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


class _Backend(httpcore.NetworkBackend):
    def __init__(self, deadline: Deadline, *, allow_private: bool) -> None:
        self._deadline, self._allow_private = deadline, allow_private
        self._inner = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        failure: Exception = httpcore.ConnectError(f"{host} has no address")
        for address in self._addresses(host, port):
            try:
                within = self._deadline.within(timeout)
                stream = self._inner.connect_tcp(address, port, within, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
            else:
                return _Stream(stream, self._deadline)
        raise failure

    def connect_unix_socket(self, path: str, timeout: float | None = None, socket_options: Any = None) -> Any:
        raise AddressRefusedError(f"{path} is no address of a host")

    def _addresses(self, host: str, port: int) -> list[str]:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError(f"{host}: {error}") from error
        addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
        allowed = addresses if self._allow_private else [address for address in addresses if is_public(address)]
        if addresses and not allowed:
            raise AddressRefusedError(
                f"{host} leads to {addresses[0]}, which is no public address; if that is meant, say allow_private = true"
            )
        return allowed[:_LOOKED_AT]


class _Body(httpx.SyncByteStream):
    def __init__(self, inner: Iterable[bytes]) -> None:
        self._inner = inner

    def __iter__(self) -> Iterator[bytes]:
        yield from self._inner

    def close(self) -> None:
        if hasattr(self._inner, "close"):
            self._inner.close()


class Transport(httpx.BaseTransport):
    """What an httpx client sends by: connections of its own, over by `deadline`, to public addresses unless
    `allow_private`. Raises httpcore's exceptions as they are, and AddressRefusedError."""

    def __init__(self, tls: ssl.SSLContext, deadline: Deadline, *, allow_private: bool) -> None:
        backend = _Backend(deadline, allow_private=allow_private)
        self._pool = httpcore.ConnectionPool(ssl_context=tls, network_backend=backend, max_connections=4)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request; the body comes while it is read."""
        url = httpcore.URL(
            scheme=request.url.raw_scheme, host=request.url.raw_host, port=request.url.port, target=request.url.raw_path
        )
        answer = self._pool.handle_request(
            httpcore.Request(
                request.method, url, headers=request.headers.raw, content=request.stream, extensions=request.extensions
            )
        )
        return httpx.Response(
            answer.status,
            headers=answer.headers,
            stream=_Body(answer.stream),  # type: ignore[arg-type]  # the synchronous pool's
            extensions=answer.extensions,
        )

    def close(self) -> None:
        """Close every connection."""
        self._pool.close()
