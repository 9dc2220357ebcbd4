"""What the tests of the console show: a small store with hostile texts in it, and who asks the console."""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

from processors.messages import CompanyLink, Sentiment, Topic
from streams.settings import Settings
from streams.sqlite_store import SqliteStore
from streams.web.app import application
from streams.web.context import Context
from streams.web.server import WebServer
from streams.web.stores import Stores
from tests.streams.sample_messages import (
    NOON,
    alert,
    dead_letter,
    evidence,
    labelled_document,
    series_point,
    unlabelled,
)

HOUR = timedelta(hours=1)
_LETTERS = str.maketrans("0123456789", "ghijklmnop")
HOSTILE = '<script>window.owned=1</script><img src=x onerror="window.owned=1"> \u202egnirts desrever\u202c =1+1'


class Answer:
    """What a request came to."""

    def __init__(self, status: int, headers: Any, body: bytes) -> None:
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Caller:
    """Asks one console."""

    def __init__(self, address: str) -> None:
        self.address = address

    def __call__(self, path: str, body: Any = None, **headers: str) -> Answer:
        data = None if body is None else json.dumps(body).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if data is not None:
            named.setdefault("Content-Type", "application/json")
        request = urllib.request.Request(self.address.rstrip("/") + path, data, named)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return Answer(answer.status, answer.headers, answer.read())
        except urllib.error.HTTPError as error:
            return Answer(error.code, error.headers, error.read())


def _words(number: int) -> str:
    """Twelve words that no other number has."""
    digest = sha256(str(number).encode()).hexdigest()
    return " ".join(digest[at : at + 5].translate(_LETTERS) for at in range(0, 60, 5))


def fill(store: SqliteStore) -> None:
    """Two days of three companies: Boeing rings urgently and is full of hostile texts, a source is silent, one closed."""
    documents = []
    for number in range(120):
        company = ("BA", "AAPL", "UPS")[number % 3]
        label = ("negative", "neutral", "positive")[(number // 3) % 3]
        documents.append(
            labelled_document(
                str(number),
                source=("wire", "forum")[number % 2],
                title=f"{company} story number {number}",
                text=f"At the plant of {company}: {_words(number)}.",
                companies=(CompanyLink(company, company, 0, "ticker"),),
                sentiment=Sentiment(label, 0.6, 0.3, 0.1),  # type: ignore[arg-type]
                topic=Topic("company-product-news", 0.8),
                published_at=NOON - HOUR * 0.25 * number,
            )
        )
    documents.append(
        labelled_document(
            "evil", title=HOSTILE, text="=cmd|' /C calc'!A0", url="javascript:window.owned=1", author="<b>"
        )
    )
    documents.append(unlabelled(labelled_document("zh", title="波音公司暂停交付", text="")))
    store.write_documents(documents)
    for name, kind in (
        ("company:BA", "company"),
        ("company-topic:BA/company-product-news", "company-topic"),
        ("market:all", "market"),
        ("topic:company-product-news", "topic"),
        ("company:AAPL", "company"),
    ):
        store.write_points(
            [
                series_point(
                    series=name, kind=kind, start=NOON - HOUR * n, end=NOON - HOUR * (n - 1), novel_negative=n % 3
                )
                for n in range(1, 400)
            ]
        )
    hostile = evidence(
        1, identity="wire/evil", excerpt=f"{HOSTILE}\nmore", url="javascript:window.owned=1", author=HOSTILE
    )
    store.write_alerts(
        [
            alert("alert-1", tier="watch", at=NOON - 2 * HOUR, opened_at=NOON - 2 * HOUR),
            alert(
                "alert-2",
                at=NOON - HOUR,
                opened_at=NOON - 2 * HOUR,
                sequence=1,
                event="escalate",
                coordinated=True,
                evidence=(hostile, evidence(2)),
            ),
            alert(
                "alert-3",
                incident="incident-silent",
                series="source:forum",
                series_kind="source",
                kind="no-data",
                company=None,
                source="forum",
                tier="watch",
                share=None,
                evidence=(),
                terms=(),
            ),
            alert(
                "alert-4",
                incident="incident-old",
                series="company:AAPL",
                company="AAPL",
                event="close",
                sequence=3,
                at=NOON - 3 * HOUR,
            ),
        ]
    )
    store.write_dead_letters([dead_letter()])


def settings_for(path: Path, **web: Any) -> Settings:
    settings = Settings()
    return replace(settings, web=replace(settings.web, store=str(path), **web))


@contextmanager
def console_over(path: Path) -> Iterator[str]:
    """The address of a console that shows the store at `path`, really listening."""
    settings = settings_for(path)
    context = Context(settings, Stores(lambda: SqliteStore(path, create=False)))
    with WebServer(application(context), settings.web, or_next=True) as server:
        yield server.address
