"""The detector of one partition, as service and replay use it: batches, restores and bad records change nothing."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processors.detection import DetectionSettings, DetectorSettings
from processors.errors import ConfigurationError, InvariantError
from processors.messages import Canary, DocumentSummary, Mention, Sentiment, Tick, Topic, Unlabelled, Versions
from processors.signatures import signature_of
from streams import partition_detector
from streams.applied import APPLIED, PUBLISHED, Adoption, Applied, Inventory, Published, differences, hash_of
from streams.codec import encode
from streams.partition_detector import (
    Effects,
    LogRecord,
    Message,
    PartitionDetector,
    Place,
    applied_of,
    published_of,
)
from streams.settings import Settings, settings_hash

START = datetime(2026, 1, 5, tzinfo=UTC)
ORIGINS = frozenset({"news/0", "social/0"})
PLACE = Place("mentions", 0, "tocsin.mentions")
QUICK = DetectorSettings(
    DetectionSettings(warm_up_days=1, share_minimum=5, quarantine_hours=24, windows_hours=(1, 3, 24))
)
STRICT = replace(QUICK, detection=replace(QUICK.detection, minimum_stories=5))


def mention(name: str, hours: float, negative: bool) -> Mention:
    digest = hashlib.sha256(name.encode()).hexdigest()
    excerpt = " ".join(f"w{digest[i : i + 5]}" for i in range(0, 60, 5))
    sentiment = Sentiment("negative", 0.9, 0.06, 0.04) if negative else Sentiment("neutral", 0.05, 0.9, 0.05)
    document = DocumentSummary(
        identity=f"twitter/{name}",
        source="twitter",
        kind="social",
        published_at=START + timedelta(hours=hours),
        sentiment=sentiment,
        topic=Topic("earnings", 0.9),
        excerpt=excerpt,
        signature=signature_of(excerpt),
        author=f"author of {name}",
        reach=300,
        repost_of=None,
        url=None,
        language="en",
        late=False,
        versions=Versions("minilm", "1", "aa", "bb", "cc"),
    )
    return Mention("ACME", "Technology", "America/New_York", 1, document)


def history() -> list[LogRecord]:
    """Four calm days, a storm, two days after; ticks of both origins; one record of each kind that is refused."""
    values: list[tuple[bytes | None, bytes | None]] = []
    calm = [mention(f"calm-{day}-{i}", 24 * day + 5 * i, i == 0) for day in range(6) for i in range(4)]
    storm = [mention(f"storm-{i}", 24 * 4 + 3 + i / 4, True) for i in range(8)]
    reached = -1
    for number, record in enumerate(sorted([*calm, *storm], key=lambda m: m.document.published_at)):
        hours = int((record.document.published_at - START) / timedelta(hours=6))
        if hours > reached:
            reached = hours
            for origin in sorted(ORIGINS):
                values.append((b"tick", encode(Tick(START + timedelta(hours=6 * hours), origin))))
        values.append((None, encode(record)))
        if number % 9 == 0:
            values.append((None, b"{"))
        if number % 7 == 3:
            values.append(
                (b"unlabelled", encode(Unlabelled(f"twitter/foreign-{number}", record.document.published_at)))
            )
    values.append((b"tick", encode(Tick(START, "somebody/7"))))
    values.append((b"canary", encode(Canary("tocsin-canary/1", START))))
    return [LogRecord(offset, *value) for offset, value in enumerate(values)]


def save(detector: PartitionDetector, saved: dict[str, bytes]) -> dict[str, bytes]:
    """What is saved, as of now: what was, with what the detector writes."""
    for key, content in detector.save():
        saved.pop(key, None) if content is None else saved.update({key: content})
    return saved


def run(records: Sequence[LogRecord], cuts: Sequence[int] = ()) -> tuple[list[list[Effects]], dict[str, bytes]]:
    """What comes of each of the records; the detector is saved and restored from what was saved at each of `cuts`."""
    detector = PartitionDetector.begin(PLACE, QUICK, ORIGINS)
    saved: dict[str, bytes] = {}
    found = []
    for index, record in enumerate(records):
        if index in cuts:
            detector = PartitionDetector.restore(PLACE, QUICK, ORIGINS, save(detector, saved))
        found.append(list(detector.apply(record)))
    return found, save(detector, saved)


def told(detector: PartitionDetector, records: Sequence[LogRecord]) -> Iterator[Message]:
    """What is to be published of the records."""
    for record in records:
        for effects in detector.apply(record):
            yield from detector.publish(effects)


class Broker:
    """What a broker would hold of a partition: the state, and what is published. A transaction becomes true as a whole."""

    def __init__(self) -> None:
        self.state: dict[str, bytes] = {}
        self.published: list[Message] = []
        self.restarts = 0

    def start(self, settings: DetectorSettings = QUICK) -> PartitionDetector:
        """A worker that takes the partition over."""
        self.restarts += 1
        if not self.state:
            detector = PartitionDetector.begin(PLACE, settings, ORIGINS)
        else:
            applied, published = applied_of(self.state), published_of(self.state)
            detector = PartitionDetector.restore(PLACE, applied.adopted.restored(), ORIGINS, self.state)
            detector.catch_up(RECORDS[applied.offset : published.offset], published)
            detector.adopt(settings)
        self.save(detector)
        return detector

    def publish(self, detector: PartitionDetector, records: Sequence[LogRecord], effects: int | None = None) -> None:
        """Apply a batch, and make true what it brings about: all of it, or only so many of its effects."""
        messages: list[Message] = []
        for found in (found for record in records for found in detector.apply(record)):
            messages += detector.publish(found)
            if effects is not None and (effects := effects - 1) == 0:
                break
        self.published += messages
        self.state[PUBLISHED] = detector.published.encode()

    def save(self, detector: PartitionDetector) -> None:
        """Make the state true."""
        save(detector, self.state)


RECORDS = history()
WHOLE = run(RECORDS)
PROGRESS = {APPLIED, PUBLISHED}


def test_the_history_rings_and_refuses_what_it_should() -> None:
    effects = [e for found in WHOLE[0] for e in found]
    assert next(alert.event for e in effects for alert in e.alerts) == "open"
    refused = [e.dead_letter.reason for e in effects if e.dead_letter]
    assert set(refused) == {"invalid-json", "unknown-origin"}
    assert [e.canary.identity for e in effects if e.canary] == ["tocsin-canary/1"]


@settings(max_examples=15)
@given(st.lists(st.integers(0, len(RECORDS) - 1), max_size=4))
def test_wherever_state_is_saved_and_restored_outcomes_and_state_are_the_same(cuts: list[int]) -> None:
    assert run(RECORDS, cuts) == WHOLE


Step = tuple[str, int]
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["publish"] * 3 + ["save", "crash", "crash-applying", "crash-publishing", "crash-saving"]),
        st.integers(1, 9),
    ),
    max_size=40,
)


@settings(max_examples=60)
@given(STEPS)
def test_a_crash_between_any_two_steps_loses_and_doubles_nothing(steps: list[Step]) -> None:
    broker, straight = Broker(), Broker()
    detector = straight.start()
    straight.publish(detector, RECORDS)
    straight.save(detector)

    detector = broker.start()
    for step, count in steps:
        batch = RECORDS[detector.offset : detector.offset + count]
        if step == "publish":
            broker.publish(detector, batch)
        elif step == "save":
            broker.save(detector)
        else:
            if step == "crash-applying":
                list(told(detector, batch))
            elif step == "crash-publishing":
                broker.publish(detector, batch, effects=count)
            elif step == "crash-saving":
                list(detector.save())
            detector = broker.start()
    broker.publish(detector, RECORDS[detector.offset :])
    broker.save(detector)

    assert broker.published == straight.published
    assert broker.state == straight.state


@settings(max_examples=20)
@given(st.integers(1, len(RECORDS) - 1), st.integers(1, len(RECORDS) - 1))
def test_settings_adopted_after_a_crash_judge_from_the_first_record_on_that_is_not_published(
    one: int, two: int
) -> None:
    saved_at, published_to = sorted((one, two))
    broker = Broker()
    detector = broker.start()
    broker.publish(detector, RECORDS[:saved_at])
    broker.save(detector)
    broker.publish(detector, RECORDS[saved_at:published_to])  # and the worker is killed
    broker.publish(broker.start(STRICT), RECORDS[published_to:-1])  # and again, before it has saved anything
    detector = broker.start(STRICT)
    broker.publish(detector, RECORDS[-1:])

    replayed = PartitionDetector.begin(PLACE, QUICK, ORIGINS)
    expected = list(told(replayed, RECORDS[:published_to]))
    replayed.adopt(STRICT)
    expected += told(replayed, RECORDS[published_to:])
    assert broker.published == expected
    assert [entry.offset for entry in applied_of(broker.state).adoptions] == [0, published_to]


def test_a_log_that_gives_something_else_when_it_is_applied_again_is_noticed() -> None:
    at = next(index for index, found in enumerate(WHOLE[0]) if any(effects.points for effects in found))
    broker = Broker()
    broker.publish(broker.start(), RECORDS[: at + 1])
    published = published_of(broker.state)
    for other in (RECORDS[:at], [*RECORDS[:at], RECORDS[at]._replace(value=b"{")]):
        again = PartitionDetector.restore(PLACE, QUICK, ORIGINS, broker.state)
        with pytest.raises(InvariantError, match="applied again"):
            again.catch_up(other, published)


def test_what_is_published_in_part_is_told_to_its_end_by_the_former_settings_and_must_come_out_the_same() -> None:
    at = next(index for index, found in enumerate(WHOLE[0]) if sum(bool(effects.points) for effects in found) > 1)
    straight, broker = Broker(), Broker()
    straight.publish(straight.start(), RECORDS[: at + 1])
    detector = broker.start()
    broker.publish(detector, RECORDS[:at])
    told = next(count for count, effects in enumerate(WHOLE[0][at], start=1) if effects.points)
    broker.publish(detector, [RECORDS[at]], effects=told)
    assert published_of(broker.state).steps == told

    detector = broker.start()  # a worker ends twice: before it has applied anything, and after
    assert detector.is_amid
    detector = broker.start()
    broker.publish(detector, [RECORDS[at]])
    assert not detector.is_amid
    assert broker.published == straight.published
    assert broker.start().offset == at + 1

    broker = Broker()
    detector = broker.start()
    broker.publish(detector, RECORDS[:at])
    broker.publish(detector, [RECORDS[at]], effects=told)
    applied, published = applied_of(broker.state), published_of(broker.state)
    for other, reason in (
        (replace(published, told=1), "applied again"),
        (replace(published, steps=99), "99 are published"),
    ):
        again = PartitionDetector.restore(PLACE, QUICK, ORIGINS, broker.state)
        again.catch_up(RECORDS[applied.offset : at], other)
        with pytest.raises(InvariantError, match=reason):
            list(again.apply(RECORDS[at]))


def test_a_state_is_written_once_for_all_that_changed_it() -> None:
    detector = PartitionDetector.begin(PLACE, QUICK, ORIGINS)
    changed = [key for record in RECORDS for effects in detector.apply(record) for key in effects.changed]
    written = [key for key, _ in detector.save()]
    assert len(written) == len(set(written))
    assert len(written) < len(changed) / 2
    assert (detector.unsaved, {key for key, _ in detector.save()}) == (0, PROGRESS)


def test_a_dead_letter_tells_where_the_record_stands_and_changes_no_state() -> None:
    detector = PartitionDetector.begin(PLACE, QUICK, ORIGINS)
    [effects] = detector.apply(LogRecord(0, None, b"\xff"))
    assert effects.dead_letter is not None
    assert (effects.dead_letter.origin.place, effects.dead_letter.origin.offset) == ("tocsin.mentions", 0)
    assert effects.changed == frozenset()
    assert {key for key, _ in detector.save()} == PROGRESS
    assert detector.offset == 1


def test_a_record_applied_before_is_an_error_and_a_hole_is_counted() -> None:
    detector = PartitionDetector.begin(PLACE, QUICK, ORIGINS)
    list(detector.apply(LogRecord(0, None, b"{")))
    with pytest.raises(InvariantError, match="0 came again"):
        list(detector.apply(LogRecord(0, None, b"{")))
    list(detector.apply(LogRecord(4, None, b"{")))
    assert (detector.offset, detector.missing) == (5, 3)


def test_the_clock_waits_for_the_slowest_origin_also_after_a_restore() -> None:
    detector = PartitionDetector.begin(PLACE, QUICK, ORIGINS)
    list(detector.apply(LogRecord(0, b"tick", encode(Tick(START + timedelta(days=9), "news/0")))))
    restored = PartitionDetector.restore(PLACE, QUICK, ORIGINS, save(detector, {}))
    [held] = restored.apply(LogRecord(1, None, encode(mention("early", 0, True))))
    assert held.outcome == "held" and restored.waiting == 1, "there is no time while one origin has not been heard"
    _, released, _ = restored.apply(LogRecord(2, b"tick", encode(Tick(START + timedelta(days=8), "social/0"))))
    assert released.outcome == "released" and released.changed
    [late] = restored.apply(LogRecord(3, None, encode(mention("other", 0, True))))
    assert late.outcome == "applied" and not late.changed


def test_silence_is_remembered_across_a_restore() -> None:
    detector = PartitionDetector.begin(PLACE, QUICK, ORIGINS)
    tick = Tick(START - timedelta(days=1), "news/0", START + timedelta(days=4.5))
    list(detector.apply(LogRecord(0, b"tick", encode(tick))))
    detector = PartitionDetector.restore(PLACE, QUICK, ORIGINS, save(detector, {}))
    records = [record._replace(offset=record.offset + 1) for record in history()]
    assert not [effects.alerts for record in records for effects in detector.apply(record) if effects.alerts]
    assert detector.open_incidents["sentiment"] == 0


@pytest.mark.parametrize("damage", ["missing", "stale", "foreign"])
def test_state_that_is_not_as_it_was_saved_is_noticed(damage: str) -> None:
    _, saved = WHOLE
    pieces = dict(saved)
    key = next(key for key in pieces if key.startswith("bucket/"))
    if damage == "missing":
        del pieces[key]
    elif damage == "stale":
        pieces[key] = pieces[key] + b" "
    else:
        pieces["bucket/company:OTHER/1"] = pieces[key]
    with pytest.raises(InvariantError, match="missing, stale or damaged"):
        PartitionDetector.restore(PLACE, QUICK, ORIGINS, pieces)


def test_state_that_heard_ticks_of_partitions_that_are_not_set_is_refused() -> None:
    _, saved = WHOLE
    with pytest.raises(ConfigurationError, match=r"social/0.*kafka\.social_partitions"):
        PartitionDetector.restore(PLACE, QUICK, frozenset({"news/0"}), saved)


def test_settings_adopted_after_a_restore_and_in_the_midst_of_a_replay_judge_alike() -> None:
    half = 3 * len(RECORDS) // 4
    _, saved = run(RECORDS[:half])
    restored = PartitionDetector.restore(PLACE, STRICT, ORIGINS, saved)
    replayed = PartitionDetector.begin(PLACE, QUICK, ORIGINS)
    list(told(replayed, RECORDS[:half]))
    replayed.adopt(STRICT)

    assert [list(restored.apply(record)) for record in RECORDS[half:]] == [
        list(replayed.apply(record)) for record in RECORDS[half:]
    ]
    adoptions = applied_of(save(restored, saved)).adoptions
    assert [(entry.offset, entry.hash) for entry in adoptions] == [(0, hash_of(QUICK)), (half, hash_of(STRICT))]
    assert adoptions[1].restored() == STRICT


def test_what_an_earlier_state_published_is_not_told_again() -> None:
    effects, saved = WHOLE
    last = max(
        index for index, found in enumerate(effects) if any(e.alerts or e.points or e.dead_letter for e in found)
    )
    rebuilt = PartitionDetector.begin(PLACE, QUICK, ORIGINS, silent_below=last)
    again = [list(rebuilt.apply(record)) for record in RECORDS]
    assert not any(e.alerts or e.points or e.dead_letter or e.canary for found in again[:last] for e in found)
    assert again[last] == effects[last]
    assert {k: v for k, v in save(rebuilt, {}).items() if k not in PROGRESS} == {
        k: v for k, v in saved.items() if k not in PROGRESS
    }


def test_open_incidents_are_counted_across_restores() -> None:
    effects, saved = WHOLE
    events = [alert.event for found in effects for e in found for alert in e.alerts]
    restored = PartitionDetector.restore(PLACE, QUICK, ORIGINS, saved)
    assert sum(restored.open_incidents.values()) == events.count("open") - events.count("close")
    assert restored.series == 2 + 1, "the company, its topic, the feed"


def test_what_is_applied_comes_back_exactly_and_another_version_is_told() -> None:
    odd = replace(QUICK, detection=replace(QUICK.detection, leave_chance=100 / 3))
    applied = Applied(7, 0, 0, (Adoption.of(odd, 0),), {"news/0": START + timedelta(microseconds=1)}, {"volume": 2}, 1)
    assert Applied.decode(applied.encode()) == applied
    assert applied.adopted.restored() == odd
    assert Published.decode(b'{"missing":0,"offset":3,"state_version":2,"told":7}') == Published(3, told=7)
    other = applied.encode().replace(b'"state_version":2', b'"state_version":9')
    with pytest.raises(InvariantError, match="version 9, this release reads 1 and 2"):
        applied_of({APPLIED: other})
    with pytest.raises(InvariantError, match="cannot be read"):
        applied_of({APPLIED: b"{}"})


def test_the_state_of_the_release_before_is_read_and_saved_as_this_ones() -> None:
    half = len(RECORDS) // 2
    _, saved = run(RECORDS[:half])
    former = {**saved, APPLIED: saved[APPLIED].replace(b'"state_version":2', b'"state_version":1')}
    del former[PUBLISHED]
    assert former[APPLIED] != saved[APPLIED]
    assert published_of(former) == Published(half)

    detector = PartitionDetector.restore(PLACE, QUICK, ORIGINS, former)
    assert save(detector, former) == saved


def test_pieces_of_the_version_before_are_saved_in_this_ones_form_by_and_by_though_nothing_changed_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(partition_detector, "FORMER_BYTES", 1_000)
    _, saved = run(RECORDS[:-1])
    former = dict(saved)
    buckets = {key for key in saved if key.startswith("bucket/")}
    for key in buckets:
        _, (*counts, _, revision, told, others) = json.loads(saved[key])
        former[key] = json.dumps([1, [*counts, revision, [entry[:-1] for entry in told], others]]).encode()
    inventory = Inventory({key: content for key, content in former.items() if key not in (APPLIED, PUBLISHED)})
    applied = replace(Applied.decode(saved[APPLIED]), checksum=inventory.checksum)
    former[APPLIED] = applied.encode()
    detector = PartitionDetector.restore(PLACE, QUICK, ORIGINS, former)
    list(detector.apply(RECORDS[-1]))

    left = buckets
    while left:
        written = save(detector, {})
        assert all(json.loads(written[key])[0] == 2 for key in buckets & written.keys())
        some = left & written.keys()
        assert some and sum(len(written[key]) for key in some) < 1_000 + max(map(len, written.values()))
        assert detector.former == len(left) - len(some)
        left -= some
        former.update(written)
        detector = PartitionDetector.restore(PLACE, QUICK, ORIGINS, former)
    assert not buckets & save(detector, {}).keys()


def test_how_far_all_is_published_cannot_be_missing_or_lie_before_the_state() -> None:
    _, saved = WHOLE
    without = {key: content for key, content in saved.items() if key != PUBLISHED}
    with pytest.raises(InvariantError, match="_published cannot be read"):
        published_of(without)
    with pytest.raises(InvariantError, match=f"up to offset {len(RECORDS)}, but published to 3"):
        published_of({**saved, PUBLISHED: Published(3).encode()})


def test_settings_of_another_release_are_refused_by_a_replay() -> None:
    adoption = Adoption.of(QUICK, 5)
    foreign = replace(adoption, settings={**adoption.settings, "stories": {}, "oracles": {"tarot": True}})
    with pytest.raises(ConfigurationError, match="another release"):
        replace(foreign, hash="0" * 16).restored()
    assert hash_of(Settings().detector) == settings_hash(Settings())


def test_differences_of_settings_are_named() -> None:
    before, after = Adoption.of(QUICK, 0).settings, Adoption.of(STRICT, 0).settings
    assert list(differences(before, after)) == ["detection.minimum_stories: 3 → 5"]


@given(st.lists(st.tuples(st.sampled_from(["a/1", "a/2", "b/1"]), st.none() | st.binary(max_size=3))))
def test_an_inventory_is_what_it_would_be_if_made_of_the_pieces_that_are_left(
    changes: list[tuple[str, bytes | None]],
) -> None:
    inventory = Inventory()
    left: dict[str, bytes] = {}
    for key, content in changes:
        inventory.put(key, content)
        left.pop(key, None) if content is None else left.update({key: content})
    anew = Inventory(left)
    assert (len(inventory), inventory.checksum) == (len(anew), anew.checksum)
    assert +inventory.kinds == +anew.kinds
