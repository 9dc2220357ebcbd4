"""Where desks are told: webhooks for programs, everything that apprise reaches for people."""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Self, get_args
from urllib.parse import urlsplit

from processors.messages import IncidentEvent

EVERY_EVENT: Final[tuple[IncidentEvent, ...]] = get_args(IncidentEvent)
FOR_PEOPLE: Final[tuple[IncidentEvent, ...]] = ("open", "escalate", "close")
"""What people are told of an incident; its first event that rings a desk is always told."""

SECRET_PREFIX: Final = "whsec_"
_SECRET_BYTES: Final = range(24, 65)


@dataclass(frozen=True, slots=True)
class WebhookChannel:
    """A URL that is sent signed JSON (Standard Webhooks). Each of `secrets` signs, so that one can follow another; only
    public addresses unless `allow_private`."""

    name: str
    url: str = field(repr=False)
    secrets: tuple[str, ...] = field(repr=False)
    allow_private: bool = False
    events: tuple[IncidentEvent, ...] = EVERY_EVENT

    def check(self) -> None:
        """Raises ValueError, without the secrets, for what cannot work."""
        try:
            parts = urlsplit(self.url)
            known = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
        except ValueError:
            known = False
        if not known:
            raise ValueError("webhook is no URL of http or https")
        if parts.scheme == "http" and not self.allow_private:
            raise ValueError("webhook goes over plain http: use https, or say allow_private = true")
        if not self.secrets:
            raise ValueError("secrets: one at least signs each message; `openssl rand -base64 32` after whsec_ is one")
        self.keys()

    def keys(self) -> list[bytes]:
        """The keys that sign. Raises ValueError for a secret that is none."""
        found = []
        for number, secret in enumerate(self.secrets, start=1):
            try:
                key = base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
            except binascii.Error:
                key = b""
            if not secret.startswith(SECRET_PREFIX) or len(key) not in _SECRET_BYTES:
                raise ValueError(f"secret {number} is not {SECRET_PREFIX} and 24 to 64 bytes in base64")
            found.append(key)
        return found

    def telling(self, events: Sequence[IncidentEvent]) -> Self:
        """The same for these events only."""
        return replace(self, events=tuple(events))


@dataclass(frozen=True, slots=True)
class AppriseChannel:
    """An address that apprise knows: chat, e-mail, pagers, phones."""

    name: str
    url: str = field(repr=False)
    events: tuple[IncidentEvent, ...] = FOR_PEOPLE

    def check(self) -> None:
        """Raises ValueError, without the address, for one that apprise does not know."""
        from apprise import Apprise

        if Apprise.instantiate(self.url, suppress_exceptions=True) is None:
            scheme = self.url.partition("://")[0][:20]
            raise ValueError(f"apprise does not know this address of {scheme!a}: see its list of services")

    def telling(self, events: Sequence[IncidentEvent]) -> Self:
        """The same for these events only."""
        return replace(self, events=tuple(events))


Channel = WebhookChannel | AppriseChannel
