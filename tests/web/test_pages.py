"""The pages in a real browser: what a visitor sees and does, in both languages, at a desk and on a phone."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from browser import Browser
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from web_console import HOUR, Caller, settings_for

from streams.sqlite_store import SqliteStore
from streams.web.app import application
from streams.web.context import Context
from streams.web.server import WebServer
from streams.web.stores import Stores
from tests.streams.sample_messages import NOON, alert, labelled_document

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

PLACES = ["#/now", "#/incident/incident-77", "#/incident/incident-silent", "#/series/company%3ABA%7Ecompany%3AAAPL?days=30",
          "#/series/company%3ABA?days=7", "#/search?words=plant", "#/desk", "#/status", "#/series", "#/nowhere"]  # fmt: skip


@pytest.fixture
def browser(console: Caller) -> Iterator[Browser]:
    """A desktop window that complains of nothing and asks nobody else."""
    opened = Browser(console.address)
    yield opened
    opened.collect()
    opened.close()
    assert opened.complaints == []
    assert [
        url for url in opened.requests if not url.startswith((console.address, "about:blank", "data:image/svg+xml"))
    ] == []


def test_a_visitor_sees_what_rings_and_understands_why(browser: Browser) -> None:
    browser.open(language="en")
    browser.sees("Ringing now", "Boeing", "Urgent", "14 new negative stories in 4 hours, usually 2.1", "Market pulse")
    browser.click(".card .cover")
    browser.sees(
        "Why did this ring?",
        "14 new negative stories came in",
        "2.1 were to be expected, and hardly ever more than 6",
        "70 % of 20 stories are negative, where 27 % are usual",
        "about once in 32 years",
        "Less than 9 new negative stories",
        "one text pushed by many accounts at once",
        "got louder",
        "Another model labelled this",
    )
    assert browser.driver.find_elements(By.CSS_SELECTOR, ".chart svg .firing")


@pytest.mark.parametrize(
    "place", ["#/incident/incident-77", "#/search?words=gnirts", "#/series/company%3ABA?days=7", "#/now"]
)
def test_hostile_texts_stay_texts(browser: Browser, place: str) -> None:
    browser.open(place, language="en")
    browser.sees("<script>window.owned=1</script><img src=x onerror")
    assert browser.run("return window.owned === undefined && !document.querySelector('main script, main img')")
    assert "\u202e" not in browser.text
    schemes = browser.run(
        "return [...new Set([...document.querySelectorAll('a')].map(a => new URL(a.href.baseVal ?? a.href, location).protocol))]"
    )
    assert set(schemes) <= {"http:", "https:"}


def test_what_a_person_does_is_kept_and_shown(browser: Browser, store_path: Path) -> None:
    browser.open("#/incident/incident-77", language="en")
    browser.press("Acknowledge")
    browser.one("input[name=by]").send_keys("Ann", Keys.ENTER)  # who is asked for once
    browser.sees("Seen by Ann")
    browser.press("Assign")
    field = browser.one(".inline-form input")
    field.clear()
    field.send_keys("Bob", Keys.ENTER)
    browser.sees("with Bob")
    browser.one(".feedback input").send_keys("The factory reopened")
    browser.press("False alarm")
    browser.sees("Kept. Thank you.", "Ann: False alarm – The factory reopened")
    browser.press("Mute")
    browser.press("8 h")
    browser.sees("muted until")
    browser.open("#/now")
    browser.sees("Ringing now", "Muted")
    browser.until(lambda: not browser.driver.find_elements(By.CSS_SELECTOR, ".card"), "no card of what is muted")
    store = SqliteStore(store_path, read_only=True)
    assert [one.kind for one in store.feedback("incident-77")] == ["acknowledge", "assign", "false-alarm", "mute"]
    store.close()


def test_language_and_theme_are_chosen_once_and_kept(browser: Browser) -> None:
    browser.open(language="en", theme="light")
    browser.sees("Ringing now")
    browser.press("中文")
    browser.sees("正在报警", "波音", "市场脉搏", "4 小时内 14 条新的负面报道，平常 2.1 条")
    browser.click("button[aria-label='浅色或深色']")
    browser.open("#/incident/incident-77")
    browser.sees("为什么报警？", "怎样就不会报警？", "新的负面报道少于 9 条")
    assert browser.run("return [document.documentElement.lang, document.documentElement.dataset.theme]") == [
        "zh-Hans",
        "dark",
    ]


def test_everything_is_reached_by_keys(browser: Browser) -> None:
    browser.open(language="en")
    browser.sees("Boeing")
    body = browser.one("body")
    body.send_keys(Keys.TAB)
    assert browser.driver.switch_to.active_element.text == "Skip to the content"
    body.send_keys("j")
    browser.driver.switch_to.active_element.send_keys(Keys.ENTER)
    browser.sees("Why did this ring?")
    for key, heading in (("2", "Trends"), ("3", "Search"), ("4", "Desk"), ("5", "Status"), ("1", "Now")):
        browser.run("document.activeElement.blur()")
        browser.one("body").send_keys(key)
        browser.until(lambda said=heading: browser.one("nav [aria-current]").text == said, f"page {heading}")
    browser.open("#/incident/incident-77")
    browser.one(".chart svg").send_keys(Keys.END)
    browser.sees("Expected: 0.7 (0 – 3)")


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_page_fits_a_phone_and_names_what_it_offers(browser: Browser, language: str) -> None:
    browser.resize(400, 860)
    for place in PLACES:
        browser.open(place, language=language, theme="dark")
        browser.one("main h1")
        browser.until(lambda: not browser.driver.find_elements(By.CSS_SELECTOR, ".waiting"), "loaded page")
        assert browser.run("return document.documentElement.scrollWidth") <= 400, place
        nameless = browser.run(
            "return [...document.querySelectorAll('a, button, input, select, summary, [role=img], progress')]"
            ".filter(e => !(e.getAttribute('aria-label') || e.textContent.trim() || e.title || e.labels?.length))"
            ".map(e => e.outerHTML)"
        )
        assert nameless == [], place
        assert "undefined" not in browser.text and "NaN" not in browser.text, place


def test_trends_compare_and_remember_their_range(browser: Browser) -> None:
    browser.open("#/series/company%3ABA?days=7", language="en")
    browser.sees("Net sentiment", "Novel stories")
    field = browser.one(".picker-field")
    field.send_keys("apple", Keys.ENTER)
    browser.until(lambda: len(browser.driver.find_elements(By.CSS_SELECTOR, ".chosen li")) == 2, "second series")
    browser.press("30 days")
    browser.until(lambda: "days=30" in browser.driver.current_url, "range in the address")
    assert len(browser.until(lambda: browser.driver.find_elements(By.CSS_SELECTOR, ".trend"), "lines")) == 2


def test_search_filters_and_exports_what_it_shows(browser: Browser, console: Caller) -> None:
    browser.open("#/search", language="en")
    browser.one("input[name=words]").send_keys("plant boeing-or-not")
    browser.one("input[name=words]").clear()
    browser.one("input[name=words]").send_keys("plant")
    browser.one("select[name=company]").send_keys("Boeing")
    browser.press("Find")
    browser.sees("40 shown, newest first")
    link = browser.one("a[download]").get_attribute("href")
    assert link and console(link.removeprefix(console.address.rstrip("/"))).body.count(b"\r\n") == 41


def test_a_desk_tells_what_it_would_have_rung_and_is_used(browser: Browser) -> None:
    browser.open("#/desk", language="en")
    browser.sees("In the last 30 days this desk would have rung")
    browser.press("Use this desk in this browser")
    browser.sees("In use")
    browser.open("#/now")
    browser.sees("My desk")


def test_an_alarm_rings_on_the_open_page_and_a_lost_line_is_told(store_path: Path) -> None:
    settings = settings_for(store_path)
    context = Context(settings, Stores(lambda: SqliteStore(store_path, create=False)))
    server = WebServer(application(context), settings.web, or_next=True)
    fixed = replace(settings, web=replace(settings.web, port=server.port))
    browser = Browser(server.address)
    try:
        with server:
            browser.open("#/status", language="en")
            browser.sees("Documents")
            browser.until(lambda: "As of" in browser.text, "first push")
            writer = SqliteStore(store_path)
            writer.write_documents([labelled_document("later", published_at=NOON + HOUR)])
            new = alert("alert-9", incident="incident-9", series="company:UPS", company="UPS", tier="flash", at=NOON + HOUR,
                        opened_at=NOON + HOUR)  # fmt: skip
            writer.write_alerts([new])
            writer.close()
            browser.one(".toast.tier-flash")
            browser.click(".toast a")
            browser.sees("Why did this ring?", "UPS")
        browser.sees("Connection lost")
        with WebServer(application(Context(fixed, Stores(lambda: SqliteStore(store_path, create=False)))), fixed.web):
            browser.until(lambda: "Connection lost" not in browser.text, "line that is back")
    finally:
        browser.close()


def test_a_store_that_is_away_is_told_and_what_was_known_stays(
    store_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from processors.errors import RetryableError

    settings = settings_for(store_path)
    context = Context(settings, Stores(lambda: SqliteStore(store_path, create=False)))
    with WebServer(application(context), settings.web, or_next=True) as server:
        browser = Browser(server.address)
        try:
            browser.open(language="en")
            browser.sees("Boeing")

            def away() -> None:
                raise RetryableError("Elasticsearch does not answer")

            with monkeypatch.context() as broken:
                broken.setattr("streams.web.context.present_of", lambda store: away())
                browser.sees("The store does not answer", "Elasticsearch does not answer", "Boeing")
            browser.until(lambda: "The store does not answer" not in browser.text, "store that is back")
        finally:
            browser.close()
