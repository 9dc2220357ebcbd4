"""What a message says: to programs as JSON, to people in a few lines.

Texts of strangers stay texts: on one line each, without characters that steer, and without what chats take for a mention.
"""

from collections.abc import Iterator
from typing import Any, Final

from processors.identity import canonical_json, format_instant
from processors.messages import Alert
from processors.reasons import how_often
from streams.alert_view import EVENTS
from streams.cloud_events import event_type
from streams.deliver.delivery import Delivery
from streams.names import Names
from streams.terminal import visible

DIGEST_TYPE: Final = "tocsin.digest"
TEST_TYPE: Final = "tocsin.test"
TEST_WORDS: Final = "This is a test: nothing happened. The channel works."

_EVIDENCE: Final = 3
_EXCERPT: Final = 240


def payload(delivery: Delivery, names: Names) -> bytes:
    """The JSON of a webhook: `type`, `timestamp` (when it rang) and `data`. The same delivery says the same each time.

    `data` of one event holds the alert as it stands on its topic, the series' name, and `first`: the id of the first
    message about that incident, which this one continues or replaces. That of a digest holds several of these without
    evidence; what comes later names the same `first`, though no message has that id.
    """
    alert = delivery.alert
    data: dict[str, Any] = {"desk": delivery.desk}
    if delivery.first:
        kind = event_type(alert)
        data |= {"first": delivery.first, "name": names.series(alert.series), "alert": alert}
    else:
        kind = DIGEST_TYPE
        pairs = zip(delivery.firsts, delivery.alerts, strict=True)
        data["alerts"] = [{"first": first, "name": names.series(one.series), "alert": one} for first, one in pairs]
        data["left_out"] = delivery.left_out
    return canonical_json({"type": kind, "timestamp": format_instant(alert.at), "data": data})


def test_payload(desk: str, at: str) -> bytes:
    """The JSON by which an operator sees that a webhook works."""
    return canonical_json({"type": TEST_TYPE, "timestamp": at, "data": {"desk": desk, "text": TEST_WORDS}})


def title(delivery: Delivery, names: Names) -> str:
    """The title for people: of one incident always the same, by which mail and chats put its messages together."""
    if not delivery.first:
        return f"Tocsin: {len(delivery.alerts) + delivery.left_out} incidents while it was quiet"
    alert = delivery.alert
    return f"Tocsin: {plain(names.series(alert.series))}, {alert.opened_at:%d %b %H:%M} UTC"


def words(delivery: Delivery, names: Names, console: str) -> str:
    """The lines for people; `console` is where the console is, empty for nowhere."""
    if not delivery.first:
        parts = [f"{_head(alert)}\n{plain(alert.reason)}" for alert in delivery.alerts]
        if delivery.left_out:
            parts.append(f"… and {delivery.left_out} more.")
        return "\n\n".join(parts)
    return "\n".join(_lines(delivery.alert, names, console))


def plain(text: str) -> str:
    """A stranger's text on one line; nothing in it calls somebody, or everybody, in a chat."""
    return visible(text).replace("@", "@\u2060").replace("<!", "<\u2060!")


def _lines(alert: Alert, names: Names, console: str) -> Iterator[str]:
    yield _head(alert)
    yield plain(alert.reason)
    if alert.event != "close":
        for document in alert.evidence[:_EVIDENCE]:
            text = plain(document.excerpt)
            shortened = text[:_EXCERPT] + ("…" if len(text) > _EXCERPT else "")
            yield f"· {document.published_at:%d %b %H:%M} {plain(document.source)}: {shortened}"
        if len(alert.evidence) > _EVIDENCE:
            yield f"… and {len(alert.evidence) - _EVIDENCE} more documents"
    if console:
        yield f"{console.rstrip('/')}/#/incident/{alert.incident}"


def _head(alert: Alert) -> str:
    often = f"by chance {how_often(alert.chance_per_year)}"
    return f"{alert.tier.upper()} · {alert.kind} incident {EVENTS[alert.event]} · {often}"
