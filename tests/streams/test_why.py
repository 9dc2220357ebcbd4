"""The decision behind an alarm, rebuilt from an export: what counted, why the rest did not, and that it comes out again."""

import gzip
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from test_partition_detector import ORIGINS, PLACE, QUICK, START, mention
from typer.testing import CliRunner

from processors.errors import ConfigurationError
from processors.messages import Alert, Mention, Tick
from streams.applied import Adoption
from streams.cli import app
from streams.codec import encode
from streams.export import MANIFEST, line_of
from streams.partition_detector import LogRecord, PartitionDetector
from streams.why import Decision, decision_of
from streams.why_view import Present, decision_lines


def changed(made: Mention, companies: int = 1, **changes: Any) -> Mention:
    return replace(made, companies_in_document=companies, document=replace(made.document, **changes))


def storm() -> Iterator[Mention]:
    """Four calm days, then an hour in which much is negative, and something of every kind that does not count."""
    for day in range(5):
        yield from (mention(f"calm-{day}-{i}", 24 * day + 5 * i, i == 0) for i in range(4))
    at = 24 * 4 + 16
    loud = [mention(f"storm-{i}", at + i / 12, True) for i in range(8)]
    yield from loud[:3]
    yield changed(
        mention("copy", at + 0.2, True), signature=loud[0].document.signature, excerpt=loud[0].document.excerpt
    )
    yield changed(mention("twice", at + 0.21, True), author=loud[1].document.author)
    yield changed(mention("list", at + 0.22, True), companies=9)
    yield mention("calm", at + 0.23, False)
    yield loud[1]
    yield changed(mention("late", at + 0.24, True), late=True)
    yield from loud[3:]


def records() -> list[LogRecord]:
    values: list[tuple[bytes | None, bytes]] = []
    reached = -1
    for record in storm():
        hours = int((record.document.published_at - START) / timedelta(hours=1))
        if hours > reached:
            reached = hours
            values += [(b"tick", encode(Tick(START + timedelta(hours=hours), origin))) for origin in sorted(ORIGINS)]
        values.append((None, encode(record)))
    values += [(b"tick", encode(Tick(START + timedelta(hours=reached + 3), origin))) for origin in sorted(ORIGINS)]
    return [LogRecord(offset + 5, *value) for offset, value in enumerate(values)]


@pytest.fixture(scope="module")
def alerts() -> list[Alert]:
    detector = PartitionDetector.begin(PLACE, QUICK, ORIGINS, offset=5)
    return [alert for record in records() for effects in detector.apply(record) for alert in effects.alerts]


@pytest.fixture
def export(tmp_path: Path, alerts: list[Alert]) -> Path:
    return written(tmp_path, [encode(alert) for alert in alerts])


def written(folder: Path, published: list[bytes]) -> Path:
    """An export of the log and of what was published."""
    results = [LogRecord(offset, None, value) for offset, value in enumerate(published)]
    partitions = []
    for topic, found in (("mentions", records()), ("alerts", results)):
        (folder / f"{topic}-0.jsonl.gz").write_bytes(gzip.compress(b"".join(map(line_of, found)), mtime=0))
        first, end = found[0].offset, found[-1].offset + 1
        partitions.append({"topic": topic, "partition": 0, "first": first, "end": end, "records": len(found)})
    adoption = Adoption.of(QUICK, 5)
    detected = {
        "log": "mentions",
        "partition": 0,
        "applied": partitions[0]["end"],
        "began": 5,
        "adoptions": [{"offset": 5, "hash": adoption.hash, "settings": adoption.settings}],
    }
    manifest = {
        "prefix": "tocsin",
        "origins": sorted(ORIGINS),
        "mention_partitions": 1,
        "settings_hash": adoption.hash,
        "partitions": partitions,
        "detected": [detected],
    }
    (folder / MANIFEST).write_text(json.dumps(manifest))
    return folder


def loudest(alerts: list[Alert]) -> Alert:
    """The alarm of the company that rests on most."""
    return max(
        (alert for alert in alerts if alert.series == "company:ACME" and alert.count),
        key=lambda alert: (alert.count and alert.count.observed, alert.sequence),
    )


def verdicts(decision: Decision) -> dict[str, str]:
    return {each.identity.partition("/")[2]: each.verdict for each in decision.documents}


def test_every_alarm_comes_out_again_byte_for_byte(export: Path, alerts: list[Alert]) -> None:
    assert len(alerts) >= 2
    for alert in alerts:
        decision = decision_of(export, alert.id)
        assert decision.is_equal, (alert.id, decision.differing)
        assert decision.rebuilt == alert


def test_what_counts_sums_to_what_was_told_and_the_rest_has_its_reason(export: Path, alerts: list[Alert]) -> None:
    alert = loudest(alerts)
    decision = decision_of(export, alert.id)
    counting = [each for each in decision.documents if each.verdict == "counts"]
    assert alert.count
    assert sum(each.probability for each in counting) == pytest.approx(alert.count.observed, abs=0.01)
    found = verdicts(decision)
    assert {name: found[name] for name in ("copy", "twice", "list", "calm", "late")} == {
        "copy": "repeats",
        "twice": "same-author",
        "list": "many-companies",
        "calm": "leans-too-little",
        "late": "late",
    }
    assert [each.about for each in decision.documents if each.verdict == "repeats"] == ["twitter/storm-0"]
    assert [each.identity for each in decision.documents if each.verdict == "sent-again"] == ["twitter/storm-1"]


def test_an_alarm_that_was_changed_is_told_by_its_fields(tmp_path: Path, alerts: list[Alert]) -> None:
    alert = loudest(alerts)
    forged = [encode(replace(each, tier="flash") if each == alert else each) for each in alerts]
    decision = decision_of(written(tmp_path, forged), alert.id)
    assert (decision.is_equal, decision.differing) == (False, ("tier",))
    spaced = [encode(each).replace(b'":', b'": ', 1) if each == alert else encode(each) for each in alerts]
    assert "bytes alone" in decision_of(written(tmp_path, spaced), alert.id).differing[0]


def test_an_alarm_that_nothing_in_the_log_brings_about_is_told(tmp_path: Path, alerts: list[Alert]) -> None:
    invented = replace(loudest(alerts), id="alert-invented")
    decision = decision_of(written(tmp_path, [encode(invented)]), "invented")
    assert (decision.rebuilt, decision.is_equal) == (None, False)
    lines = "\n".join(decision_lines(decision, Present("a", "b", "c")))
    assert "nothing rang under its id" in lines


def test_the_steps_say_what_is_at_hand_and_what_is_not(export: Path, alerts: list[Alert]) -> None:
    alert = loudest(alerts)
    decision = decision_of(export, alert.id)
    then = alert.versions[0]
    same = "\n".join(decision_lines(decision, Present(then.model_hash, then.dictionary_hash, then.settings_hash)))
    assert "another is at hand" not in same
    for said in ("byte for byte", "repeats a story", "names too many companies", "dispersion", "looks", alert.reason):
        assert said in same
    other = "\n".join(decision_lines(decision, Present("ffff", then.dictionary_hash, then.settings_hash)))
    assert other.count("another is at hand (ffff)") == 1


def test_an_export_that_cannot_tell_is_named(export: Path, alerts: list[Alert], tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="0 alarms"):
        decision_of(export, "alert-none")
    manifest = json.loads((export / MANIFEST).read_text())
    manifest["partitions"] = manifest["partitions"][:1]
    (export / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(ConfigurationError, match="export with --results"):
        decision_of(export, alerts[0].id)


def test_the_command_ends_well_where_the_alarm_comes_out_again(export: Path, alerts: list[Alert]) -> None:
    alert = loudest(alerts)
    told = CliRunner().invoke(app, ["why", alert.id, "--in", str(export)], catch_exceptions=False)
    assert told.exit_code == 0
    assert "another is at hand" in told.output
    record = json.loads(CliRunner().invoke(app, ["why", alert.id, "--in", str(export), "--json"]).output)
    assert (record["equal"], record["alert"]["id"]) == (True, alert.id)
