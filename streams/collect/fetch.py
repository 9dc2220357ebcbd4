"""One look at a feed over HTTP: conditional, of bounded size and time, decompressed as it comes."""

import ssl
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache
from typing import Final

import httpcore
import httpx

from processors.errors import RetryableError
from streams.collect.addresses import AddressRefusedError, Deadline, Transport

MOST_REDIRECTS: Final = 5
LONGEST_RETRY: Final = 86_400.0
_SILENCE: Final = 10.0
"""Seconds without a byte after which a server is given up."""

_ACCEPT: Final = "application/atom+xml, application/rss+xml, application/xml;q=0.9, text/xml;q=0.8, */*;q=0.1"
_GZIP: Final = frozenset({"gzip", "x-gzip", "deflate"})


class FetchError(RetryableError):
    """A look that brought nothing: `outcome` is a stable slug that looks are counted by, `retry_after` (seconds) what the
    server asked for."""

    def __init__(self, outcome: str, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.outcome, self.retry_after = outcome, retry_after


@dataclass(frozen=True, slots=True)
class Validators:
    """By which a server tells whether anything is new, as it gave them."""

    etag: str = ""
    modified: str = ""


@dataclass(frozen=True, slots=True)
class Fetched:
    """What came: `body` decompressed, from `url` (the last one, after redirects)."""

    body: bytes
    content_type: str
    url: str
    validators: Validators


@dataclass(frozen=True, slots=True)
class Limits:
    """Most bytes of a body, decompressed, and seconds for all of it; `agent` is whom the server is told to hear from."""

    size: int
    seconds: float
    agent: str


def fetch(url: str, validators: Validators, limits: Limits, *, allow_private: bool = False) -> Fetched | None:
    """What is at `url`; None where it is as the `validators` say. Raises FetchError for anything else."""
    headers = {"User-Agent": limits.agent, "Accept": _ACCEPT, "Accept-Encoding": "gzip"}
    if validators.etag:
        headers["If-None-Match"] = validators.etag
    if validators.modified:
        headers["If-Modified-Since"] = validators.modified
    transport = Transport(_tls(), Deadline(limits.seconds), allow_private=allow_private)
    try:
        with httpx.Client(transport=transport, timeout=_SILENCE, trust_env=False) as client:
            return _follow(client, client.build_request("GET", url, headers=headers), limits)
    except AddressRefusedError as error:
        raise FetchError("refused-address", str(error)) from None
    except (httpx.TimeoutException, httpcore.TimeoutException) as error:
        why = f"{url}: no whole answer within {limits.seconds:g} s, or none for {_SILENCE:g} s"
        raise FetchError("timeout", why) from error
    except (httpx.RemoteProtocolError, httpcore.RemoteProtocolError) as error:
        raise FetchError("broken-answer", f"{url}: {error}") from error
    except (httpx.HTTPError, httpx.InvalidURL, httpcore.NetworkError, httpcore.ProtocolError, OSError) as error:
        raise FetchError("unreachable", f"{url}: {error or type(error).__name__}") from error
    except httpcore.UnsupportedProtocol as error:
        raise FetchError("unreachable", f"{url}: leads to what is no http or https address ({error})") from error


def _follow(client: httpx.Client, request: httpx.Request, limits: Limits) -> Fetched | None:
    for _ in range(MOST_REDIRECTS + 1):
        response = client.send(request, stream=True)
        try:
            if response.next_request is None:
                return _read(response, limits)
            request = response.next_request  # its body is not read: it may have no end
        finally:
            response.close()
    raise FetchError("redirects", f"{request.url}: redirected more than {MOST_REDIRECTS} times")


def _read(response: httpx.Response, limits: Limits) -> Fetched | None:
    status, headers = response.status_code, response.headers
    if status == httpx.codes.NOT_MODIFIED:
        return None
    if status != httpx.codes.OK:
        retry_after = retry_seconds(headers.get("retry-after", ""), datetime.now(UTC))
        raise FetchError(f"http-{status}", f"{response.url} answered {status} {response.reason_phrase}", retry_after)
    encoding = headers.get("content-encoding", "").strip().lower()
    if encoding not in _GZIP | {"", "identity"}:
        raise FetchError("unknown-encoding", f"{response.url} is sent as {encoding!a}, though gzip was asked for")
    parts = response.iter_raw()
    body = bytearray()
    for part in _inflated(parts) if encoding in _GZIP else parts:
        body += part
        if len(body) > limits.size:
            raise FetchError(
                "too-large", f"{response.url} is larger than {limits.size:,} bytes: set collect.feed_bytes"
            )
    validators = Validators(headers.get("etag", "")[:1000], headers.get("last-modified", "")[:100])
    return Fetched(bytes(body), headers.get("content-type", ""), str(response.url), validators)


def _inflated(parts: Iterator[bytes]) -> Iterator[bytes]:
    """What `parts` hold compressed, piece by piece, so that a bomb ends at the limit. Raises FetchError where they are
    damaged or end early."""
    piece: Final = 256 * 1024
    stream = zlib.decompressobj(wbits=47)  # gzip or zlib, by its first bytes
    try:
        for part in parts:
            left = part
            while left:
                if stream.eof:  # one more member follows
                    stream = zlib.decompressobj(wbits=47)
                yield stream.decompress(left, piece)
                left = stream.unused_data if stream.eof else stream.unconsumed_tail
        while not stream.eof and (more := stream.decompress(b"", piece)):
            yield more
    except zlib.error as error:
        raise FetchError("broken-answer", f"the compressed answer is damaged: {error}") from None
    if not stream.eof:
        raise FetchError("broken-answer", "the compressed answer ends early")


def retry_seconds(text: str, now: datetime) -> float | None:
    """The seconds that a `Retry-After` asks for (a number, or an HTTP date as seen from `now`), a day at most."""
    if text.strip().isdecimal():
        return min(float(text), LONGEST_RETRY)
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return None
    seconds = (at.replace(tzinfo=at.tzinfo or UTC) - now).total_seconds()
    return min(max(seconds, 0.0), LONGEST_RETRY)


@cache
def _tls() -> ssl.SSLContext:
    return httpx.create_ssl_context(trust_env=False)
