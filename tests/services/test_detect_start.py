"""How a partition is taken over: what is sound is gone on with, everything else is refused with its mend or rebuilt."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kafka import TopicPartition

from processors.detection import DetectorSettings
from processors.errors import ConfigurationError
from streams.applied import APPLIED, PUBLISHED, Published
from streams.partition_detector import LogRecord, PartitionDetector, Place, applied_of
from streams.services.dealer import Dealer
from streams.services.detect_partition import contiguous, log_record, waits
from streams.services.detect_start import Found, Start, start, unsound

PLACE = Place("mentions", 2, "tocsin.mentions")
ORIGINS = frozenset({"news/0"})
SETTINGS = DetectorSettings()
CHANGED = replace(SETTINGS, detection=replace(SETTINGS.detection, minimum_stories=9))
NOTHING = Found(log_start=0, log_end=0, committed=None, published=None, pieces={})


def state(records: int = 5) -> dict[str, bytes]:
    """The state of a partition of which so many (refused) records are applied."""
    detector = PartitionDetector.begin(PLACE, SETTINGS, ORIGINS)
    for offset in range(records):
        list(detector.apply(LogRecord(offset, None, b"{")))
    return saved(detector)


def saved(detector: PartitionDetector) -> dict[str, bytes]:
    return {key: content for key, content in detector.save() if content is not None}


def read(first: int, last: int) -> list[LogRecord]:
    """The log: records that are all refused."""
    return [LogRecord(offset, None, b"{") for offset in range(first, last)]


def begin(found: Found, settings: DetectorSettings = SETTINGS, *, adopt: bool = False, rebuild: bool = False) -> Start:
    return start(PLACE, found, settings, ORIGINS, read, adopt=adopt, rebuild=rebuild)


SOUND = Found(log_start=0, log_end=9, committed=5, published=4, pieces=state())
AHEAD = replace(SOUND, committed=8, published=7, pieces={**state(), PUBLISHED: Published(8).encode()})


def test_a_log_that_nothing_was_done_with_is_begun_at_its_start() -> None:
    for found in (NOTHING, replace(NOTHING, log_end=7), replace(NOTHING, committed=0)):
        begun = begin(found)
        assert (begun.detector.offset, begun.stale) == (0, ())


@pytest.mark.parametrize("committed", [None, 3, 5])
def test_a_sound_state_says_where_to_go_on_whatever_became_of_the_groups_offset(committed: int | None) -> None:
    assert begin(replace(SOUND, committed=committed)).detector.offset == 5


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (replace(NOTHING, committed=5, log_end=9), "state is gone, though the group has committed offset 5"),
        (replace(NOTHING, published=4, log_end=9), "state is gone, though what the log up to offset 4"),
        (replace(NOTHING, log_start=3, log_end=9), "the log no longer begins at 0 but at 3"),
        (replace(NOTHING, pieces={"series/x": b"{}"}), "not the record _applied"),
        (replace(SOUND, committed=6), "6 was committed with a later state"),
        (replace(SOUND, log_start=7), "2 records that are not in the state were deleted"),
        (replace(AHEAD, log_start=7), "2 records that are not in the state were deleted"),
        (replace(AHEAD, log_end=7), "published up to offset 8, but the log ends at 7"),
        (replace(AHEAD, committed=9), "published up to offset 8, but 9 was committed"),
        (replace(SOUND, pieces={**SOUND.pieces, PUBLISHED: Published(4).encode()}), "but published to 4"),
        (replace(SOUND, pieces={**SOUND.pieces, PUBLISHED: Published(8, told=7).encode()}), "applied again gives"),
        (replace(SOUND, log_end=4), "the log ends at 4"),
        (replace(SOUND, pieces={**SOUND.pieces, "series/x": b"{}"}), "missing, stale or damaged"),
        (replace(SOUND, pieces={APPLIED: b"?"}), "cannot be read"),
    ],
)
def test_what_is_missing_or_contradicts_is_refused_saying_what_and_how_to_mend_it(found: Found, reason: str) -> None:
    with pytest.raises(ConfigurationError, match=f"mentions/2: .*{reason}.*--rebuild"):
        begin(found)


def test_a_rebuild_begins_at_the_logs_start_and_is_silent_up_to_all_that_is_known_to_be_published() -> None:
    lost = replace(NOTHING, log_end=20, committed=5, published=8, pieces={"series/x": b"{}"})
    begun = begin(lost, rebuild=True)
    assert (begun.detector.offset, begun.stale) == (0, ("series/x",))
    letters = [
        effects.dead_letter for offset in range(9) for effects in begun.detector.apply(LogRecord(offset, None, b"{"))
    ]
    assert letters[:8] == [None] * 8 and letters[8] is not None

    later = begin(replace(SOUND, log_start=7, log_end=20), rebuild=True)
    applied = applied_of(saved(later.detector))
    assert (applied.offset, applied.began, applied.silent_below) == (7, 7, 5)


def test_a_rebuild_of_a_sound_state_changes_nothing() -> None:
    begun = begin(SOUND, rebuild=True)
    assert (begun.detector.offset, begun.stale) == (5, ())


def test_a_log_that_was_made_anew_cannot_be_rebuilt_from() -> None:
    with pytest.raises(ConfigurationError, match=r"reached offset 5, but the log ends at 3.*new kafka\.prefix"):
        begin(replace(SOUND, log_end=3), rebuild=True)


def test_changed_settings_are_adopted_only_when_asked_and_from_the_next_record_on() -> None:
    with pytest.raises(ConfigurationError, match=r"minimum_stories: 3 → 9.*--adopt-settings"):
        begin(SOUND, CHANGED)
    begun = begin(SOUND, CHANGED, adopt=True)
    assert [entry.offset for entry in applied_of(saved(begun.detector)).adoptions] == [0, 5]


def test_what_is_published_beyond_the_state_is_applied_again_before_settings_are_adopted() -> None:
    begun = begin(AHEAD)
    assert (begun.detector.offset, begun.detector.unsaved) == (8, 3)
    begun = begin(AHEAD, CHANGED, adopt=True)
    assert begun.detector.offset == 8
    assert [entry.offset for entry in applied_of(saved(begun.detector)).adoptions] == [0, 8]


def test_what_was_published_in_part_is_finished_by_the_settings_that_began_it() -> None:
    amid = replace(AHEAD, log_end=9, pieces={**AHEAD.pieces, PUBLISHED: Published(8, steps=1).encode()})
    begun = begin(amid)
    assert (begun.detector.offset, begun.detector.is_amid) == (8, True)
    with pytest.raises(ConfigurationError, match=r"offset 8.*once more with the former settings"):
        begin(amid, CHANGED, adopt=True)


def test_what_another_release_published_beyond_the_state_is_left_to_it() -> None:
    applied = applied_of(AHEAD.pieces)
    foreign = replace(applied, adoptions=(replace(applied.adopted, hash="0" * 16),))
    found = replace(AHEAD, pieces={**AHEAD.pieces, APPLIED: foreign.encode()})
    with pytest.raises(ConfigurationError, match=r"another release.*start and stop that one once more.*--rebuild"):
        begin(found, adopt=True)


def test_a_rebuild_keeps_how_far_all_is_published_until_it_is_saved() -> None:
    begun = begin(replace(AHEAD, pieces={**AHEAD.pieces, "series/x": b"{}"}), rebuild=True)
    assert begun.stale == (APPLIED, "series/x")
    assert applied_of(saved(begun.detector)).silent_below == 8
    interrupted = replace(AHEAD, committed=0, published=None, pieces={PUBLISHED: Published(8).encode()})
    with pytest.raises(ConfigurationError, match="_applied"):
        begin(interrupted)
    assert applied_of(saved(begin(interrupted, rebuild=True).detector)).silent_below == 8


def test_nothing_speaks_against_what_is_sound() -> None:
    assert unsound(SOUND) is None


def test_a_gap_is_let_through_right_after_a_start_only() -> None:
    assert contiguous([4, 5, 6], 4, False) == 3
    assert contiguous([4, 6, 7], 4, False) == 1
    assert contiguous([6, 7], 4, False) == 0
    assert contiguous([6, 7, 9], 4, True) == 2


@given(st.integers(1, 9), st.integers(1, 12), st.randoms())
def test_every_partition_is_dealt_to_one_worker_and_none_has_two_more_than_another(
    workers: int, mentions: int, random: object
) -> None:
    partitions = [TopicPartition("t.mentions", p) for p in range(mentions)] + [TopicPartition("t.wide", 0)]

    class Member:
        def __init__(self, member_id: str) -> None:
            self.member_id = member_id

    members = [Member(f"m{number}") for number in range(workers)]
    dealt = Dealer(partitions).assign(None, members)
    given_out = [
        [TopicPartition(topic, p) for topic, numbers in dealt[m.member_id].assigned_partitions for p in numbers]
        for m in members
    ]
    assert sorted(p for some in given_out for p in some) == sorted(partitions)
    assert max(map(len, given_out)) - min(map(len, given_out)) <= 1
    random.shuffle(members)  # type: ignore[attr-defined]
    assert Dealer(reversed(partitions)).assign(None, members) == dealt


def test_stages_that_say_nothing_usable_are_passed_over() -> None:
    headers = [("published", b"1000"), ("labelled", b"soon"), ("received", None), ("type", b"tick")]
    record = log_record(SimpleNamespace(offset=3, value=b"{}", headers=headers))
    assert record == LogRecord(3, b"tick", b"{}", (("published", b"1000"), ("labelled", b"soon")))
    assert list(waits(record.stages, 1500)) == [("published", 500)]
