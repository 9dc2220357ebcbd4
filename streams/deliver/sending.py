"""One message to one channel: sent, or why not and what to do about it.

Webhooks follow the Standard Webhooks convention: the headers ``webhook-id``, ``webhook-timestamp`` and
``webhook-signature``, in which each secret signs id, timestamp and body (HMAC-SHA256). Redirects are never followed.
"""

import base64
import hashlib
import hmac
import logging
import ssl
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Final, Literal
from urllib.parse import quote

import httpcore
import httpx

from streams.channels import AppriseChannel, Channel, WebhookChannel
from streams.collect.addresses import AddressRefusedError, Deadline, Transport
from streams.collect.fetch import retry_seconds
from streams.deliver.delivery import Delivery
from streams.deliver.telling import TEST_WORDS, payload, test_payload, title, words
from streams.names import Names

Scope = Literal["message", "channel", "gone"]
"""What failed: this message only, the channel for the moment, or the channel for good."""

_GONE: Final = 410
_BUSY: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
_SHOWN: Final = 200


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a message did not arrive; `wait` is how many seconds the receiver wants to be left alone."""

    scope: Scope
    why: str
    wait: float | None = None


@dataclass(frozen=True, slots=True)
class Speech:
    """How messages are made and sent: `console` is an address that people are led to, `timeout` in seconds."""

    names: Names
    console: str = ""
    timeout: float = 8.0


def send(channel: Channel, delivery: Delivery, speech: Speech) -> Failure | None:
    """Send `delivery`; None where the channel took it. Takes as long as the time-out at most, and raises nothing."""
    if isinstance(channel, WebhookChannel):
        return post(channel, delivery.id, payload(delivery, speech.names), speech.timeout)
    thread = delivery.alert.incident if delivery.first else ""
    return notify(channel, title(delivery, speech.names), words(delivery, speech.names, speech.console), thread)


def send_test(channel: Channel, desk: str, id: str, at: str, speech: Speech) -> Failure | None:
    """Send a message that says that it is a test."""
    if isinstance(channel, WebhookChannel):
        return post(channel, id, test_payload(desk, at), speech.timeout)
    return notify(channel, f"Tocsin: test of the desk {desk}", TEST_WORDS, "")


def signature(keys: Iterable[bytes], id: str, timestamp: int, body: bytes) -> str:
    """The header ``webhook-signature``: one signature a key, so that a receiver with either secret accepts it."""
    signed = f"{id}.{timestamp}.".encode() + body
    digests = (hmac.new(key, signed, hashlib.sha256).digest() for key in keys)
    return " ".join(f"v1,{base64.b64encode(digest).decode()}" for digest in digests)


def post(channel: WebhookChannel, id: str, body: bytes, timeout: float) -> Failure | None:
    """Send one signed request."""
    timestamp = int(datetime.now(UTC).timestamp())
    headers = {
        "content-type": "application/json",
        "user-agent": "tocsin",
        "webhook-id": id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": signature(channel.keys(), id, timestamp, body),
    }
    transport = Transport(_tls(), Deadline(timeout), allow_private=channel.allow_private)
    try:
        with httpx.Client(transport=transport, timeout=timeout, trust_env=False) as client:
            request = client.build_request("POST", channel.url, content=body, headers=headers)
            answer = client.send(request, stream=True)  # what it says beside its status is not read
            answer.close()
    except AddressRefusedError as error:
        return Failure("channel", str(error))
    except (httpx.HTTPError, httpx.InvalidURL, httpcore.TimeoutException, httpcore.NetworkError) as error:
        return Failure("channel", f"no answer within {timeout:g} s: {error or type(error).__name__}"[:_SHOWN])
    except (httpcore.ProtocolError, httpcore.UnsupportedProtocol, OSError) as error:
        return Failure("channel", f"{type(error).__name__}: {error}"[:_SHOWN])
    return _judged(answer)


def _judged(answer: httpx.Response) -> Failure | None:
    status, told = answer.status_code, f"it answered {answer.status_code} {answer.reason_phrase}"[:_SHOWN]
    if answer.is_success:
        return None
    if status == _GONE:
        return Failure("gone", f"{told}: it wants no more messages")
    wait = retry_seconds(answer.headers.get("retry-after", ""), datetime.now(UTC))
    if status in _BUSY or wait is not None:
        return Failure("channel", told, wait)
    if answer.is_redirect:
        return Failure("message", f"{told}: redirects are not followed, set webhook to where it leads")
    return Failure("message", told)


def notify(channel: AppriseChannel, subject: str, body: str, thread: str) -> Failure | None:
    """Send by apprise. `thread` names what mail puts together; empty for nothing."""
    from apprise import Apprise, NotifyFormat

    url = channel.url
    if thread and url.startswith(("mailto://", "mailtos://")):
        reference = quote(f"<{thread}@tocsin>")
        url += f"{'&' if '?' in url else '?'}+References={reference}&+In-Reply-To={reference}"
    service = Apprise()
    if not service.add(url):
        return Failure("message", "apprise does not take the address with what is to be said")
    with _complaints() as heard:
        try:
            if service.notify(body=body, title=subject, body_format=NotifyFormat.TEXT):
                return None
        except Exception as error:  # noqa: BLE001 - whatever a plugin of it raises
            heard.append(f"{type(error).__name__}: {error}")
    return Failure("channel", f"apprise: {heard[-1] if heard else 'it did not say why'}"[:_SHOWN])


@contextmanager
def _complaints() -> Iterator[list[str]]:
    """What apprise logs in this thread meanwhile."""
    heard: list[str] = []
    here = threading.get_ident()

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.thread == here:
                with suppress(Exception):
                    heard.append(record.getMessage())

    listener, logger = Listener(logging.WARNING), logging.getLogger("apprise")
    logger.addHandler(listener)
    try:
        yield heard
    finally:
        logger.removeHandler(listener)


@cache
def _tls() -> ssl.SSLContext:
    return httpx.create_ssl_context(trust_env=False)
