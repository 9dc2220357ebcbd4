"""The validation split keeps what is alike together."""

from collections import Counter, defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.config import DEFAULT_CONFIG, load_config
from models.datasets import Example
from models.splits import NEAR_DUPLICATE, grouped_folds, near_duplicate_groups, near_duplicates_of, shingles

WORDS = "shares fall rise bank oil fed cuts raises profit loss quarter chief deal sues gold bond yield euro".split()
SENTENCES = st.lists(st.sampled_from(WORDS), min_size=1, max_size=8).map(" ".join)


def jaccard(a: str, b: str) -> float:
    first, second = shingles(a), shingles(b)
    return len(first & second) / len(first | second) if first | second else 0.0


@given(st.lists(SENTENCES, max_size=30, unique=True))
@settings(max_examples=50, deadline=None)
def test_every_near_duplicate_pair_shares_a_group(texts: list[str]) -> None:
    groups = near_duplicate_groups(texts)
    for i, a in enumerate(texts):
        for j, b in enumerate(texts):
            if jaccard(a, b) >= NEAR_DUPLICATE + 1e-9:
                assert groups[i] == groups[j]


@given(st.lists(SENTENCES, min_size=1, max_size=30, unique=True))
@settings(max_examples=50, deadline=None)
def test_folds_do_not_depend_on_the_order_of_the_texts(texts: list[str]) -> None:
    folds = dict(zip(texts, grouped_folds(texts, ["one"] * len(texts)), strict=True))
    shuffled = sorted(texts, reverse=True)
    assert folds == dict(zip(shuffled, grouped_folds(shuffled, ["one"] * len(texts)), strict=True))


def test_numbers_and_links_do_not_hide_a_near_duplicate() -> None:
    groups = near_duplicate_groups(["Acme shares fall 3% http", "ACME shares fall 12%", "Gold rises"])
    assert groups[0] == groups[1] != groups[2]


def test_chinese_is_compared_by_pairs_of_characters() -> None:
    assert shingles("苹果 Apple 涨3%") == {"苹 果", "果 apple", "apple", "apple 涨", "涨 0", "0"}
    groups = near_duplicate_groups(["苹果公司今天股价大涨", "苹果公司今天股价大跌", "今天公司的苹果"])
    assert groups[0] == groups[1] != groups[2]


def test_each_stratum_is_spread_evenly_over_the_folds() -> None:
    texts = ["".join(chr(97 + int(digit)) for digit in str(number)) for number in range(100, 200)]
    strata = ["rare" if number % 10 == 0 else "common" for number in range(100)]
    folds = grouped_folds(texts, strata, folds=5)
    counts = Counter(zip(strata, folds.tolist(), strict=True))
    assert [counts["rare", fold] for fold in range(5)] == [2] * 5
    assert [counts["common", fold] for fold in range(5)] == [18] * 5


@pytest.mark.data
def test_no_near_duplicate_of_a_held_out_text_is_learnt_from(
    divided: tuple[list[Example], list[Example]],
) -> None:
    learnt, held_out = divided
    assert not {example.text for example in learnt} & {example.text for example in held_out}
    index: defaultdict[str, list[int]] = defaultdict(list)
    learnt_shingles = [shingles(example.text) for example in learnt]
    for row, found in enumerate(learnt_shingles):
        for shingle in found:
            index[shingle].append(row)
    for example in held_out:
        own = shingles(example.text)
        common = Counter(row for shingle in own if len(index[shingle]) < 300 for row in index[shingle])
        for row, _ in common.most_common(20):
            other = learnt_shingles[row]
            assert len(own & other) / len(own | other) < NEAR_DUPLICATE, example.text[:40]


@pytest.mark.data
def test_a_fifth_of_every_label_is_held_out(divided: tuple[list[Example], list[Example]]) -> None:
    learnt, held_out = divided
    for head in load_config(DEFAULT_CONFIG).heads:
        if head.exported:
            for label in range(len(head.labels)):
                kept = sum(example.targets.get(head.name) == label for example in held_out)
                used = sum(example.targets.get(head.name) == label for example in learnt)
                assert 0.1 < kept / (kept + used) < 0.3, head.labels[label]


def test_near_duplicates_of_other_texts_are_found_and_what_is_new_is_not() -> None:
    found = near_duplicates_of(
        ["Acme shares fall 3% http", "Gold rises", "an unheard of sentence"], ["ACME shares fall 12%", "Oil falls"]
    )
    assert found.tolist() == [True, False, False]
    assert near_duplicates_of(["Gold rises"], []).tolist() == [False]
