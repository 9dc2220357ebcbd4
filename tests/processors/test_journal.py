"""Changes are taken back exactly, in whatever order they were made."""

from hypothesis import given
from hypothesis import strategies as st

from processors.journal import Journal

STEPS = st.lists(st.tuples(st.sampled_from(["put", "drop", "call"]), st.sampled_from("abc"), st.integers()))


@given(st.dictionaries(st.sampled_from("abc"), st.integers()), STEPS)
def test_undo_restores_what_was_before_the_latest_begin(
    held: dict[str, int], steps: list[tuple[str, str, int]]
) -> None:
    journal, called = Journal(), []
    journal.put(held, "b", 7)
    journal.begin()
    before = held.copy()
    for kind, key, value in steps:
        if kind == "put":
            journal.put(held, key, value)
        elif kind == "drop":
            journal.drop(held, key)
        else:
            journal.call(called.append, lambda _: called.pop(), value)
    journal.undo()
    assert held == before
    assert called == []
    journal.undo()
    assert held == before
