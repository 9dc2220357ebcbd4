"""Silence that must not be taken for calm: a source that stops, a canary that does not come back."""

import json
import time
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from matrix import scenario
from trial import Trial

from tests.compose.timeline import Timeline

START: Final = datetime(2026, 3, 2, tzinfo=UTC)
EVERY: Final = timedelta(minutes=10)
SILENT_FROM: Final = timedelta(days=3)
END: Final = timedelta(days=3, hours=8)
STATED: Final = timedelta(hours=3)
"""`detection.silence_hours`: a source that is heard every ten minutes and then not is told of after this time."""

RULE_SECONDS: Final = 180
FOR_SECONDS: Final = 60
"""Of the rule BellBroken."""

SUBJECTS: Final = "Boeing Apple Ford Intel Nike Pfizer Visa Chevron".split()


@scenario(
    14,
    "A source that stops raises a no-data alert as soon as the stated three hours are over, and no other does.",
    settings={"detection.warm_up_days": "1", "detection.quarantine_hours": "24", "detection.windows_hours": "1,3,24"},
)
def silent_source(trial: Trial) -> None:
    trial.deployment.start("enrich", "detect", "index")
    feed = trial.feed(two_sources(trial))
    assert feed.wait(300) == 0
    trial.settle()
    trial.done["source that stops"] += 1
    alerts = [json.loads(value) for values in trial.witness.by_partition("alerts").values() for value in values]
    silent = [alert for alert in alerts if alert["kind"] == "no-data" and alert["event"] == "open"]
    assert [alert["series"] for alert in silent] == ["source:stops"], silent
    after = datetime.fromisoformat(silent[0]["at"]) - (START + SILENT_FROM - EVERY)
    trial.notes.append(f"told after {after} of silence by the clock of the log")
    assert STATED <= after <= STATED + EVERY, after


def exposition(trial: Trial, worker: str) -> str:
    """What Prometheus would read of a worker."""
    with urllib.request.urlopen(f"http://127.0.0.1:{trial.deployment.ports[worker]}/metrics", timeout=10) as answer:
        text: str = answer.read().decode()
    return text


def two_sources(trial: Trial) -> Path:
    """A file of a source that goes on and one that stops, each heard every ten minutes."""
    path = trial.folder / "two-sources.jsonl"
    with path.open("w") as file:
        for number in range(int(END / EVERY)):
            at = START + number * EVERY
            for source in ("goes-on", "stops"):
                if source == "stops" and at >= START + SILENT_FROM:
                    continue
                words = " ".join(f"w{trial.chance.randrange(10**6):06}" for _ in range(8))
                text = (
                    f"{SUBJECTS[number % len(SUBJECTS)]} says that the meeting about {words} was held as planned today"
                )
                content = {
                    "id": str(number),
                    "source": source,
                    "kind": "news",
                    "published_at": at.isoformat(),
                    "text": text,
                }
                file.write(json.dumps({**content, "language": "en"}) + "\n")
    return path


@scenario(
    14,
    "While nothing gets through, the canary is missed: the clock says that it is not ready after three intervals, and the rule "
    "BellBroken fires on what it shows; when all goes on, it is ready again.",
    settings={"clock.canary_seconds": "3", "clock.tick_seconds": "1"},
)
def canary_missing(trial: Trial) -> None:
    trial.deployment.start("enrich", "detect", "index", "clock")
    trial.deployment.wait_until_ready()
    trial.until(lambda: trial.metric("clock", "tocsin_canary_seconds") < 6, "a canary comes back")
    trial.deployment.workers["enrich"].kill()
    trial.deployment.workers.pop("enrich").wait()
    began = time.monotonic()
    trial.done["enrich gone"] += 1
    trial.until(lambda: "canary" in trial.deployment.waits_for("clock"), "the clock misses the canary", 60)
    noticed = time.monotonic() - began
    trial.notes.append(f"the clock was not ready {noticed:.0f} s after enrich was gone")
    assert noticed < 20, noticed
    if not trial.quick:
        scraped = Timeline({("clock", "clock:1"): lambda: exposition(trial, "clock")})
        while trial.metric("clock", "tocsin_canary_seconds") < RULE_SECONDS + FOR_SECONDS + 2 * scraped.step:
            scraped.go_on(scraped.step)
            time.sleep(scraped.step)
        assert scraped.firing("BellBroken") == {"BellBroken": True}, "the rule does not fire"
    trial.deployment.start("enrich")
    trial.until(lambda: not trial.deployment.waits_for("clock"), "the canary comes back", 120)
    trial.deployment.stop("clock")
