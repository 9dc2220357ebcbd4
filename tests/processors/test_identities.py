"""Identities are remembered exactly, in little memory, and as they were after a change is taken back or state restored."""

import tracemalloc
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.errors import InvariantError
from processors.ledger import Counted, Ledger, key_of
from processors.packed_table import PackedTable
from processors.state import Changes

OWNERS = ("company:ACME", "company:a/b", "wide")
KEYS = [key_of(str(number)) for number in range(400)]
SERIES = [("company:ACME", f"company-topic:ACME/{topic}") for topic in ("earnings", "markets")]


class Book:
    """The same by dictionaries: (owner, key) → hour and where it counts."""

    def __init__(self) -> None:
        self.entries: dict[tuple[str, str], tuple[int, Counted | None]] = {}

    def agrees(self, ledger: Ledger) -> bool:
        """Whether a ledger knows just this."""
        return all(
            ledger.knows(key, owner) == ((owner, key) in self.entries)
            and ledger.get(owner, key) == self.entries.get((owner, key), (0, None))[1]
            for owner in OWNERS
            for key in KEYS[:40]
        )


@st.composite
def entries(draw: st.DrawFn) -> tuple[str, str, int, Counted | None]:
    """A document to note: owner, key, hour, where it counts."""
    hour = draw(st.integers(490_000, 490_003))
    second = hour * 3600 + draw(st.sampled_from([0, 17, 3599, -5, -86_400]))
    counted = Counted(second, draw(st.integers(0, 100)), draw(st.sampled_from(SERIES)))
    return draw(st.sampled_from(OWNERS)), draw(st.sampled_from(KEYS[:40])), hour, draw(st.sampled_from([counted, None]))


def state_of(ledger: Ledger) -> dict[str, bytes]:
    """All pieces."""
    return {name: content for name in ledger.names() if (content := ledger.read(name)) is not None}


def restored(pieces: dict[str, bytes], is_reversed: bool = False, changes: Changes | None = None) -> Ledger:
    """The ledger whose pieces these are."""
    ledger = Ledger(changes or Changes())
    for name in sorted(pieces, reverse=is_reversed):
        ledger.write(name, pieces[name])
    return ledger


@given(st.data())
def test_it_knows_what_was_noted_whatever_is_displaced_forgotten_taken_back_or_restored(data: st.DataObject) -> None:
    changes, book, written = Changes(), Book(), dict[str, bytes]()
    ledger = Ledger(changes)
    for _ in range(data.draw(st.integers(1, 12))):
        before, state = dict(book.entries), state_of(ledger)
        for _ in range(data.draw(st.integers(1, 6))):
            what = data.draw(st.sampled_from(["add"] * 5 + ["displace"] * 2 + ["expire"]))
            owner, key, hour, counted = data.draw(entries())
            if what == "expire":
                ledger.expire(hour)
                book.entries = {place: entry for place, entry in book.entries.items() if entry[0] >= hour}
            elif what == "displace":
                known = book.entries.get((owner, key))
                assert ledger.displace(owner, key) == (known and known[1])
                if known is not None:
                    book.entries[owner, key] = known[0], None
            elif (owner, key) not in book.entries:
                ledger.add(owner, key, hour, counted)
                book.entries[owner, key] = hour, counted
        if data.draw(st.booleans()):
            changes.rollback()
            book.entries = before
            assert state_of(ledger) == state
        else:
            for changed in changes.commit():
                name = changed.removeprefix("identities/")
                content = ledger.read(name)
                if content is None:
                    written.pop(name, None)
                else:
                    written[name] = content
        assert book.agrees(ledger)
        assert state_of(ledger) == written
        if data.draw(st.booleans()):
            changes = Changes()
            ledger = restored(written, data.draw(st.booleans()), changes)
    again = restored(written)
    assert book.agrees(again) and state_of(again) == written


def test_an_hour_of_many_documents_fills_one_piece_after_the_other_also_where_it_was_restored() -> None:
    changes = Changes()
    ledger = Ledger(changes)
    for number in range(1700):
        ledger.add("wide", key_of(f"n{number}"), 7, Counted(25_200 + number, 90, ("market:all",)))
    pieces = state_of(ledger)
    assert len(pieces) == 12 and max(map(len, pieces.values())) < 64 * 1024
    for is_reversed in (False, True):
        again = restored(pieces, is_reversed)
        for one in (ledger, again):
            one.add("wide", key_of(f"next {is_reversed}"), 7, None)
        assert state_of(again) == state_of(ledger)
        assert again.get("wide", key_of("n1699")) == Counted(25_200 + 1699, 90, ("market:all",))
        assert not again.knows(key_of("n1700"), "wide")
        pieces = state_of(ledger)


def test_identities_cost_little_and_are_let_go_of() -> None:
    changes = Changes()
    ledger = Ledger(changes)
    keys = [key_of(str(number)) for number in range(30_000)]
    tracemalloc.start()
    try:
        for number, key in enumerate(keys):
            hour = number // 10_000
            series = (f"company:C{number % 20}", f"company-topic:C{number % 20}/earnings")
            ledger.add(series[0], key, hour, Counted(hour * 3600, 50, series) if number % 2 else None)
            changes.commit()
        assert tracemalloc.get_traced_memory()[0] / len(keys) < 60
        ledger.expire(3)
        changes.commit()
        assert tracemalloc.get_traced_memory()[0] < 200_000
    finally:
        tracemalloc.stop()
    assert not ledger.names() and not any(ledger.knows(key, "company:C0") for key in keys[:100])


@pytest.mark.parametrize("content", [{"00ff": None}, {"x": None}, {key_of("a"): [1, 300, []]}, {key_of("a"): [1]}, 7])
def test_a_damaged_piece_is_refused_by_name(content: Any) -> None:
    with pytest.raises(InvariantError, match="identities/wide/7/0"):
        restored({"wide/7/0": b"[2," + repr(content).replace("'", '"').replace("None", "null").encode() + b"]"})


@given(
    st.lists(st.tuples(st.integers(0, 50), st.integers(0, 5)), max_size=300),
    st.sampled_from([5, 9, 40]),
    st.randoms(use_true_random=False),
)
def test_a_table_finds_just_what_is_in_it(pairs: list[tuple[int, int]], size: int, random: Random) -> None:
    table = PackedTable(size)
    keys = [bytes.fromhex(key)[:4] for key in KEYS]
    entries = [keys[key] + number.to_bytes(size - 4) for key, number in pairs]
    for entry in entries:
        table.add(entry)
    random.shuffle(entries)
    for _ in range(len(entries) // 2):
        table.remove(entries.pop())
    assert len(table) == len(entries)
    for key in keys[:51]:
        assert sorted(table.find(key)) == sorted(entry[4:] for entry in entries if entry.startswith(key))


def test_a_key_that_begins_like_another_is_not_taken_for_it() -> None:
    other = KEYS[0][:8] + 24 * "0"
    ledger = Ledger(Changes())
    ledger.add("wide", KEYS[0], 7, None)
    assert not ledger.knows(other, "wide") and not ledger.knows(KEYS[0], "company:ACME")
    ledger.add("wide", other, 8, None)
    ledger.expire(8)
    assert ledger.knows(other, "wide") and not ledger.knows(KEYS[0], "wide")
