"""Ids, partitions and canonical JSON: what consumers in any language can compute again."""

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.identity import canonical_json, content_id, format_instant, partition_of
from processors.messages import DeadLetter, Document, Origin

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@given(json_values)
def test_canonical_json_is_a_fixed_point(value: object) -> None:
    once = canonical_json(value)
    assert canonical_json(json.loads(once)) == once


@given(st.dictionaries(st.text(max_size=8), st.integers(), max_size=8))
def test_the_order_of_keys_does_not_matter(value: dict[str, int]) -> None:
    assert canonical_json(dict(reversed(value.items()))) == canonical_json(value)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_floats_keep_six_significant_digits(number: float) -> None:
    assert json.loads(canonical_json(number)) == pytest.approx(number, rel=1e-5)


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_what_json_cannot_carry_is_refused(number: float) -> None:
    with pytest.raises(ValueError, match="no JSON form"):
        canonical_json({"x": number})


def test_known_values_stay_as_they_are_because_others_compute_them_too() -> None:
    assert content_id("alert", "company:AAPL", 3) == "alert-d42ef1e5db626245e71e8f7a27ac9812"
    assert [partition_of(key, 6) for key in ("AAPL", "BRK-A", "苹果")] == [1, 1, 0]
    assert canonical_json({"b": 1.0, "a": [0.1234567, None], "t": datetime(2020, 1, 1, tzinfo=UTC)}) == (
        b'{"a":[0.123457,null],"b":1,"t":"2020-01-01T00:00:00Z"}'
    )


def test_what_messages_share_is_written_as_if_each_were_alone() -> None:
    origin = Origin("t", 1, 2)
    letters = [DeadLetter("enrich", reason, "m", origin, "", "", 0) for reason in ("one", "other")]
    memo: dict[int, str] = {}
    assert [canonical_json(letter, memo) for letter in letters] == [canonical_json(letter) for letter in letters]
    assert memo[id(origin)] == '{"offset":2,"partition":1,"place":"t"}'


def test_the_metadata_of_a_user_keep_their_numbers() -> None:
    document = Document("1", "wire", "news", datetime(2020, 1, 1, tzinfo=UTC), metadata={"b": 1.23456789, "a": 2.0})
    assert b'"metadata":{"a":2.0,"b":1.23456789}' in canonical_json(document)


def test_parts_of_an_id_do_not_run_together() -> None:
    assert content_id("x", "a", "bc") != content_id("x", "ab", "c")


@given(st.text(), st.integers(1, 64))
def test_every_key_has_a_partition(key: str, partitions: int) -> None:
    assert 0 <= partition_of(key, partitions) < partitions


def test_partitions_share_the_keys_evenly() -> None:
    counts = [0] * 8
    for n in range(8000):
        counts[partition_of(f"company-{n}", 8)] += 1
    assert min(counts) > 850
    assert max(counts) < 1150


def test_instants_are_written_in_utc_and_naive_ones_refused() -> None:
    new_york = timezone(timedelta(hours=-5))
    assert format_instant(datetime(2020, 1, 1, 9, 30, tzinfo=new_york)) == "2020-01-01T14:30:00Z"
    with pytest.raises(ValueError, match="naive"):
        format_instant(datetime(2020, 1, 1))
