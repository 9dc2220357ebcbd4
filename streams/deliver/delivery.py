"""What is on its way to one channel of one desk."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from processors.identity import content_id
from processors.messages import SCHEMA_VERSION, Alert, Origin

MOST_IN_A_DIGEST: Final = 30
"""Without their evidence so many fit into a dead letter, from which they can be sent again."""

NOT_DELIVERED: Final = "not-delivered"
CHANNEL_GONE: Final = "channel-gone"
NO_CHANNEL: Final = "no-such-channel"
UNDELIVERED: Final = frozenset({NOT_DELIVERED, CHANNEL_GONE, NO_CHANNEL})
"""Reasons of dead letters that are deliveries: they can be sent again."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message: about one event of an incident, or a digest of what was held back while a desk was quiet.

    `id` follows from what it tells to whom, and stays the same however often it is sent. `first` is the id of the
    incident's first message on that channel, of a digest empty; `firsts` are those of its incidents. `since` is when it was decided on (UTC), `held_until`
    when the quiet ends that it waits for. `origin` is where the alert stands in the log.
    """

    id: str
    desk: str
    channel: str
    alerts: tuple[Alert, ...]
    first: str
    since: datetime
    origin: Origin
    held_until: datetime | None = None
    firsts: tuple[str, ...] = ()
    left_out: int = 0
    schema: int = SCHEMA_VERSION

    @property
    def alert(self) -> Alert:
        """The event that it tells of; of a digest the latest."""
        return self.alerts[-1]

    @property
    def thread(self) -> str:
        """What has to arrive in its order."""
        return self.alert.incident if self.first else self.id


def delivery_id(desk: str, channel: str, alert: str) -> str:
    """The id of the message that tells `desk` of an alert on `channel`."""
    return content_id("message", desk, channel, alert)


def digest_of(held: Sequence[Delivery], now: datetime) -> Delivery:
    """One message of what one desk's channel was spared while it was quiet: the latest event of each incident, the rarest
    by chance where there are too many. What was held is not empty; if it is one event only, that is told as ever."""
    latest = {delivery.alert.incident: delivery for delivery in held}
    first, *others = latest.values()
    if not others:
        return replace(first, held_until=None, since=now)
    rarest = sorted(latest.values(), key=lambda delivery: (delivery.alert.chance_per_year, delivery.alert.id))
    chosen = {delivery.id for delivery in rarest[:MOST_IN_A_DIGEST]}
    kept = [delivery for delivery in latest.values() if delivery.id in chosen]
    return Delivery(
        content_id("message", first.desk, first.channel, *(delivery.alert.id for delivery in latest.values())),
        first.desk,
        first.channel,
        tuple(replace(delivery.alert, evidence=(), terms=(), versions=()) for delivery in kept),
        "",
        now,
        kept[-1].origin,
        firsts=tuple(delivery.first for delivery in kept),
        left_out=len(latest) - len(kept),
    )
