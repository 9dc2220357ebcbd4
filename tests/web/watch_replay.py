"""History through the real servers and services at many times its speed, with the console open: what does it show, and when?

Run: ``python tests/web/watch_replay.py OUT [--since DAY] [--until DAY] [--speed 3600] [--stack FOLDER]``. The tweets of 2014
between the days (UTC) are fed; each look at the page tells what it shows, how far that is behind the feed, and what the page
takes. OUT gets a screenshot a look, and one of each alarm that the page tells. The servers are its own, with the shipped model
in Triton, unless it is told where a stack is up. Ends with 1 where the browser complained or asked elsewhere, or where nothing rang.
"""

import argparse
import gzip
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from browser import Browser

from models.repository import write_repository
from streams.settings import DEFAULT_MODEL, load_settings
from streams.stack.ports import Ports
from streams.stack.stack import Stack
from streams.topics_admin import create_topics

_EVERY = 20.0
_SETTLING = 15.0
"""After the end of the feed, for what is under way."""
_NOTE_ALARMS = """
window.alarms = [];
import('/assets/live.js').then((live) => live.listen((event, incident) => {
  if (event === 'alarm') window.alarms.push(`${incident.tier} ${incident.series}`);
}));
"""


def main() -> int:
    """Feed and look; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--data", type=Path, default=os.environ.get("TOCSIN_DATA"), help="TOCSIN_DATA, where it is set")
    parser.add_argument("--since", default="2014-05-15")
    parser.add_argument("--until", default="2014-06-06")
    parser.add_argument("--speed", type=float, default=3600)
    parser.add_argument("--stack", type=Path)
    given = parser.parse_args()
    if given.data is None:
        parser.error("set TOCSIN_DATA to the folder of the data sets, or give --data")
    given.out.mkdir(parents=True, exist_ok=True)
    history = given.out / "history.jsonl"
    lines = list(_lines(given.data / "tweets-2014.jsonl.gz", given.since, given.until))
    history.write_bytes(b"".join(lines))
    prefix = f"watched-{uuid4().hex[:6]}"
    own = {"kafka.prefix": prefix, "elasticsearch.prefix": prefix}
    with _services(given.stack, given.out, own) as stack:
        browser = Browser(f"http://127.0.0.1:{stack.ports.console}/", 1280, 900)
        try:
            browser.open(language="en", theme="light")
            flags = {**stack.settings, **own}
            options = [word for name, value in flags.items() for word in ("--set", f"{name}={value}")]
            feed = [sys.executable, "-m", "streams", "feed", str(history), "--speed", f"{given.speed}x", *options]
            return _watch(browser, given.out, feed, lines, given.speed)
        finally:
            browser.close()


@contextmanager
def _services(folder: Path | None, out: Path, own: dict[str, str]) -> Iterator[Stack]:
    """The services on the stack in `folder`, or on one that comes and goes with them, reading what is under `own`."""
    options = [word for name, value in own.items() for word in ("--set", f"{name}={value}")]
    place, ports = (folder, None) if folder else (out / "stack", Ports.picked())
    stack = Stack(place, ports, service_options=options, service_names=("enrich", "detect", "index", "web"))
    try:
        if folder is None:
            for above in (out, *out.absolute().parents[:1]):
                above.chmod(0o755)  # Elasticsearch of root's runs as another user
            write_repository(stack.triton.models, DEFAULT_MODEL, "python", "cpu", threads=1)
            stack.up()
        create_topics(load_settings(None, {}, {**stack.settings, **own}))
        stack.services.start()
        yield stack
    finally:
        stack.down() if folder is None else stack.services.stop()


def _watch(browser: Browser, out: Path, feed: list[str], lines: list[bytes], speed: float) -> int:
    """Look at the page while `feed` sends `lines`, and a little longer."""
    first = _published(lines[0])
    _say(f"{len(lines):,} tweets from {first:%d %b %H:%M} on, at {speed:,.0f} times their speed")
    rang: list[str] = []
    browser.run(_NOTE_ALARMS)
    with subprocess.Popen(feed, stdout=subprocess.DEVNULL) as feeding:
        began = ended = None
        while ended is None or time.monotonic() < ended + _SETTLING:
            until = time.monotonic() + (_EVERY if ended is None else _SETTLING)
            while time.monotonic() < until:
                rang += _alarms(browser, out, len(rang))
                time.sleep(1)
            if ended is None and feeding.poll() is not None:
                ended = time.monotonic()
            began = _look(browser, out, first, speed, began, over=ended is not None)
    _tour(browser, out)
    browser.collect()
    _say(f"{len(rang)} alarms: {', '.join(rang)}")
    _say(
        f"complaints: {browser.complaints}; asked elsewhere: {browser.elsewhere}; feed ended with {feeding.returncode}"
    )
    return int(bool(browser.complaints or browser.elsewhere or feeding.returncode or not rang))


def _alarms(browser: Browser, out: Path, before: int) -> list[str]:
    """What the page has told to ring, after the first `before`."""
    new: list[str] = browser.run("return (window.alarms ?? []).slice(arguments[0])", before)
    if new:
        browser.driver.save_screenshot(str(out / f"alarm-{before + 1}.png"))
        _say(f"rings: {', '.join(new)}")
    return new


def _look(
    browser: Browser, out: Path, first: datetime, speed: float, began: float | None, *, over: bool
) -> float | None:
    """Tell of one look; when (monotonic) the feed must have begun at the latest, by all looks."""
    now: dict[str, Any] | None = browser.run("return import('/assets/live.js').then(module => module.live.now)")
    if now is None or now["latest"] is None:
        _say("nothing yet")
        return began
    at = datetime.fromisoformat(now["at"])
    implied = time.monotonic() - (at - first).total_seconds() / speed
    began = implied if began is None else min(began, implied)
    behind = implied - began
    browser.run("window.scrollTo(0, 0)")
    browser.driver.save_screenshot(str(out / f"{at:%m%d-%H%M}.png"))
    takes = measures(browser)
    line = browser.run("return document.querySelector('.line').innerText")
    notice = browser.run("return document.getElementById('notice').innerText")
    tiers = [incident["tier"] for incident in now["incidents"]]
    _say(
        f"{line!r} {now['volume']['per_minute']}/min; {len(tiers)} open ({tiers.count('flash')} flash, "
        f"{tiers.count('urgent')} urgent), {now['closed_count']} closed; {now['learning'] or ''} "
        f"{'' if over else f'{behind:.1f} s behind; '}{takes['JSHeapUsedSize'] / 1e6:.1f} MB, {takes['Nodes']:.0f} nodes, "
        f"{takes['JSEventListeners']:.0f} listeners {notice!r}"
    )
    return began


def _tour(browser: Browser, out: Path) -> None:
    """Pictures of the loudest incident at the end, of its trend, and of the status."""
    now = browser.run("return import('/assets/live.js').then(module => module.live.now)")
    loudest = next(iter(now["incidents"] + now["closed"]), None)
    places = {"status": "#/status"}
    if loudest:
        places |= {"incident": f"#/incident/{loudest['incident']}", "trend": f"#/series/{loudest['series']}"}
    for name, place in places.items():
        browser.run("location.hash = arguments[0]", place)
        browser.one("main .panel")
        time.sleep(3)  # charts are drawn, words are explained
        browser.driver.save_screenshot(str(out / f"{name}.png"))


def measures(browser: Browser) -> dict[str, float]:
    """What the page takes once all that nobody holds is gone: see `Performance.getMetrics` of Chromium."""
    browser.driver.execute_cdp_cmd("Performance.enable", {})
    browser.driver.execute_cdp_cmd("HeapProfiler.collectGarbage", {})
    found = browser.driver.execute_cdp_cmd("Performance.getMetrics", {})["metrics"]
    return {metric["name"]: metric["value"] for metric in found}


def _lines(path: Path, since: str, until: str) -> Iterator[bytes]:
    with gzip.open(path, "rb") as file:
        yield from (line for line in file if since <= json.loads(line)["published_at"] < until)


def _published(line: bytes) -> datetime:
    return datetime.fromisoformat(json.loads(line)["published_at"])


def _say(text: str) -> None:
    print(f"{datetime.now():%H:%M:%S} {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
