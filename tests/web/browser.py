"""The system's own Chromium, driven through the pages; what it asked for and complained of is kept."""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import pytest
from selenium import webdriver
from selenium.common.exceptions import WebDriverException
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

PACKAGES: Final = ("chromium", "chromium-driver", "fonts-noto-cjk")
_WAIT: Final = 20.0

T = TypeVar("T")


def tools() -> tuple[str, str]:
    """Chromium and its driver; installed where this is root on Debian. Skips where there is none, fails in CI."""

    def found() -> tuple[str | None, str | None]:
        return shutil.which("chromium"), shutil.which("chromedriver")

    if None in found() and os.geteuid() == 0 and shutil.which("apt-get"):
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for command in (["update", "-q"], ["install", "-q", "-y", "--no-install-recommends", *PACKAGES]):
            subprocess.run(["apt-get", *command], env=environment, check=False, stdout=subprocess.DEVNULL, timeout=600)
    browser, driver = found()
    if browser is None or driver is None:
        missing = f"the pages need a browser: as root, apt-get install {' '.join(PACKAGES)}"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(missing)
    return browser, driver


class Browser:
    """One window on the console at `address`."""

    def __init__(self, address: str, width: int = 1440, height: int = 1000, wait: float = _WAIT) -> None:
        binary, driver = tools()
        options = Options()
        options.binary_location = binary
        for flag in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        self.driver = webdriver.Chrome(options=options, service=Service(driver))
        self.address, self._wait = address, wait
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.resize(width, height)

    def close(self) -> None:
        """End it."""
        self.driver.quit()

    def resize(self, width: int, height: int = 1000) -> None:
        """The page is `width` × `height` pixels."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)

    def open(self, path: str = "#/now", **kept: str) -> None:
        """The page at `path`, loaded anew; `kept` is what the browser remembers: language, theme, name."""
        if not self.driver.current_url.startswith(self.address):
            self.driver.get(self.address + "assets/icon.svg")
        for name, value in kept.items():
            self.driver.execute_script("localStorage.setItem(arguments[0], arguments[1])", f"tocsin.{name}", value)
        self.driver.get("about:blank")
        self.driver.get(self.address + path)

    def picture(self, name: str) -> None:
        """Keep what the page looks like, where somebody wants to look: in the folder that PAGE_PICTURES names."""
        if folder := os.environ.get("PAGE_PICTURES"):
            self.driver.save_screenshot(str(Path(folder) / f"{name.replace(' ', '-')}.png"))

    def until(self, look: Callable[[], T], what: str) -> T:
        """What `look` finds, once it finds something."""
        end = time.monotonic() + self._wait
        while True:
            try:
                if found := look():
                    return found
            except WebDriverException:  # the page was drawn anew meanwhile
                pass
            if time.monotonic() > end:
                raise AssertionError(f"no {what} within {self._wait:.0f} s; the page says:\n{self.text}")
            time.sleep(0.05)

    def one(self, selector: str) -> WebElement:
        """The first element that `selector` (CSS) selects, once there is one."""
        return self.until(lambda: next(iter(self.driver.find_elements(By.CSS_SELECTOR, selector)), None), selector)

    def click(self, selector: str) -> None:
        """Click it, as a person whom nothing in front of it stops."""
        self.until(lambda: self.one(selector).click() or True, f"clickable {selector}")

    def press(self, text: str) -> None:
        """Click the button that says `text`."""
        self.click_on("button", text)

    def click_on(self, tag: str, text: str) -> None:
        """Click the first `tag` that says `text`."""
        path = f"//{tag}[normalize-space()={json.dumps(text, ensure_ascii=False)}]"
        self.until(lambda: self.driver.find_element(By.XPATH, path).click() or True, f"{tag} {text!r}")

    def sees(self, *texts: str) -> None:
        """Wait until the page says all of `texts`."""
        self.until(lambda: all(text in self.text for text in texts), f"{texts}")

    def run(self, script: str, *given: Any) -> Any:
        """What JavaScript returns."""
        return self.driver.execute_script(script, *given)

    @property
    def text(self) -> str:
        """Everything that the page says."""
        return str(self.run("return document.body.innerText"))

    @property
    def elsewhere(self) -> list[str]:
        """What was asked of others than the page's own server, as far as it was collected."""
        return [url for url in self.requests if not url.startswith((self.address, "about:", "data:"))]

    def collect(self) -> None:
        """Take over what the browser noted."""
        self.complaints += (f"{entry['level']}: {entry['message']}" for entry in self.driver.get_log("browser"))
        for entry in self.driver.get_log("performance"):
            event = json.loads(entry["message"])["message"]
            if event["method"] == "Network.requestWillBeSent":
                self.requests.append(event["params"]["request"]["url"])
