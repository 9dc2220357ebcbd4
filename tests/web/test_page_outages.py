"""The page over the running service: whatever goes away is told, and what it shows goes on by itself once it is back."""

import json
import os
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil
import pytest
from browser import Browser

from models.repository import MODEL_NAME, write_repository
from processors.messages import Feedback
from streams.codec import decode
from streams.settings import DEFAULT_MODEL, load_settings
from streams.stack.ports import Ports
from streams.stack.services import Services
from streams.stack.stack import Stack
from streams.topics_admin import create_topics
from tests.patience import PATIENCE
from tests.services.kafka_client import Prefix
from tests.streams.sample_messages import alert

pytestmark = [pytest.mark.browser, pytest.mark.joint, pytest.mark.xdist_group("test_page_outages.py")]

NAMES = ("enrich", "detect", "index", "clock", "collect", "web")
INSTANT_MODEL = Path(__file__).parents[1] / "services" / "instant_model.py"


@dataclass
class Live:
    """A service of its own on real servers with a model that answers at once, and a file that its source is."""

    stack: Stack
    services: Services
    prefix: Prefix
    file: Path
    written: int = 0
    stop: threading.Event = field(default_factory=threading.Event)

    def write(self, count: int = 1) -> None:
        """Append documents of this moment to the file."""
        with self.file.open("a", encoding="utf-8") as file:
            for _ in range(count):
                self.written += 1
                now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
                text = f"Boeing and Apple fall on order number {self.written}"
                file.write(json.dumps({"id": str(self.written), "source": "desk-wire", "published_at": now, "text": text}) + "\n")  # fmt: skip

    def trickle(self) -> None:
        """A document a second, until told to stop."""
        while not self.stop.wait(1):
            self.write()

    def send(self, name: str, number: signal.Signals) -> None:
        """Send it to one of the services; whoever keeps them starts what ended again."""
        for child in psutil.Process(self.services.pid).children():
            with suppress(psutil.NoSuchProcess):
                if name in child.cmdline():
                    child.send_signal(number)


@pytest.fixture(scope="module")
def live() -> Iterator[Live]:
    missing = [tool for tool in ("java", "mvn") if shutil.which(tool) is None]
    if missing:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"the servers need {' and '.join(missing)}")
    with TemporaryDirectory(prefix="tocsin-live-") as place:
        folder = Path(place)
        folder.chmod(0o755)  # Elasticsearch of root's runs as another user
        with running_in(folder) as running:
            yield running


@contextmanager
def running_in(folder: Path) -> Iterator[Live]:
    """The whole service, with a document a second."""
    models, file, sources = folder / "models", folder / "desk-wire.jsonl", folder / "sources.toml"
    write_repository(models, DEFAULT_MODEL, "python", "cpu", threads=1)
    for version in (models / MODEL_NAME).glob("*/model.py"):
        shutil.copy(INSTANT_MODEL, version)
    file.touch()
    sources.write_text(
        f'[[source]]\nname = "desk-wire"\nkind = "news"\npath = "{file}"\nlicence = "L"\npurpose = "P"\n'
    )
    own = {"kafka.prefix": "live", "elasticsearch.prefix": "live", "collect.sources": str(sources)}
    options = [word for name, value in own.items() for word in ("--set", f"{name}={value}")]
    with Stack(folder / "stack", Ports.picked(), models=models, service_options=options, service_names=NAMES) as stack:
        stack.up()
        flags = {**stack.settings, **own}
        create_topics(load_settings(None, {}, flags))
        stack.services.start()
        running = Live(stack, stack.services, Prefix(flags), file)
        writer = threading.Thread(target=running.trickle)
        writer.start()
        try:
            yield running
        finally:
            running.stop.set()
            writer.join()


@pytest.fixture(scope="module")
def browser(live: Live) -> Iterator[Browser]:
    """One page that is opened once, and never loaded again."""
    opened = Browser(f"http://127.0.0.1:{live.stack.ports.console}/", wait=PATIENCE)
    opened.open(language="en", name="Ann")
    opened.run("window.opened = 'once'")
    yield opened
    assert opened.run("return window.opened") == "once", "the page was loaded again"
    opened.close()


def now_of(browser: Browser) -> dict[str, Any]:
    """What the page shows; nothing before it has loaded."""
    found: dict[str, Any] | None = browser.run("return import('/assets/live.js').then(module => module.live.now)")
    return found or {"latest": None}


def is_fresh(browser: Browser) -> bool:
    """Whether what was written a moment ago shows, with nothing to complain of."""
    latest = now_of(browser)["latest"]
    age = datetime.now(UTC) - datetime.fromisoformat(latest) if latest else None
    return age is not None and age.total_seconds() < 15 and not notice(browser)


def notice(browser: Browser) -> str:
    """What the page says to be wrong."""
    return str(browser.run("return document.getElementById('notice')?.innerText ?? 'nothing yet'"))


def says(browser: Browser, english: str, chinese: str) -> None:
    """Wait until the page says that in English, and the same in Chinese when asked."""
    browser.until(lambda: english in notice(browser), f"notice {english!r}")
    browser.picture(f"en {english[:24]}")
    browser.press("中文")
    browser.until(lambda: chinese in notice(browser), f"notice {chinese!r}")
    browser.picture(f"zh {english[:24]}")
    browser.press("English")


def recovers(browser: Browser) -> None:
    browser.until(lambda: is_fresh(browser), "recovery")


def test_what_is_written_shows_as_live(browser: Browser, live: Live) -> None:
    recovers(browser)
    browser.sees("Live", "UTC", "desk-wire", "Canary")
    browser.until(lambda: now_of(browser)["canary"]["seconds"] is not None, "canary that came through")
    browser.picture("well")


def test_without_elasticsearch_the_last_view_stays_and_every_page_comes_back(browser: Browser, live: Live) -> None:
    live.stack.elasticsearch.kill()
    says(browser, "The store does not answer · What you see is the last that was known.", "数据存储没有响应")
    browser.sees("desk-wire")
    browser.run("location.hash = '#/search?words=boeing'")
    browser.sees("This could not be loaded")
    browser.picture("search without a store")
    live.stack.elasticsearch.start()
    browser.sees("shown, newest first")  # asked again by itself
    browser.run("location.hash = '#/now'")
    recovers(browser)


def test_without_kafka_it_says_what_waits(browser: Browser, live: Live) -> None:
    live.stack.kafka.kill()
    says(browser, "Not everything gets through", "部分数据未能送达")
    browser.until(lambda: "Kafka" in notice(browser), "name of what is away")
    live.stack.kafka.start()
    recovers(browser)


def test_a_console_that_is_killed_comes_back_under_the_open_page(browser: Browser, live: Live) -> None:
    live.send("web", signal.SIGKILL)
    browser.until(lambda: "Connection lost" in notice(browser), "notice of a lost line")
    browser.picture("connection lost")
    recovers(browser)


def test_a_source_falls_silent_and_comes_back(browser: Browser, live: Live) -> None:
    live.send("collect", signal.SIGSTOP)
    says(browser, "collect does not answer", "collect 没有响应")
    browser.until(lambda: "2 min ago" in browser.one("[aria-label=Sources]").text, "age of the source")
    browser.picture("silent source")
    live.send("collect", signal.SIGKILL)
    recovers(browser)
    browser.until(lambda: now_of(browser)["sources"][0]["documents"] >= live.written - 15, "what was written meanwhile")


def test_a_burst_shows_while_it_lasts_and_the_page_stays_quick(browser: Browser, live: Live) -> None:
    before, slowest = live.written, 0.0
    for _ in range(20):
        live.write(300)
        began = time.monotonic()
        browser.run("return document.body.offsetHeight")
        slowest = max(slowest, time.monotonic() - began)
        time.sleep(0.7)
    browser.picture("burst")
    browser.until(lambda: now_of(browser)["sources"][0]["documents"] >= before + 6000, "all documents of the burst")
    assert now_of(browser)["volume"]["per_minute"] > 300
    assert slowest < 2, "a view blocks the page"
    recovers(browser)
    browser.picture("after the burst")


def test_what_a_person_says_reaches_the_topic(browser: Browser, live: Live) -> None:
    at = datetime.now(UTC)
    live.prefix.ring(alert("alert-live", incident="incident-live", at=at, opened_at=at, window_end=at))
    browser.sees("Boeing")
    browser.click(".card .cover")
    browser.press("Useful")
    browser.sees("Kept. Thank you.", "Ann: Useful")
    told: Callable[[], list[Feedback]] = lambda: [
        decode(Feedback, record.value) for record in live.prefix.records("feedback")[0]
    ]
    [feedback] = browser.until(told, "feedback on the topic")
    assert (feedback.incident, feedback.kind, feedback.by) == ("incident-live", "useful", "Ann")


def test_the_browser_had_nothing_to_complain_of_but_what_was_away(browser: Browser, live: Live) -> None:
    browser.collect()
    unexpected = [line for line in browser.complaints if "Failed to load resource" not in line]
    assert unexpected == []
    assert browser.elsewhere == []
