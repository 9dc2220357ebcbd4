"""The pictures of the console in the README, taken anew.

Run: ``.venv/bin/python tests/web/pictures.py DIR`` with a folder that `tocsin demo --out DIR` wrote. They show the
invented market at the height of its loudest day.
"""

import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from browser import Browser
from web_console import settings_for

from processors.messages import TIERS, Alert
from streams.sqlite_store import STORE, SqliteStore
from streams.store import AlertQuery, DocumentQuery
from streams.web.app import application
from streams.web.context import Context
from streams.web.server import WebServer
from streams.web.stores import Stores

PICTURES = Path(__file__).parents[2] / "streams" / "web" / "pictures"
HEIGHT = datetime(2025, 9, 29, 16, 20, tzinfo=UTC)
SIZE = (1280, 860)


def cut(folder: Path, out: Path) -> list[Alert]:
    """What stood in the store of `folder` at the height, as a store at `out`; its alerts."""
    before, after = SqliteStore(folder / STORE, read_only=True), SqliteStore(out)
    after.write_documents(before.search(DocumentQuery(until=HEIGHT, limit=1_000_000)))
    for kind in ("company", "company-topic", "topic", "sector", "source", "market"):
        for series in before.series((kind,)):  # type: ignore[arg-type]
            after.write_points([point for point in before.points(series, until=HEIGHT) if point.end <= HEIGHT])
    alerts = before.alerts(AlertQuery(until=HEIGHT, limit=1_000_000))
    after.write_alerts(alerts)
    before.close()
    after.close()
    return alerts


def main(folder: Path) -> None:
    """Take both."""
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / STORE
        alerts = cut(folder, path)
        surges = [alert for alert in alerts if alert.company == "UPS" and alert.kind == "sentiment"]
        shown = max(surges, key=lambda alert: (TIERS.index(alert.tier), -alert.chance_per_year))
        settings = settings_for(path)
        context = Context(settings, Stores(lambda: SqliteStore(path, create=False)))
        with WebServer(application(context), settings.web, or_next=True) as server:
            browser = Browser(server.address, *SIZE)
            for name, address, theme in (
                ("now", "#/now", "light"),
                ("incident", f"#/incident/{shown.incident}", "dark"),
            ):
                browser.open(address, language="en", theme=theme)
                browser.one(".chart svg")
                time.sleep(2)
                browser.driver.save_screenshot(str(PICTURES / f"{name}.png"))
            browser.close()


if __name__ == "__main__":
    PICTURES.mkdir(exist_ok=True)
    main(Path(sys.argv[1]))
