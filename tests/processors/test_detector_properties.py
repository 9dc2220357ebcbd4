"""Whatever happens to it, the detector counts exactly, survives being written and read, and never crashes."""

import functools
import json
from dataclasses import replace
from datetime import timedelta

import pytest
from detector_events import START, VERSIONS, Partition, burst, counts, document, history, mention, wide, words
from hypothesis import given, settings
from hypothesis import strategies as st

from processors.detection import DetectionSettings, DetectorSettings
from processors.detector import Detector, Outcomes
from processors.identity import canonical_json
from processors.messages import Mention, Tick, Unlabelled, WideRecord

BUSY = DetectorSettings(
    DetectionSettings(
        warm_up_days=1,
        quarantine_hours=24,
        windows_hours=(1, 3, 24),
        share_minimum=5,
        forget_days=6,
        minimum_stories=2,
        rungs=(500.0, 100.0, 20.0, 2.0),
        leave_chance=1000.0,
        quiet_hours=3,
        update_hours=1,
        silence_hours=1,
    )
)
QUIET_DAYS = 3


@functools.cache
def quiet_pieces() -> dict[str, bytes]:
    """The state after a few days in which little happens, with an hourly tick."""
    partition = Partition(BUSY)
    for hour in range(24 * QUIET_DAYS + 1):
        partition.tick(hour)
        told = document(f"quiet-{hour}", hour + 0.3, "negative" if hour % 30 == 7 else "neutral")
        partition.apply(mention(told, "ACME" if hour % 2 else "GLOBEX"), wide(told))
    return partition.state()


def after_quiet_days() -> Partition:
    """A partition that goes on from there."""
    partition = Partition(BUSY)
    partition.detector = Detector.restore(BUSY, quiet_pieces())
    partition.clock = partition.clock.advance("", START + timedelta(days=QUIET_DAYS))
    return partition


TEXTS = [words(f"text {i}") for i in range(6)] + [words("text 0") + " more"]


@st.composite
def happenings(draw: st.DrawFn) -> list[Mention | WideRecord | Unlabelled | Tick]:
    """Documents within some days in almost any order, some unlabelled, with ticks between."""
    events: list[Mention | WideRecord | Unlabelled | Tick] = []
    reached = 24.0 * QUIET_DAYS
    for number in range(draw(st.integers(1, 60))):
        what = draw(st.sampled_from(["mention"] * 6 + ["wide"] * 2 + ["tick"] * 3 + ["unlabelled"]))
        if what == "tick":
            reached += draw(st.sampled_from([0.1, 0.6, 1.0, 5.0, 26.0, 24.0 * 8]))  # the last drops every series
            events.append(Tick(START + timedelta(hours=reached)))
            continue
        text = draw(st.sampled_from([*TEXTS, None, None, None, None]))
        told = document(
            f"d{draw(st.integers(0, 5)) if draw(st.booleans()) and number > 40 else number + 10}",
            reached + draw(st.sampled_from([0.0, 0.0, 0.01, 0.3, -0.5, -5.0, -23.0, -30.0, 3.0])),
            draw(st.sampled_from(["negative", "negative", "neutral", "positive"])),
            text=text,
            author=draw(st.sampled_from([None, None, "a", "b"])),
            topic=draw(st.sampled_from(["earnings", "dividend"])),
            versions=draw(st.sampled_from([VERSIONS] * 5 + [replace(VERSIONS, model_hash="new")])),
        )
        if what == "unlabelled":
            events.append(Unlabelled(told.identity, told.published_at))
            continue
        companies = draw(st.sampled_from([1, 1, 2, 9]))
        company = draw(st.sampled_from(["ACME", "GLOBEX"]))
        events.append(mention(told, company, companies) if what == "mention" else wide(told))
    return events


def told(outcomes: Outcomes) -> bytes:
    return canonical_json([outcomes.alerts, outcomes.points, sorted(outcomes.changed)])


@settings(max_examples=60, deadline=None)
@given(happenings(), st.data())
def test_state_survives_serialisation_at_any_point(
    events: list[Mention | WideRecord | Unlabelled | Tick], data: st.DataObject
) -> None:
    partition, shadow = after_quiet_days(), after_quiet_days()
    cuts = data.draw(st.sets(st.integers(0, len(events)), max_size=4))
    written = dict(quiet_pieces())
    for index, event in enumerate(events):
        if index in cuts:
            assert shadow.state() == written
            shadow.detector = Detector.restore(BUSY, written)
        if isinstance(event, Tick):
            partition.clock = partition.clock.advance("", event.at)
        outcomes = partition.detector.apply(event, partition.clock)
        again = shadow.detector.apply(event, partition.clock)
        assert told(outcomes) == told(again)
        for key, content in shadow.detector.pieces(again.changed):  # what a service would write
            if content is None:
                written.pop(key, None)
            else:
                written[key] = content
    assert partition.state() == shadow.state() == written
    assert all(len(content) < 64 * 1024 for content in written.values())
    assert all(json.loads(content) is not None for content in written.values())


@settings(max_examples=40, deadline=None)
@given(happenings(), st.data())
def test_duplicates_change_nothing(events: list[Mention | WideRecord | Unlabelled | Tick], data: st.DataObject) -> None:
    once, twice = after_quiet_days(), after_quiet_days()
    applied: list[Mention | WideRecord | Unlabelled] = []
    for event in events:
        assert [canonical_json(a) for a in once.apply(event)] == [canonical_json(a) for a in twice.apply(event)]
        if not isinstance(event, Tick):
            applied.append(event)
        if applied and data.draw(st.booleans()):
            recent = data.draw(st.sampled_from(applied[-3:]))
            assert twice.detector.apply(recent, twice.clock) == Outcomes()
    assert once.state() == twice.state()
    assert once.points == twice.points


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_order_within_the_lateness_does_not_change_closed_buckets(data: st.DataObject) -> None:
    documents = [
        mention(
            document(
                f"d{number}",
                data.draw(st.floats(0, 40)),
                data.draw(st.sampled_from(["negative", "neutral"])),
                text=data.draw(st.sampled_from([*TEXTS, None, None])),
                topic=data.draw(st.sampled_from(["earnings", "dividend"])),
            )
        )
        for number in range(data.draw(st.integers(1, 25)))
    ]
    first, second = Partition(BUSY), Partition(BUSY)
    first.feed(documents)
    delays = {m.document.identity: data.draw(st.floats(0, 23)) for m in documents}
    arrivals = sorted(
        documents,
        key=lambda m: (m.document.published_at + timedelta(hours=delays[m.document.identity]), m.document.identity),
    )
    for arrival in arrivals:
        second.apply(Tick(arrival.document.published_at + timedelta(hours=delays[arrival.document.identity])), arrival)
    for partition in (first, second):
        partition.tick(24 * 5)
    mine, others = first.final_points(), second.final_points()
    assert mine.keys() == others.keys()
    assert {key: counts([p]) for key, p in mine.items()} == {key: counts([p]) for key, p in others.items()}


@settings(max_examples=60, deadline=None)
@given(happenings())
def test_no_sequence_of_events_crashes_it_and_all_that_comes_of_it_is_sound(
    events: list[Mention | WideRecord | Unlabelled | Tick],
) -> None:
    partition = after_quiet_days()
    partition.apply(*events)
    incidents: dict[str, list[str]] = {}
    for alert in partition.alerts:
        canonical_json(alert)
        life = incidents.setdefault(alert.incident, [])
        assert alert.sequence == len(life)
        assert (alert.event == "open") == (not life)
        assert "close" not in life
        life.append(alert.event)
        assert alert.evidence or alert.kind == "no-data" or alert.event in ("close", "revise")
    for point in partition.points:
        canonical_json(point)
        assert 0 <= point.novel_negative <= point.stories <= point.negative + point.neutral + point.positive
        assert point.expected_low <= point.expected_high
    assert len({alert.id for alert in partition.alerts}) == len(partition.alerts)


@pytest.mark.parametrize("days_back", [9, 9.5])
def test_a_series_that_was_dropped_comes_back_the_same_day_whatever_was_restored(days_back: float) -> None:
    partition = Partition(BUSY)
    partition.feed(history(2) + history(12, "GLOBEX", 6, 2))
    partition.tick(24 * days_back)
    assert "series/company:ACME" not in partition.state()
    restored = partition.restored()
    back = burst(12, 24 * days_back + 30)
    assert [canonical_json(a) for a in partition.feed(back)] == [canonical_json(a) for a in restored.feed(back)]
    assert partition.state() == restored.state()
