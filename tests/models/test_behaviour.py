"""Cases written by hand and small changes of texts: what counts as passed, what is changed, what is no case."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.behaviour import CASES, COLUMNS, Case, behaviour, load_cases, passes
from models.lexicon import polarities, sentiments
from models.perturbation import CHANGES, perturbed
from processors.errors import ConfigurationError

NEGATIVE, NEUTRAL, POSITIVE = (np.array(row) for row in ([0.8, 0.1, 0.1], [0.2, 0.7, 0.1], [0.1, 0.1, 0.8]))


def test_each_hand_wrote_as_much_as_promised_and_said_nothing_twice() -> None:
    counts = {}
    for hand, path in CASES.items():
        cases = load_cases(path, hand)
        counts[hand] = Counter(case.phenomenon for case in cases)
        assert len(cases) >= 300
        assert min(counts[hand].values()) >= 14
        assert len({(case.text, case.against) for case in cases}) == len(cases)
    assert len(counts) == 2
    assert counts["first"].keys() == counts["second"].keys()
    assert len(counts["first"]) >= 15


@pytest.mark.parametrize(
    ("expected", "found", "other", "passed"),
    [
        ("negative", NEGATIVE, NEUTRAL, True),
        ("negative", NEUTRAL, NEUTRAL, False),
        ("not-positive", NEUTRAL, NEUTRAL, True),
        ("not-positive", POSITIVE, NEUTRAL, False),
        ("same", NEGATIVE, NEGATIVE, True),
        ("same", NEGATIVE, NEUTRAL, False),
        ("more-negative", NEGATIVE, NEUTRAL, True),
        ("more-negative", NEUTRAL, NEUTRAL, False),
        ("less-positive", NEUTRAL, POSITIVE, True),
        ("less-positive", POSITIVE, NEUTRAL, False),
    ],
)
def test_a_case_passes_where_the_answer_is_as_expected(
    expected: str, found: NDArray[np.float64], other: NDArray[np.float64], passed: bool
) -> None:
    assert passes(Case("any", expected, "text", "other", "first"), found, other) is passed


def test_every_phenomenon_is_counted_and_every_failure_told() -> None:
    cases = [
        Case("a", "negative", "loss", "", "first"),
        Case("a", "positive", "loss", "", "second"),
        Case("b", "same", "gain", "gains", "second"),
    ]
    [(name, found)] = behaviour(cases, {"lexicon": sentiments})["classifiers"].items()
    assert name == "lexicon"
    assert {each: (row["passed"], row["cases"]) for each, row in found["phenomena"].items()} == {
        "a": (1, 2),
        "b": (1, 1),
    }
    assert found["all"]["passed"] == 2
    by_hand = {hand: (row["all"]["passed"], row["all"]["cases"]) for hand, row in found["hands"].items()}
    assert by_hand == {"first": (1, 1), "second": (1, 2)}
    assert list(found["hands"]["first"]["phenomena"]) == ["a"]
    assert [(case["phenomenon"], case["expected"]) for case in found["failed"]] == [("a", "positive")]


@pytest.mark.parametrize(
    "row", ["a\tsad\tloss\t", "a\tnegative\t\t", "a\tsame\tloss\t", "a\tnegative\tloss\tgain", "a\tnegative\tloss"]
)
def test_a_row_that_is_no_case_is_named(tmp_path: Path, row: str) -> None:
    path = tmp_path / "cases.tsv"
    path.write_text("\t".join(COLUMNS) + f"\nplain\tneutral\tmeeting\t\n{row}\n", encoding="utf-8")
    with pytest.raises(ConfigurationError, match="row 3"):
        load_cases(path, "own")


def test_the_lexicon_counts_words_and_turns_them_after_a_negation() -> None:
    assert polarities("Shares plunge, no profit".split()) == [0, -1, 0, -1]
    assert polarities("They did not fall".split()) == [0, 0, 0, 1]
    found = sentiments(["plunge and loss", "gain", "loss and gain", ""])
    assert found.argmax(1).tolist() == [0, 2, 1, 1]
    assert found.sum(1) == pytest.approx(1)
    assert found[0, 0] > found[1, 2]


@given(st.text(max_size=200), st.sampled_from(sorted(CHANGES)), st.integers(0, 100))
def test_any_text_can_be_changed_and_the_same_way_each_time(text: str, name: str, seed: int) -> None:
    assert CHANGES[name](text, np.random.default_rng(seed)) == CHANGES[name](text, np.random.default_rng(seed))


def test_typos_leave_cashtags_and_links_alone_and_cashtags_turn_alike() -> None:
    text = "$AAPL shares falling again after https://example.com/shares-falling $AAPL $MSFT"
    typed = CHANGES["typos"](text, np.random.default_rng(1))
    assert typed != text
    assert [word for word in typed.split() if word[0] in "$h"] == [word for word in text.split() if word[0] in "$h"]
    first, second, third = (
        w for w in CHANGES["cashtags swapped"](text, np.random.default_rng(1)).split() if w[0] == "$"
    )
    assert first == second != third
    assert {first, third} & {"$AAPL", "$MSFT"} == set()


def test_turned_labels_are_counted_among_the_texts_that_a_change_touches() -> None:
    def ask(texts: Sequence[str]) -> NDArray[np.float64]:
        return np.array([NEGATIVE if "loss" in text else NEUTRAL for text in texts])

    found = perturbed(["a loss", "GAINS MADE", "no loss $KO"], [0, 1, 1], ask)
    assert "lower case" in found
    assert found["lower case"]["flipped"]["cases"] == 2  # of GAINS MADE and of $KO
    assert found["upper case"]["flipped"] == {"passed": 2, "cases": 2, "interval_95": pytest.approx([0.3424, 1.0])}
    assert found["upper case"]["right_to_wrong"]["passed"] == 1
    assert found["upper case"]["wrong_to_right"]["passed"] == 1
