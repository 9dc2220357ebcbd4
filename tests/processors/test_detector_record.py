"""What the detector keeps: late and doubled documents, revisions, silence, a state in pieces that no error spoils."""

import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from detector_events import (
    DAYS,
    EARLY,
    NOON,
    START,
    VERSIONS,
    Partition,
    burst,
    counts,
    document,
    history,
    mention,
    wide,
    words,
)

from processors.detection import DetectorSettings
from processors.detector import Detector, Outcomes
from processors.errors import InvariantError, PoisonError
from processors.identity import canonical_json
from processors.messages import Mention, Unlabelled
from processors.owners import Owners
from processors.reordering import HELD
from processors.state import STATE_VERSIONS, Changes

SETTINGS = EARLY.detection


def test_late_documents_are_never_counted(ordinary: Partition) -> None:
    before = ordinary.state()
    ordinary.apply(mention(document("marked", NOON, "negative", late=True)))
    ordinary.apply(mention(document("old", NOON - 25.5, "negative")))
    assert ordinary.state() == before


def test_documents_do_not_move_time(ordinary: Partition) -> None:
    ordinary.apply(mention(document("tomorrow", NOON + 30)))
    assert ordinary.points == []
    assert ordinary.apply(*burst(12, NOON))[0].at >= START + timedelta(hours=NOON)


def test_a_duplicate_changes_nothing_whatever_it_says(ordinary: Partition) -> None:
    first = mention(document("same", NOON, "neutral"))
    ordinary.apply(first)
    before = ordinary.state()
    other = replace(first, document=replace(document("same", NOON + 3, "negative"), excerpt="other"))
    assert ordinary.detector.apply(other, ordinary.clock) == Outcomes()
    assert ordinary.state() == before


def test_what_came_first_as_a_text_that_nobody_labelled_never_counts_whatever_comes_later(ordinary: Partition) -> None:
    ordinary.apply(*(Unlabelled(m.document.identity, m.document.published_at) for m in burst(12, NOON)))
    before = ordinary.state()
    assert ordinary.apply(*burst(12, NOON)) == []
    assert ordinary.state() == ordinary.restored().state() == before
    assert ordinary.restored().apply(*burst(12, NOON)) == []
    assert ordinary.apply(*burst(12, NOON + 0.1)), "others ring as ever"


def test_what_counted_first_is_not_taken_back_by_a_text_that_nobody_labels(ordinary: Partition) -> None:
    one, other = ordinary, ordinary.restored()
    told = burst(12, NOON)
    one.apply(*told)
    other.apply(*(event for m in told for event in (m, Unlabelled(m.document.identity, m.document.published_at), m)))
    assert one.alerts == other.alerts != []
    one.tick(NOON + 30)
    other.tick(NOON + 30)
    assert one.final_points() == other.final_points()


def test_an_identity_that_nobody_labelled_is_forgotten_with_its_time(ordinary: Partition) -> None:
    ordinary.apply(Unlabelled("twitter/foreign", START + timedelta(hours=NOON)))
    noted = [key for key in ordinary.state() if key.startswith("identities/unlabelled/")]
    ordinary.tick(NOON + 100)
    assert len(noted) == 1
    assert not [key for key in ordinary.state() if key.startswith("identities/unlabelled/")]


def test_a_late_document_revises_a_closed_bucket(ordinary: Partition) -> None:
    ordinary.feed([mention(document("in-time", NOON))])
    ordinary.tick(NOON + 3)
    ordinary.points.clear()
    ordinary.apply(mention(document("behind", NOON + 0.2, "negative")))
    topic, company = ordinary.points
    assert (company.series, company.revision, company.start) == ("company:ACME", 1, START + timedelta(hours=NOON))
    assert counts([company, topic]) == [(1, 1, 0, 2, 1), (1, 1, 0, 2, 1)]


def test_an_earlier_telling_that_comes_late_takes_the_story_over(ordinary: Partition) -> None:
    text = words("story")
    ordinary.feed([mention(document("second", NOON + 2, "negative", text=text))])
    ordinary.tick(NOON + 4)
    ordinary.apply(mention(document("first", NOON, "neutral", text=text)))
    final = {p.start: p for p in ordinary.final_points().values() if p.series == "company:ACME"}
    early, late = (final[START + timedelta(hours=h)] for h in (NOON, NOON + 2))
    assert (early.stories, early.novel_negative) == (1, 0)
    assert (late.stories, late.novel_negative, late.negative) == (0, 0, 1)


def test_a_merge_revises_an_open_incident(ordinary: Partition) -> None:
    text = words("alpha beta gamma")
    ordinary.feed(burst(9, NOON))
    ordinary.feed([mention(document("retold", NOON + 1.9, "negative", text=text))])
    told = [a for a in ordinary.alerts if a.kind == "sentiment"][-1]
    assert told.count is not None
    revised = ordinary.apply(mention(document("told-first", NOON - 0.5, "neutral", text=text)))
    if told.count.observed == 10:
        assert [alert.event for alert in revised] == ["revise"]
        assert revised[0].count is not None and revised[0].count.observed == 9


def test_a_source_that_stops_raises_no_data_and_closes_when_heard_again() -> None:
    partition = Partition()
    partition.feed(wide(m.document) for m in history(10, daily=48, negatives=2))
    assert [a for a in partition.alerts if a.kind == "no-data"] == []
    partition.tick(24 * 12)
    missed = [a for a in partition.alerts if a.kind == "no-data"]
    assert missed[0].event == "open" and missed[0].source == "twitter" and missed[0].share is None
    assert missed[0].at < START + timedelta(days=11)
    assert {a.event for a in missed[1:]} <= {"escalate"}
    back = partition.feed([wide(document("back", 24 * 12 + 1))])
    assert [(a.kind, a.event, a.incident) for a in back] == [("no-data", "close", missed[0].incident)]


def test_a_slow_publisher_heard_again_is_not_silent_at_once() -> None:
    partition = Partition()
    partition.feed(wide(m.document) for m in history(10, daily=48, negatives=2))
    partition.tick(24 * 11)
    back = partition.apply(wide(document("behind", 24 * 11 - 20)))
    assert [(a.kind, a.event) for a in back] == [("no-data", "close")]
    assert partition.tick(24 * 11 + 3) == []
    assert next(a.event for a in partition.tick(24 * 13)) == "open"


def test_nothing_is_kept_of_the_silence_of_a_source_that_is_forgotten() -> None:
    partition = Partition(DetectorSettings(replace(EARLY.detection, forget_days=15)))
    wire = [wide(document(f"wire-{i}", 24 * 5 + 5 * i, source="wire")) for i in range(24)]
    back = wide(document("back", 24 * 24, source="wire"))
    partition.feed([*wire, back, *(wide(document(f"other-{i}", 6 * i, source="other")) for i in range(4 * 28))])
    assert [a.event for a in partition.alerts if a.source == "wire"][-1] == "close"
    assert "incident/no-data/source:wire" in partition.state()
    partition.feed(wide(document(f"more-{i}", 24 * 28 + 6 * i, source="other")) for i in range(4 * 14))
    assert not [key for key in partition.state() if "source:wire" in key]


def test_all_days_of_an_incident_that_are_in_quarantine_are_set_aside() -> None:
    partition = Partition(DetectorSettings(replace(EARLY.detection, windows_hours=(144,), quarantine_hours=144)))
    partition.feed(history(DAYS) + burst(60, NOON))
    _, (_, _, ((first, _), *_)) = json.loads(partition.state()["incident/company:ACME"])
    assert (START + timedelta(days=DAYS - 6)).date() == (datetime.fromtimestamp(0, UTC) + timedelta(days=first)).date()


def test_evidence_of_an_owner_without_stories_is_empty() -> None:
    assert Owners(EARLY, Changes()).evidence("company:NOBODY", [(0, "key")]) == []


def test_a_topics_evidence_is_kept_in_an_hour_in_which_everybody_talks_of_another() -> None:
    partition = Partition()
    partition.feed(wide(m.document, ()) for d in ("ACME", "GLOBEX") for m in history(DAYS, d, daily=20, negatives=2))
    crowd = [
        wide(document(f"crowd-{i}", NOON + i / 400, "negative", topic="markets", source=f"s{i % 3}"), ())
        for i in range(150)
    ]
    few = [wide(document(f"few-{i}", NOON + 0.4 + i / 30, "negative", topic="dividend"), ()) for i in range(12)]
    opened = [a for a in partition.feed(crowd + few) if a.series == "topic:dividend"]
    assert opened and all(a.evidence and "few" in a.evidence[0].identity for a in opened)


def test_evidence_is_kept_while_a_series_lists_it_and_no_longer(ordinary: Partition) -> None:
    before = ordinary.state().keys()
    backwards = [mention(document(f"b-{i:03}", NOON + 0.9 - i / 400, "negative")) for i in range(250)]
    ordinary.apply(*backwards)
    kept = {key.rpartition("/")[2] for key in ordinary.state().keys() - before if key.startswith("evidence/")}
    (hour,) = {
        int(key.rpartition("/")[2]) for key in ordinary.state().keys() - before if key.startswith("bucket/company:")
    }
    _, bucket = json.loads(ordinary.state()[f"bucket/company:ACME/{hour}"])
    assert kept == {key for _, key, *_ in bucket[7]} and len(kept) == 100


def test_documents_of_one_second_and_of_a_busy_hour_revise_nothing(ordinary: Partition) -> None:
    at_once = [mention(document(f"at-once-{i:02}", NOON, "negative")) for i in range(14)]
    raised = ordinary.feed(at_once + burst(150, NOON + 0.05, 0.9))
    assert raised and "revise" not in {a.event for a in raised}


def test_late_documents_revise_what_was_told_only_when_there_are_many(ordinary: Partition) -> None:
    ordinary.feed(burst(20, NOON))
    ordinary.tick(NOON + 2.5)
    late = [mention(document(f"late-{i}", NOON + i / 10 + 0.03, "negative")) for i in range(14)]
    revised = [a for a in ordinary.apply(*late) if a.series_kind == "company"]
    assert [a.event for a in revised].count("revise") <= 1
    last = [a for a in ordinary.alerts if a.series_kind == "company"][-1]
    assert last.count is not None and last.count.observed >= 29


def test_a_source_heard_now_and_then_raises_no_no_data() -> None:
    partition = Partition()
    partition.feed(wide(m.document) for m in history(30, daily=48, negatives=2))
    partition.feed(wide(document(f"rare-{i}", 24 * (20 + 3 * i), source="rare")) for i in range(4))
    partition.tick(24 * 45)
    assert not [a for a in partition.alerts if a.source == "rare"]


def test_an_outage_is_a_gap_and_not_calm() -> None:
    with_gap, without = Partition(), Partition()
    steady = history(20, daily=30, negatives=3)
    without.feed(steady)
    with_gap.feed(
        m for m in steady if not 10 * 24 <= (m.document.published_at - START).total_seconds() / 3600 < 13 * 24
    )
    expected = []
    for partition in (with_gap, without):
        partition.feed(history(26, daily=30, negatives=3)[20 * 30 :])
        partition.tick(24 * 26 + 1)
        expected.append([p.expected for p in partition.points if p.series == "company:ACME"][-1])
    assert expected[0] == pytest.approx(expected[1], rel=0.1)


def test_what_is_expected_after_days_of_silence_does_not_depend_on_a_restore() -> None:
    through = Partition()
    through.feed(history(12))
    restored = through.restored()
    for hour in range(24 * 13, 24 * 22, 6):
        through.tick(hour)
        restored = restored.restored()
        restored.tick(hour)
    assert through.state() == restored.state()


def test_a_new_model_silences_share_tests_until_it_has_a_baseline(ordinary: Partition) -> None:
    new = replace(VERSIONS, model_hash="other")
    surge = [replace(m, document=replace(m.document, versions=new)) for m in burst(20, NOON)]
    raised = ordinary.feed(surge)
    assert raised and {alert.kind for alert in raised} == {"volume"}
    assert all(alert.share is None for alert in raised)


def test_an_unknown_time_zone_is_poison_and_changes_nothing(ordinary: Partition) -> None:
    before = ordinary.state()
    with pytest.raises(PoisonError, match="Mars/Olympus"):
        ordinary.apply(replace(mention(document("x", NOON)), time_zone="Mars/Olympus"))
    with pytest.raises(PoisonError) as refused:
        ordinary.apply(mention(replace(document("y", NOON), signature="no signature")))
    assert refused.value.reason == "bad-signature"
    assert ordinary.state() == before


@pytest.mark.parametrize("breaking", ["processors.alarms.leading_documents", "processors.incidents.reason_of"])
def test_an_exception_leaves_the_state_as_it_was(
    ordinary: Partition, monkeypatch: pytest.MonkeyPatch, breaking: str
) -> None:
    twin = ordinary.restored()
    surge = burst(12, NOON)

    def fail(*_: object) -> None:
        raise RuntimeError("broken")

    with monkeypatch.context() as patch:
        patch.setattr(breaking, fail)
        failed: list[Mention] = []
        for event in surge:
            before = ordinary.state()
            try:
                ordinary.apply(event)
            except RuntimeError:
                failed.append(event)
                assert ordinary.state() == before
    assert failed
    survivors = [event for event in surge if event not in failed]
    twin.apply(*survivors)
    after = burst(15, NOON + 4)
    assert [canonical_json(a) for a in ordinary.feed(after)] == [canonical_json(a) for a in twin.feed(after)]
    assert ordinary.state() == twin.state()


def test_other_companies_of_the_partition_do_not_change_what_is_counted() -> None:
    alone, together = Partition(), Partition()
    ours = history(8) + burst(10, 24 * 8)
    alone.feed(ours)
    together.feed(ours + history(8, "GLOBEX", 30, 4))
    ends = [24 * 9.0]
    for partition in (alone, together):
        for end in ends:
            partition.tick(end)
    mine = [{k: v for k, v in p.final_points().items() if "ACME" in k[0]} for p in (alone, together)]
    assert mine[0].keys() == mine[1].keys()
    assert counts(mine[0].values()) == counts(mine[1].values())


def test_pieces_stay_small_and_idle_series_leave_tombstones() -> None:
    partition = Partition()
    partition.feed(history(3, daily=400, negatives=200))
    assert max(map(len, partition.state().values())) < 64 * 1024
    keys = set(partition.state())
    partition.changed.clear()
    partition.tick(24 * 140)
    gone = keys - set(partition.state())
    assert {"series/company:ACME", "baseline/company:ACME", "terms/company:ACME"} <= gone
    assert gone <= partition.changed
    assert all(content is None for _, content in partition.detector.pieces(gone))


def test_every_kind_of_piece_says_its_version_and_another_version_is_refused_by_name(ordinary: Partition) -> None:
    ordinary.feed(burst(12, NOON))
    pieces = ordinary.state()
    kinds = {key.partition("/")[0]: key for key in sorted(pieces)}
    assert kinds.keys() == STATE_VERSIONS.keys() - {HELD}, "what is held back is kept in front of it"
    for key in kinds.values():
        version, packed = json.loads(pieces[key])
        newer = json.dumps([version + 1, packed]).encode()
        with pytest.raises(InvariantError, match=f"{re.escape(key)}' is of version {version + 1}"):
            Detector.restore(EARLY, {**pieces, key: newer})


def test_a_piece_that_does_not_fit_is_named(ordinary: Partition) -> None:
    pieces = ordinary.state()
    with pytest.raises(InvariantError, match="baseline/company:ACME"):
        Detector.restore(EARLY, {**pieces, "baseline/company:ACME": b'["x"]x'})
    with pytest.raises(InvariantError, match="gold/bar"):
        Detector.restore(EARLY, {**pieces, "gold/bar": b"1"})


def test_a_record_is_counted_before_the_first_tick() -> None:
    partition = Partition()
    partition.apply(*[m for m in history(2)])
    assert partition.points == []
    partition.tick(49)
    company = [p for p in partition.points if p.series == "company:ACME"]
    assert sum(p.stories for p in company) == 20
