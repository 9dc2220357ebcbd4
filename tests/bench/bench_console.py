"""How long the console takes for its first view, over a store of many documents.

Run: ``.venv/bin/python tests/bench/bench_console.py [--documents N] [--elastic]``. The documents span a year of 88
companies, with the series and incidents that such a year has; they are written first, into SQLite, or into a
local Elasticsearch that this script starts and ends. A view is everything that a browser asks for before it shows
the page: the page and its assets, the names, the view itself; each in a row, the best and the median of ten told, in
wall-clock and (of the server and this script together, for Elasticsearch without the node's) in processor time.
"""

import argparse
import itertools
import random
import shutil
import statistics
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import mkdtemp
from threading import BoundedSemaphore

from processors.labels import SENTIMENTS, TOPICS
from processors.messages import Alert, CompanyLink, LabelledDocument, SeriesPoint, Topic
from streams.elastic_bulk import Limits, bulk
from streams.elastic_client import connect
from streams.elastic_indices import Indices, install
from streams.elastic_store import ElasticStore
from streams.elastic_writes import Message, action_of
from streams.service_settings import ElasticsearchSettings
from streams.settings import Settings, load_master
from streams.sqlite_store import SqliteStore
from streams.stack.stack import Stack
from streams.store import Store
from streams.web.app import ASSETS, application
from streams.web.context import Context
from streams.web.server import WebServer
from streams.web.stores import Stores
from tests.streams.sample_messages import alert, labelled_document, series_point

END = datetime(2024, 12, 31, 23, tzinfo=UTC)
HOURS = 24 * 365
RECENT = 24 * 60
HOUR = timedelta(hours=1)
BATCH = 5_000
WRITERS = 3

PAGES = {
    "first view": ["/", *(f"/assets/{asset.name}" for asset in sorted(ASSETS.iterdir())), "/v1/names", "/v1/now"],
    "now alone": ["/v1/now"],
    "incident": ["/v1/incidents/incident-3"],
    "trend, a week": ["/v1/series/company:AAPL?days=7"],
    "trend, a year": ["/v1/series/company:AAPL?days=365"],
    "stories, 30 days": ["/v1/stories/company:AAPL?days=30"],
    "search, two words": ["/v1/documents?words=outlook+plant"],
    "desk": ["/v1/desk?" + "&".join(f"series=company:{name}" for name in ("AAPL", "BA", "UPS")) + "&budget=1"],
    "status": ["/v1/status"],
}


def documents(count: int, companies: list[str]) -> Iterator[LabelledDocument]:
    """Spread evenly over the year, the latest last."""
    words = "outlook plant strike margin recall upgrade guidance court supply demand merger bond yield price".split()
    chance = random.Random(7)
    step = timedelta(days=365) / count
    for number in range(count):
        company = companies[min(int(chance.expovariate(0.06)), len(companies) - 1)]
        yield labelled_document(
            str(number),
            source=f"source-{number % 12}",
            title=f"{company}: {' '.join(chance.choices(words, k=6))} {number}",
            text=" ".join(chance.choices(words, k=25)),
            companies=(CompanyLink(company, company, 0, "ticker"),),
            sentiment=replace(labelled_document().sentiment, label=SENTIMENTS[number % 3]),
            topic=Topic(TOPICS[number % 20], 0.8),
            published_at=END - step * (count - number),
        )


def points(companies: list[str]) -> Iterator[SeriesPoint]:
    """Every hour of the year of the market and one company, of the last two months of every company, topic and companies'
    first topics."""
    wide = [("market:all", "market"), *((f"topic:{topic}", "topic") for topic in TOPICS)]
    for name, kind in [*((f"company:{company}", "company") for company in companies), *wide]:
        for hour in range(HOURS if name in ("market:all", "company:AAPL") else RECENT):
            yield series_point(series=name, kind=kind, start=END - HOUR * (hour + 1), surprise=(hour * 7 % 50) / 10)
    for company, topic, hour in itertools.product(companies, TOPICS[:3], range(RECENT)):
        name = f"company-topic:{company}/{topic}"
        yield series_point(series=name, kind="company-topic", start=END - HOUR * (hour + 1), surprise=(hour % 40) / 10)


def alerts(companies: list[str]) -> Iterator[Alert]:
    """Two thousand incidents of three events each; the latest thirty are open."""
    for number in range(2_000):
        at = END - timedelta(days=365) * number / 2_000
        for sequence, event in enumerate(
            ("open", "escalate", "close") if number >= 30 else ("open", "escalate", "update")
        ):
            yield alert(
                f"alert-{number}-{sequence}",
                incident=f"incident-{number}",
                sequence=sequence,
                event=event,
                at=at - HOUR * (2 - sequence),
                opened_at=at - HOUR * 2,
                window_end=at - HOUR * (2 - sequence),
                series=f"company:{companies[number % len(companies)]}",
                company=companies[number % len(companies)],
            )


def fill(store: Store, count: int, companies: list[str]) -> None:
    """Write everything."""
    for records, write in (
        (documents(count, companies), store.write_documents),
        (points(companies), store.write_points),
        (alerts(companies), store.write_alerts),
    ):
        while batch := list(itertools.islice(records, BATCH)):
            write(batch)  # type: ignore[operator]


def fill_elastic(settings: ElasticsearchSettings, count: int, companies: list[str]) -> None:
    """Write everything, each record once and unclaimed, several requests at a time: only what is found is measured."""
    indices, limits = Indices(settings), Limits(BATCH)
    with connect(settings) as client, ThreadPoolExecutor(WRITERS) as pool:
        install(client, indices)
        slots = BoundedSemaphore(2 * WRITERS)

        def write(batch: list[Message]) -> int:
            try:
                actions = [replace(action_of(message, indices), claimed=False) for message in batch]
                while actions:  # a node that is short of memory puts off what it cannot take now
                    results = bulk(client, actions, limits)
                    wrong = [result for result in results if result.outcome not in ("created", "retry")]
                    assert not wrong, wrong[:3]
                    pairs = zip(actions, results, strict=True)
                    actions = [action for action, result in pairs if result.outcome == "retry"]
                    time.sleep(bool(actions))
                return len(batch)
            finally:
                slots.release()

        records = itertools.chain(documents(count, companies), points(companies), alerts(companies))
        writing = []
        while batch := list(itertools.islice(records, BATCH)):
            slots.acquire()
            writing.append(pool.submit(write, batch))
        print(f"{sum(future.result() for future in writing):,} records written", file=sys.stderr)
        client.options(request_timeout=300).indices.refresh(index=f"{settings.prefix}-*")


def measure(opener: Callable[[], Store], settings: Settings) -> None:
    """Print each page's figures."""
    with WebServer(application(Context(settings, Stores(opener))), settings.web, or_next=True) as server:
        for name, paths in PAGES.items():
            walls, processors, size = [], [], 0
            for _ in range(2 if name == "status" else 10):  # without the services it waits for each in vain
                wall, processor, size = time.perf_counter(), time.process_time(), 0
                for path in paths:
                    with urllib.request.urlopen(server.address.rstrip("/") + path, timeout=60) as answer:
                        size += len(answer.read())
                walls.append(time.perf_counter() - wall)
                processors.append(time.process_time() - processor)
            print(
                f"{name:<18} wall {min(walls):.3f} s best, {statistics.median(walls):.3f} s median, "
                f"first {walls[0]:.3f} s; processor {statistics.median(processors):.3f} s; {size / 1000:,.0f} kB"
            )


def main() -> None:
    """Fill and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=int, default=200_000)
    parser.add_argument("--elastic", action="store_true")
    given = parser.parse_args()
    settings = Settings()
    companies = list(load_master(settings).companies)
    folder = Path(mkdtemp(prefix="tocsin-console-"))
    folder.chmod(0o755)  # Elasticsearch of root's runs as another user
    try:
        began = time.process_time()
        if not given.elastic:
            settings = replace(settings, web=replace(settings.web, store=str(folder / "bench.sqlite")))
            store: Store = SqliteStore(folder / "bench.sqlite")
            fill(store, given.documents, companies)
            size = (folder / "bench.sqlite").stat().st_size / 1e6
            print(
                f"SQLite, {given.documents:,} documents, {size:,.0f} MB, written in {time.process_time() - began:.0f} s"
            )
            measure(lambda: SqliteStore(folder / "bench.sqlite", create=False), settings)
            return
        with Stack(folder) as stack:
            stack.up({"elasticsearch"})
            elastic = replace(settings.elasticsearch, servers=(stack.elasticsearch.address,))
            settings = replace(settings, elasticsearch=elastic)
            wall = time.perf_counter()
            fill_elastic(elastic, given.documents, companies)
            took = time.perf_counter() - wall
            ours = time.process_time() - began
            print(f"Elasticsearch, {given.documents:,} documents, written in {took:.0f} s, {ours:.0f} s of them ours")
            measure(lambda: ElasticStore(elastic), settings)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
