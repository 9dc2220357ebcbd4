"""A reader of CloudEvents that knows nothing of Tocsin: binary mode of the Kafka protocol binding 1.0."""

import json
import re
from collections.abc import Iterable
from datetime import datetime
from typing import Any


def event_of(headers: Iterable[tuple[str, bytes]], value: bytes) -> dict[str, Any]:
    """The event in a record; fails for what the specification forbids."""
    named = [name for name, _ in headers]
    assert len(named) == len(set(named)), "no attribute twice"
    attributes = {name: content.decode("utf-8") for name, content in headers}
    content_type = attributes.pop("content-type")
    event: dict[str, Any] = {name[3:]: text for name, text in attributes.items() if name.startswith("ce_")}
    assert event["specversion"] == "1.0"
    assert event["id"] and event["source"] and event["type"], "required, and not empty"
    assert all(re.fullmatch(r"[a-z0-9]{1,20}", name) for name in event), "names of attributes"
    assert re.fullmatch(r"[a-zA-Z][a-zA-Z0-9+.-]*:\S+", event["source"]), "a URI"
    assert datetime.fromisoformat(event["time"]).tzinfo is not None
    assert event.get("subject") != ""
    assert content_type == "application/json"
    return {**event, "datacontenttype": content_type, "data": json.loads(value)}
