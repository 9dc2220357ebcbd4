"""`make demo` as a newcomer meets it: the address that it prints, opened in a browser. How soon does an alarm ring on the page?

Run: ``python tests/web/newcomer.py OUT [--width 1280] [--language en] [--theme light]``. When an alarm rings, it is followed to
its incident and judged "useful"; OUT gets a picture of each step. Tells the seconds, and ends with 1 where the alarm took more
than a minute from the opening of the page, the judgement did not land in the store, or the browser complained.
"""

import argparse
import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Queue

import psutil
from browser import Browser

from streams.sqlite_store import STORE, SqliteStore

SECONDS = 60.0
_ADDRESS = re.compile(rb"http://127\.0\.0\.1:\d+/")
_THANKS = {"en": ("Useful", "Kept. Thank you.", "Send"), "zh": ("有用", "已保存，谢谢。", "发送")}


def main() -> int:
    """Meet it; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--width", type=int, default=1280)
    parser.add_argument("--language", choices=("en", "zh"), default="en")
    parser.add_argument("--theme", choices=("light", "dark"), default="light")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    with demo(given.out / "demo") as (address, started):
        browser = Browser(address, given.width, 900, wait=300)
        try:
            return meet(browser, given.out, given.language, given.theme, started)
        finally:
            browser.close()


@contextmanager
def demo(out: Path) -> Iterator[tuple[str, psutil.Process]]:
    """The demo in a terminal of its own, until it is interrupted: the address that it prints, and its process."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
    command = [sys.executable, "-m", "streams", "demo", "--out", str(out), "--set", "web.port=22480"]
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True) as running:
        os.close(theirs)
        told: Queue[str] = Queue()
        threading.Thread(target=_read, args=(ours, told), daemon=True).start()
        try:
            yield told.get(timeout=120), psutil.Process(running.pid)
        finally:
            running.send_signal(signal.SIGINT)
            try:
                running.wait(10)
            except subprocess.TimeoutExpired:
                running.kill()


def _read(terminal: int, told: Queue[str]) -> None:
    """Take what is written to `terminal` until it ends, and tell the first address in it."""
    seen = b""
    try:
        while written := os.read(terminal, 65_536):
            if told.empty() and (found := _ADDRESS.search(seen := seen[-200:] + written)):
                told.put(found[0].decode())
    except OSError:
        pass  # the other side is closed


def meet(browser: Browser, out: Path, language: str, theme: str, started: psutil.Process) -> int:
    """Open the page, wait for an alarm, follow it, judge it."""

    def look(name: str) -> None:
        browser.driver.save_screenshot(str(out / f"{name}.png"))

    browser.open(language=language, theme=theme)
    opened = time.monotonic()
    browser.one(".strip .figure")
    look("1-opened")
    browser.one(".toast")
    rang, worked = time.monotonic() - opened, sum(started.cpu_times()[:2])
    look("2-rang")
    browser.click(".toast a")
    browser.one(".chart svg .firing")
    time.sleep(2)
    look("3-incident")
    incident = str(browser.run("return location.hash")).rpartition("/")[2]
    useful, thanks, send = _THANKS[language]
    browser.press(useful)
    browser.one("input[name=by]").send_keys("Newcomer")
    browser.press(send)
    browser.sees(thanks)
    browser.run("document.querySelector('.feedback').scrollIntoView({block: 'center'})")
    look("4-judged")
    store = SqliteStore(out / "demo" / STORE, read_only=True)
    landed = [(one.kind, one.by) for one in store.feedback(incident)]
    store.close()
    browser.run("location.hash = '#/now'")
    browser.one(".strip .figure")
    time.sleep(2)
    look("5-now")
    browser.collect()
    print(
        f"an alarm rang {rang:.1f} s after the page was opened, when the demo had taken {worked:.1f} s of processor time; "
        f"judged: {landed}; complaints: {browser.complaints}; asked elsewhere: {browser.elsewhere}"
    )
    return int(rang > SECONDS or landed != [("useful", "Newcomer")] or bool(browser.complaints or browser.elsewhere))


if __name__ == "__main__":
    sys.exit(main())
