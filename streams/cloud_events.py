"""Alerts as CloudEvents: the headers that make a record of `tocsin.alerts` an event that any tool can route.

Binary mode of the Kafka protocol binding 1.0: the attributes are headers, the value is the alert itself and stays what it
was. Every attribute follows from the alert and the prefix, so that writing it again says the same.
"""

from typing import Final

from processors.identity import format_instant
from processors.messages import SCHEMA_VERSION, Alert

EVENT_TYPE: Final = "tocsin.alert"
"""How the type of every event begins; after it stands what happened to the incident, as in ``tocsin.alert.open``."""

CONTENT_TYPE: Final = "application/json"
DATA_SCHEMA: Final = f"urn:tocsin:schema:alerts:{SCHEMA_VERSION}"


def event_type(alert: Alert) -> str:
    """The type of the event that `alert` is."""
    return f"{EVENT_TYPE}.{alert.event}"


def event_headers(alert: Alert, prefix: str) -> list[tuple[str, bytes]]:
    """The headers of the record of `alert` on the topics of `prefix`; source and id together name it for good."""
    attributes = {
        "ce_specversion": "1.0",
        "ce_id": alert.id,
        "ce_source": f"urn:tocsin:{prefix}",
        "ce_type": event_type(alert),
        "ce_subject": alert.series,
        "ce_time": format_instant(alert.at),
        "ce_dataschema": DATA_SCHEMA,
        "content-type": CONTENT_TYPE,
    }
    return [(name, value.encode("utf-8", "surrogatepass")) for name, value in attributes.items()]
