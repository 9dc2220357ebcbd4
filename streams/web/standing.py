"""The page *Status*: how much there is, how fresh it is, and how the services are where there are any."""

from datetime import timedelta
from typing import Any

from processors.identity import format_instant
from streams.settings import Settings
from streams.status import as_record, read_status
from streams.store import Store
from streams.web.plain import plain
from streams.web.present import Present


def standing_view(store: Store, settings: Settings, present: Present) -> dict[str, Any]:
    """JSON-ready. Asks Kafka and the services only where the store is Elasticsearch, in a few seconds at worst."""
    counts = store.counts()
    return {
        "at": format_instant(present.at),
        "latest": format_instant(present.latest) if present.latest else None,
        "live": present.live,
        "store": settings.web.store or ", ".join(settings.elasticsearch.servers),
        "counts": plain(counts),
        "sources": [plain(state) for state in store.sources(present.at - timedelta(days=1))],
        "services": None if settings.web.store else as_record(read_status(settings)),
    }
