"""The whole scorecard on a small made-up year."""

import json
import re
from typing import Any

import pytest

from processors.detection import DetectionSettings, DetectorSettings
from streams.scorecard.comparison import FORMS, WITHOUT, sample, varied
from streams.scorecard.page import page
from streams.scorecard.report import CONTENTS, Size, report
from tests.streams.scorecard.made import background, day, mention, pools

COMPANIES = ["AAPL", "AMZN", "BP", "CAT", "HD", "JPM", "KO", "MCD", "T", "XOM"]
SETTINGS = DetectorSettings(DetectionSettings(warm_up_days=5, share_minimum=5))
TINY = Size(per_cell=2, every=1, together=True, compared=1, shuffles=1, simulations=0)


@pytest.fixture(scope="module")
def scored() -> dict[str, Any]:
    mentions = background(COMPANIES, day(1), 364, 3)
    spill = [mention(f"spill-{n}", day(247).replace(hour=14, minute=n), "BP", "negative") for n in range(12)]
    mentions = sorted([*mentions, *spill], key=lambda m: m.document.published_at)
    found = report(SETTINGS, mentions, pools(COMPANIES), TINY, workers=1, told=lambda stage: None)
    return {
        "model": {"name": "model", "version": "1", "hash": "aa"},
        "dictionary_hash": "bb",
        "settings_hash": "cc",
        "quick": True,
        **found,
    }


def test_every_part_is_there_and_is_json(scored: dict[str, Any]) -> None:
    again = json.loads(json.dumps(scored, allow_nan=False))
    assert set(again["bursts"]) == set(CONTENTS)
    assert len(again["targets"]) == 16
    assert next(row["name"] for row in again["comparison"]) == "ours"
    assert len(again["null"]["shuffled"]["all"]["promise"]) == 8


def test_large_bursts_ring_and_neutral_ones_do_not(scored: dict[str, Any]) -> None:
    def recall(content: str) -> float:
        rows = scored["bursts"][content]
        cells = [r for r in rows if (r["documents"], r["hours"], r["shape"], r["group"]) == (15, 3, "any", "terciles")]
        return float(cells[0]["levels"][-1]["recall"]["rate"])

    assert recall("negative") >= 0.9
    assert recall("perfect") == recall("negative"), "the model of this test reads as people do"
    assert recall("neutral") <= 0.1


def test_a_real_day_rings_and_says_how_much_text_there_was(scored: dict[str, Any]) -> None:
    events = scored["real_days"]["events"]
    spill = next(event for event in events if event["company"] == "BP")
    assert spill["rang"] == "2014-09-04T14:02:00+00:00"
    assert spill["negatives"] >= 12
    quiet = [event for event in events if event["company"] == "CVX"]
    assert quiet[0]["rang"] is None
    assert quiet[0]["negatives"] == 0


def test_the_strongest_alarm_shows_its_evidence_and_its_judgement(scored: dict[str, Any]) -> None:
    strong = scored["strongest"]["reported_on"]
    first = strong["alarms"][0]
    assert first["company"] == "BP"
    assert first["opened"].startswith("2014-09-04")
    assert first["evidence"]
    assert first["verdict"] == "true", "BP's alarm of that day is judged in the file"
    assert strong["tally"]["unjudged"] == sum(alarm["verdict"] is None for alarm in strong["alarms"])


def test_the_page_holds_everything_and_fetches_nothing(scored: dict[str, Any]) -> None:
    html = page(scored)
    assert "<script" not in html
    assert not re.search(r"""(?:src|href)=["']?http""", html)
    for target in scored["targets"]:
        assert target["name"] in html
    for event in scored["real_days"]["events"]:
        assert event["company"] in html
    assert html.count("<figure>") == 7


def test_each_part_of_the_detector_can_still_be_switched_off() -> None:
    for changes in WITHOUT.values():
        assert varied(DetectorSettings(), changes) != DetectorSettings()


def test_what_rivals_see_is_a_share_of_each_cell(scored: dict[str, Any]) -> None:
    from streams.scorecard.bursts import planned, scene_of

    scene = scene_of(background(COMPANIES, day(1), 364, 3), COMPANIES, day(244), day(364))
    bursts = planned(scene, pools(COMPANIES), "negative", 3, 1)
    seen = sample(bursts, 3, 1)
    assert len(seen) == 4 * len(FORMS)
    assert {burst.form for burst in seen} == set(FORMS)
