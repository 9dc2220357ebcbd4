"""What is decided: who hears what, once, on one thread an incident; held while it is quiet; and a book that is read again."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from processors.messages import Alert, Feedback, Origin
from streams.channels import AppriseChannel, WebhookChannel
from streams.codec import decode, encode
from streams.deadletters import KEPT_BYTES
from streams.deliver.book import Book, Change, applied, drop, read_to
from streams.deliver.delivery import MOST_IN_A_DIGEST, Delivery, delivery_id, digest_of
from streams.desks import Desk, Quiet
from tests.streams.sample_messages import NOON, alert, evidence

UTC_ZONE = ZoneInfo("UTC")
HOUR = timedelta(hours=1)
HOOK = WebhookChannel("hook", "https://a.example", ())
MAIL = AppriseChannel("mail", "json://a.example")
CHANNELS = {"hook": HOOK, "mail": MAIL}
DESK = Desk("d", frozenset({"company:BA", "company:GE"}), 1, channels=("hook", "mail"))
NIGHT = Quiet(UTC_ZONE, time(18), time(8), through="flash")


def book(*desks: Desk) -> Book:
    return Book({desk.name: desk for desk in desks or (DESK,)}, CHANNELS)


def ring(of: Book, *alerts: Alert, now: datetime = NOON) -> list[Delivery]:
    """What rings bring about, as messages."""
    changes: list[Change] = []
    for offset, one in enumerate(alerts):
        changes += applied(of, list(of.rang(one, Origin("t.alerts", 0, offset), now)))
    return messages(changes)


def messages(changes: Sequence[Change]) -> list[Delivery]:
    return [decode(Delivery, c.value) for c in changes if c.value and c.key.startswith("delivery/")]


def told(deliveries: Sequence[Delivery]) -> list[tuple[str, str]]:
    return [(delivery.channel, delivery.alert.id) for delivery in deliveries]


def event(n: int, what: Any, **changes: Any) -> Alert:
    return alert(f"a{n}", sequence=n, event=what, at=NOON + n * HOUR, **changes)


def test_people_hear_when_it_opens_gets_louder_and_is_over_and_programs_hear_all() -> None:
    events = [event(0, "open"), event(1, "update"), event(2, "escalate"), event(3, "revise"), event(4, "close")]
    found = told(ring(book(), *events))
    assert [id for channel, id in found if channel == "hook"] == ["a0", "a1", "a2", "a3", "a4"]
    assert [id for channel, id in found if channel == "mail"] == ["a0", "a2", "a4"]


def test_all_messages_of_an_incident_name_the_first_and_have_ids_of_their_own() -> None:
    found = ring(book(), event(0, "open"), event(2, "escalate"), event(4, "close"))
    assert {one.first for one in found if one.channel == "hook"} == {delivery_id("d", "hook", "a0")}
    assert len({one.id for one in found}) == len(found) == 6
    assert [one.id for one in found] == [
        one.id for one in ring(book(), event(0, "open"), event(2, "escalate"), event(4, "close"))
    ]


def test_an_incident_rings_with_the_first_event_that_passes_and_never_first_when_it_is_over() -> None:
    quiet, loud = 400.0, 0.01
    desk = replace(DESK, budget=0.001)
    found = ring(book(desk), event(0, "open", chance_per_year=quiet), event(1, "update", chance_per_year=loud),
                 event(2, "revise", chance_per_year=quiet), event(3, "close", chance_per_year=loud))  # fmt: skip
    assert [id for channel, id in told(found) if channel == "hook"] == ["a1", "a2", "a3"]
    assert ("mail", "a1") in told(found), "the first is told whatever it is"
    assert ring(book(desk), event(0, "open", chance_per_year=quiet), event(3, "close", chance_per_year=loud)) == []


def test_what_another_incident_goes_on_with_is_over_for_programs_only() -> None:
    found = ring(book(), event(0, "open"), event(1, "close", continued_by="incident-78"))
    assert told(found)[2:] == [("hook", "a1")]


def test_each_desk_hears_for_itself() -> None:
    other = Desk("e", frozenset({"company:BA"}), 1, channels=("mail",))
    deaf = Desk("f", frozenset({"company:AAPL"}), 1, channels=("mail",))
    found = ring(book(DESK, other, deaf), event(0, "open"))
    assert [(one.desk, one.channel) for one in found] == [("d", "hook"), ("d", "mail"), ("e", "mail")]


def said(kind: Any, until: datetime | None = None) -> Feedback:
    return Feedback("incident-77", "a0", "company:BA", kind, NOON, "ann", until=until)


def test_a_muted_series_rings_nobody_and_goes_on_with_nothing_but_its_end() -> None:
    muted = book()
    applied(muted, list(muted.heard(said("mute", NOON + 2 * HOUR))))
    assert ring(muted, event(0, "open")) == []
    assert told(ring(muted, event(1, "escalate"), now=NOON + 2 * HOUR)) == [("hook", "a1"), ("mail", "a1")]
    applied(muted, list(muted.heard(said("mute", NOON + 9 * HOUR))))
    assert ring(muted, event(2, "escalate"), now=NOON + 3 * HOUR) == []
    assert len(ring(muted, event(3, "close"), now=NOON + 3 * HOUR)) == 2
    applied(muted, list(muted.heard(said("unmute"))))
    assert len(ring(muted, alert("b0", incident="b"), now=NOON + 3 * HOUR)) == 2
    assert list(muted.heard(said("useful"))) == []


def at_night(*alerts: Alert, of: Book | None = None) -> Book:
    night = of or book(replace(DESK, quiet=NIGHT))
    ring(night, *alerts, now=NOON + 10 * HOUR)
    return night


def test_what_rings_in_quiet_hours_waits_and_comes_as_one_message_a_channel() -> None:
    night = at_night(event(0, "open"), event(1, "escalate"), alert("b0", incident="b", series="company:GE"))
    assert night.waiting == [] and len(night.held) == 6
    assert list(night.fold(NOON + 19 * HOUR)) == []
    found = messages(applied(night, list(night.fold(NOON + 20 * HOUR))))
    assert [(one.channel, [a.id for a in one.alerts]) for one in found] == [
        ("hook", ["b0", "a1"]),
        ("mail", ["b0", "a1"]),
    ]
    assert night.held == [] and {one.id for one in night.waiting} == {one.id for one in found}
    assert all(not one.first and not one.alerts[0].evidence for one in found)
    assert {one.thread for one in found} == {one.id for one in found}
    later = ring(night, event(2, "close"), now=NOON + 21 * HOUR)
    assert {one.first for one in later} <= {first for one in found for first in one.firsts}


def test_one_event_alone_is_told_in_full_when_the_quiet_ends_under_the_id_that_it_had() -> None:
    night = at_night(event(0, "open"))
    before = {one.id for one in night.held}
    found = messages(applied(night, list(night.fold(NOON + 30 * HOUR))))
    assert {one.id for one in found} == before and all(one.alert.evidence for one in found)
    assert all(one.since == NOON + 30 * HOUR and one.held_until is None for one in found)


def test_what_is_loud_enough_rings_in_quiet_hours() -> None:
    night = at_night(event(0, "open", tier="flash"))
    assert len(night.waiting) == 2


def test_a_digest_of_very_many_fits_into_a_dead_letter_and_says_what_it_left_out() -> None:
    long = alert(reason="x" * 600, evidence=tuple(evidence(n) for n in range(10)))
    held = [
        Delivery(f"m{n}", "d", "hook", (replace(long, id=f"a{n}", incident=f"i{n}", chance_per_year=n / 10),), "f", NOON, Origin("t", 0, n))
        for n in range(100)
    ]  # fmt: skip
    digest = digest_of(held, NOON)
    assert (len(digest.alerts), digest.left_out) == (MOST_IN_A_DIGEST, 100 - MOST_IN_A_DIGEST)
    assert max(one.chance_per_year for one in digest.alerts) < MOST_IN_A_DIGEST / 10, "the rarest by chance"
    assert len(encode(digest)) < KEPT_BYTES


def everything(of: Book) -> Any:
    return of.waiting, of.held, of._threads, of._mutes, of._positions


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["open", "escalate", "update", "close", "mute", "unmute", "fold", "drop", "read"]),
        st.integers(0, 3),
        st.integers(0, 72),
    ),
    max_size=40,
)


@given(STEPS)
def test_a_book_read_again_from_its_records_is_the_same_book(steps: list[tuple[str, int, int]]) -> None:
    first = book(replace(DESK, quiet=NIGHT), Desk("e", frozenset({"company:BA"}), 1, channels=("mail",)))
    log: list[Change] = []
    for number, (what, which, hours) in enumerate(steps):
        log += applied(first, list(_step(first, what, which, NOON + hours * HOUR, number)))
    again = book(replace(DESK, quiet=NIGHT), Desk("e", frozenset({"company:BA"}), 1, channels=("mail",)))
    compacted = {change.key: change.value for change in log}
    applied(again, [Change(key, value) for key, value in compacted.items()])
    assert everything(again) == everything(first)


def _step(of: Book, what: str, which: int, now: datetime, number: int) -> Iterator[Change]:
    if what in ("mute", "unmute"):
        yield from of.heard(said(what, now + HOUR))
    elif what == "fold":
        yield from of.fold(now)
    elif what == "drop":
        yield from (drop(one.id) for one in of.waiting[:which])
    elif what == "read":
        yield read_to("alerts", which, number)
    else:
        one = alert(f"a{number}", incident=f"i{which}", sequence=number, event=what, at=now)
        yield from of.rang(one, Origin("t.alerts", 0, number), now)
