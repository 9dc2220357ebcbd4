"""The sort buffer before a detector: in whatever order partitions bring documents, they are judged in event time."""

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from detector_events import EARLY, START, Partition, burst, document, mention
from hypothesis import given, settings
from hypothesis import strategies as st

from processors.clock import Clock
from processors.detection import DetectionSettings, DetectorSettings
from processors.detector import Detector
from processors.errors import InvariantError, PoisonError
from processors.labels import SentimentLabel
from processors.messages import Alert, DocumentSummary, Mention, SeriesPoint, Tick, Unlabelled
from processors.reordering import EventTimeDetector, Fate, Held, Judged
from streams.codec import decode, encode

QUICK = DetectionSettings(warm_up_days=1, share_minimum=5, quarantine_hours=24, windows_hours=(1, 3, 24))
STRICT = DetectorSettings(replace(QUICK, ahead_seconds=0))
PIECE = 64 * 1024
PARTITIONS = 3
END = 24.0 * 10


def read(raw: bytes) -> Mention:
    return decode(Mention, raw)


class Log:
    """A detector behind a sort buffer, the clock over the partitions of the input, and what came of it."""

    def __init__(self, settings: DetectorSettings = EARLY, origins: int = 1) -> None:
        self.settings = settings
        self.detector = EventTimeDetector(settings, read)
        self.clock = Clock(frozenset(f"social/{origin}" for origin in range(origins)))
        self.offset = 0
        self.judged: list[Judged] = []
        self.saved: dict[str, bytes] = {}

    def take(self, event: Mention | Unlabelled) -> list[Fate]:
        """A record comes; what became of it, and of what had waited."""
        offset = self.offset
        self.offset += 1
        return self._note(self.detector.take(event, self.clock, lambda: Held(offset, encode(event))))

    def tick(self, hours: float, origin: int = 0) -> list[Fate]:
        """A partition has come to `hours` after START; what became of what had waited."""
        clock = self.clock.advance(f"social/{origin}", START + timedelta(hours=hours))
        fates = self._note(self.detector.advance(clock))
        self.clock = clock
        return [fate for fate in fates if fate not in ("step", "tick")]

    def _note(self, judged: Iterable[Judged]) -> list[Fate]:
        found = list(judged)
        self.judged += found
        changed = {key for one in found for key in one.outcomes.changed}
        for key, content in self.detector.pieces(changed):
            assert content is None or len(content) <= PIECE
            self.saved.pop(key, None) if content is None else self.saved.update({key: content})
        return [one.fate for one in found]

    def restart(self) -> None:
        """Goes on from what was saved."""
        self.detector = EventTimeDetector.restore(self.settings, read, self.saved)

    @property
    def alerts(self) -> list[Alert]:
        return [alert for one in self.judged for alert in one.outcomes.alerts]

    @property
    def points(self) -> list[SeriesPoint]:
        return [point for one in self.judged for point in one.outcomes.points]


def story() -> list[Mention]:
    """Nine days of two companies, a storm of one on the eighth; reposts, and texts told again days later."""
    found = []
    for day in range(9):
        for i in range(6):
            label: SentimentLabel = "negative" if i == 0 else "neutral"
            company = ("ACME", "ZETA")[i % 2]
            found.append(mention(document(f"day-{day}-{i}", 24 * day + 4 * i + 0.3, label), company))
        again = document(
            f"again-{day}", 24 * day + 10.1, "negative", text=f"the same old story of {day // 4} told again"
        )
        found.append(mention(again))
    found += burst(8, 24 * 7 + 3.0)
    return sorted(found, key=lambda m: (m.document.published_at, m.document.source, m.document.identity))


STORY = story()


def in_order() -> Partition:
    """What comes of the story as one stream in order."""
    partition = Partition(STRICT)
    partition.feed(STORY)
    partition.tick(END)
    return partition


ORDERED = in_order()
Step = Mention | Tick


def streams(chance: random.Random) -> list[list[Step]]:
    """The story over the partitions of the input, each in order, with ticks now and then that hold true."""
    found: list[list[Step]] = [[] for _ in range(PARTITIONS)]
    for record in STORY:
        for number, stream in enumerate(found):
            if chance.random() < 0.2:
                stream.append(Tick(record.document.published_at, f"social/{number}"))
        found[chance.randrange(PARTITIONS)].append(record)
    for number, stream in enumerate(found):
        stream.append(Tick(START + timedelta(hours=END), f"social/{number}"))
    return found


def merged(chance: random.Random) -> Iterator[Step]:
    """The partitions of the input as they come at the detector: each in order, at unequal pace."""
    left = [stream[::-1] for stream in streams(chance)]
    while any(left):
        stream = chance.choice([stream for stream in left if stream])
        for _ in range(chance.choice([1, 1, 5, 50])):
            if stream:
                yield stream.pop()


@settings(max_examples=30)
@given(st.integers(0, 2**32), st.lists(st.integers(0, 200), max_size=3))
def test_at_whatever_pace_partitions_come_everything_is_judged_as_one_stream_in_order(
    seed: int, restarts: Sequence[int]
) -> None:
    log = Log(STRICT, PARTITIONS)
    for number, step in enumerate(merged(random.Random(seed))):
        if number in restarts:
            log.restart()
        if isinstance(step, Tick):
            log.tick((step.at - START) / timedelta(hours=1), int(step.origin.partition("/")[2]))
        else:
            log.take(step)
    assert log.detector.waiting == 0
    assert log.alerts == ORDERED.alerts
    assert log.points == ORDERED.points
    assert log.saved == ORDERED.state()


def test_the_story_rings() -> None:
    assert {"open", "escalate", "close"} <= {alert.event for alert in ORDERED.alerts}


def test_what_is_live_never_waits() -> None:
    log = Log()
    log.tick(0)
    allowance = EARLY.detection.ahead_seconds / 3600
    assert log.take(mention(document("just now", allowance * 0.99))) == ["applied"]
    assert log.take(mention(document("late", -1))) == ["applied"]
    assert log.take(mention(document("ahead", allowance))) == ["held"]


def test_before_there_is_a_time_everything_waits_for_it() -> None:
    log = Log(origins=2)
    assert log.take(mention(document("early", 1))) == ["held"]
    assert log.tick(2, origin=0) == []
    assert log.tick(2, origin=1) == ["released"]


def test_a_clock_that_jumps_closes_the_hours_between_what_it_passes() -> None:
    log = Log()
    log.tick(0)
    for hours in (30.5, 3.5):
        log.take(mention(document(f"at {hours}", hours)))
    log.tick(48)
    assert [point.start for point in log.points if point.neutral and point.series == "company:ACME"] == [
        START + timedelta(hours=3),
        START + timedelta(hours=30),
    ]
    assert {point.revision for point in log.points} == {0}
    fates = [one.fate for one in log.judged if one.fate in ("released", "step", "tick")]
    assert fates[-5:] == ["step", "released", "step", "released", "tick"]


def test_a_tick_does_nothing_more_where_nothing_waits() -> None:
    log = Log()
    log.tick(0)
    log.take(mention(document("now", 0)))
    assert [one.fate for one in log.detector.advance(log.clock)] == ["tick"]


def test_the_first_to_come_wins_though_it_waits() -> None:
    log = Log()
    log.tick(0)
    assert log.take(mention(document("twice", 9, "negative"))) == ["held"]
    for hours in (5.0, 9.0, -1.0):  # sent again, edited or not, dated before or not
        assert log.take(mention(document("twice", hours))) == ["applied"]
        assert log.judged[-1].outcomes.changed == frozenset()
    assert log.take(mention(document("twice", 9, "negative"), "ZETA")) == ["held"], "of the same text"
    log.take(Unlabelled("twitter/twice", START))
    assert log.tick(10) == ["released", "released"]
    log.tick(11)
    assert sum(point.negative for point in log.points if point.series == "company:ACME") == 1
    assert sum(point.negative for point in log.points if point.series == "company:ZETA") == 1
    assert log.take(mention(document("twice", 9, "negative"))) == ["applied"]
    assert log.judged[-1].outcomes.changed == frozenset()


def test_a_text_that_nobody_labelled_keeps_out_what_comes_later_under_its_name() -> None:
    log = Log()
    log.tick(0)
    assert log.take(Unlabelled("twitter/foreign", START + timedelta(hours=9))) == ["applied"]
    log.take(mention(document("foreign", 5, "negative")))
    log.tick(12)
    assert log.points == []


def test_what_waits_is_bounded_and_the_earliest_gives_way() -> None:
    small = replace(EARLY, detection=replace(EARLY.detection, held_megabytes=1))
    log = Log(small)
    log.tick(0)
    large = [mention(long(f"large-{i}", 100.0 - i)) for i in range(12)]
    fates = [log.take(record) for record in large]
    assert fates[0] == ["held"]
    assert ["held", "early"] in fates
    assert sum(len(one.original) for _, one in log.detector._buffer._held.values()) <= 1_000_000
    early = [one.held for one in log.judged if one.fate == "early" and one.held]
    waiting = log.detector.waiting
    assert min(read(held.original).document.published_at for held in early) < min(
        place.published_at for place in log.detector._buffer._order
    )
    log.restart()
    assert log.detector.waiting == waiting
    assert log.tick(200) == ["released"] * waiting
    assert sum(point.neutral for point in log.points if point.series == "company:ACME") == 12


def long(name: str, hours: float) -> DocumentSummary:
    return replace(document(name, hours), url="https://x/" + "ü" * 60_000)


@given(st.text(min_size=0, max_size=40), st.integers(0, 3))
def test_a_record_that_waits_comes_back_to_the_byte_in_small_pieces(text: str, times: int) -> None:
    log = Log()
    name = document("odd", 5)
    record = replace(mention(name), document=replace(name, url='"\\😀' * 12_000 * times + text))
    log.take(record)
    log.restart()
    [(_, held)] = log.detector._buffer._held.values()
    assert held == Held(0, encode(record))


def test_state_of_what_waits_that_does_not_fit_is_named() -> None:
    log = Log()
    log.take(mention(document("odd", 5)))
    pieces = {**log.saved, "held/0/0": b'[1,["x"]]'}
    with pytest.raises(InvariantError, match="held/0/0"):
        EventTimeDetector.restore(EARLY, read, pieces)


def test_a_record_that_cannot_be_judged_when_its_time_comes_costs_only_itself() -> None:
    log = Log()
    log.tick(0)
    bad = replace(mention(document("bad", 5)), time_zone="Atlantis/Capital")
    log.take(mention(document("before", 4)))
    log.take(bad)
    log.take(mention(document("after", 6)))
    assert log.tick(24) == ["released"] * 3
    [refused] = [one for one in log.judged if one.error]
    assert isinstance(refused.error, PoisonError) and refused.error.reason == "unknown-time-zone"
    assert refused.held == Held(1, encode(bad))
    assert log.detector.waiting == 0 and not any(key.startswith("held/") for key in log.saved)
    assert sum(point.neutral for point in log.points if point.series == "company:ACME") == 2


def test_work_of_time_that_fails_keeps_what_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    log = Log()
    log.tick(0)
    log.take(mention(document("first", 4)))
    with monkeypatch.context() as patch:
        patch.setattr(Detector, "_tick", lambda self, clock: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            log.tick(24)
    assert log.detector.waiting == 1
    assert log.tick(24) == ["released"]
