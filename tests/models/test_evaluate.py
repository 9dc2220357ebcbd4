"""Measures against values worked out by hand, and against their own laws."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models import evaluate

TRUTH = np.array([0, 0, 0, 1, 1, 2])
PREDICTED = np.array([0, 0, 1, 1, 1, 0])


def test_scores_worked_out_by_hand() -> None:
    found = evaluate.scores(TRUTH, PREDICTED, 3)
    # F1: class 0 = 2·2/(3+3), class 1 = 2·2/(2+3), class 2 = 0
    assert found["accuracy"] == pytest.approx(4 / 6)
    assert found["weighted_f1"] == pytest.approx((3 * 2 / 3 + 2 * 4 / 5) / 6)
    assert found["macro_f1"] == pytest.approx((2 / 3 + 4 / 5) / 3)


def test_scores_of_texts_with_several_labels_worked_out_by_hand() -> None:
    truth = np.array([[1, 1, 0], [0, 1, 0], [0, 0, 0]], bool)
    given = np.array([[1, 0, 0], [0, 1, 1], [0, 0, 0]], bool)
    found = evaluate.several_scores(truth, given)
    assert found["micro_f1"] == pytest.approx(2 * 2 / (3 + 3))
    assert found["macro_f1"] == pytest.approx((1 + 2 / 3 + 0) / 3)
    assert found["exact"] == pytest.approx(1 / 3)
    assert set(evaluate.several_scores(truth, truth).values()) == {1.0}
    low, high = evaluate.several_intervals(truth, truth, given)["micro_f1"]
    assert low <= 1 - found["micro_f1"] <= high


def test_a_class_that_never_occurs_does_not_lower_macro_f1() -> None:
    assert evaluate.scores(TRUTH, TRUTH, 9)["macro_f1"] == 1.0


def test_confusion_counts_truth_by_rows() -> None:
    assert evaluate.confusion(TRUTH, PREDICTED, 3).tolist() == [[2, 1, 0], [0, 2, 0], [1, 0, 0]]


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=60))
def test_scores_lie_between_0_and_1_and_are_1_only_for_the_truth(pairs: list[tuple[int, int]]) -> None:
    truth, predicted = (np.array(column) for column in zip(*pairs, strict=True))
    for value in evaluate.scores(truth, predicted, 4).values():
        assert 0 <= value <= 1
        assert (value == 1) == bool((truth == predicted).all())


def test_intervals_hold_the_score_and_narrow_with_more_texts() -> None:
    few = evaluate.intervals(TRUTH, PREDICTED, 3)["accuracy"]
    many = evaluate.intervals(np.tile(TRUTH, 50), np.tile(PREDICTED, 50), 3)["accuracy"]
    assert few[0] <= many[0] <= 4 / 6 <= many[1] <= few[1]


def test_calibration_error_is_the_gap_between_confidence_and_accuracy() -> None:
    probabilities = np.array([[0.8, 0.2]] * 10)
    truth = np.array([0] * 6 + [1] * 4)
    assert evaluate.calibration_error(truth, probabilities) == pytest.approx(0.2)


def test_the_fitted_temperature_undoes_a_scaling_of_the_logits() -> None:
    generator = np.random.default_rng(0)
    logits = generator.normal(0, 2, (20_000, 3))
    truth = np.array([generator.choice(3, p=row) for row in evaluate.softmax(logits)])
    assert evaluate.fit_temperature(truth, 2 * logits) == pytest.approx(2, rel=0.05)


def test_softmax_stands_large_logits() -> None:
    assert evaluate.softmax(np.array([[1e4, 0.0]])).tolist() == [[1.0, 0.0]]


def test_the_area_under_the_curve_counts_pairs_in_the_right_order() -> None:
    positive = np.array([True, True, False, False])
    # of the four pairs (.9, .5) and (.9, .1) are right, (.5, .5) is half, (.5, .1) right
    assert evaluate.roc_auc(positive, np.array([0.9, 0.5, 0.5, 0.1])) == pytest.approx(3.5 / 4)
    assert evaluate.roc_auc(np.array([True, True]), np.array([0.1, 0.2])) is None


@given(st.lists(st.tuples(st.booleans(), st.sampled_from([0.1, 0.4, 0.7, 0.9])), min_size=2, max_size=80))
def test_the_roc_curve_rises_from_corner_to_corner_and_encloses_the_area(pairs: list[tuple[bool, float]]) -> None:
    positive, score = np.array([pair[0] for pair in pairs]), np.array([pair[1] for pair in pairs])
    area = evaluate.roc_auc(positive, score)
    if area is None:
        return
    curve = np.array(evaluate.roc_curve(positive, score))
    assert curve[0].tolist() == [0, 0]
    assert curve[-1].tolist() == [1, 1]
    assert (np.diff(curve, axis=0) >= 0).all()
    assert np.trapezoid(curve[:, 1], curve[:, 0]) == pytest.approx(area)


def test_mcnemar_asks_only_where_one_of_two_is_right() -> None:
    truth = np.zeros(20, np.int64)
    first, second = np.array([0] * 18 + [1] * 2), np.array([0] * 10 + [1] * 8 + [0] * 2)
    found = evaluate.mcnemar(truth, first, second)
    assert (found["only_first"], found["only_second"]) == (8, 2)
    assert found["p_value"] == pytest.approx(2 * (1 + 10 + 45) / 2**10)  # two-sided binomial tail of 2 in 10


def test_the_interval_of_an_advantage_is_narrower_than_the_scores_suggest() -> None:
    generator = np.random.default_rng(0)
    truth = generator.integers(0, 3, 600)
    second = np.where(generator.random(600) < 0.8, truth, (truth + 1) % 3)
    first = np.where(generator.random(600) < 0.03, truth, second)  # mends a few of the other's errors, adds none
    low, high = evaluate.difference_intervals(truth, first, second, 3)["accuracy"]
    alone = evaluate.intervals(truth, first, 3)["accuracy"]
    assert 0 < high - low < alone[1] - alone[0]
    assert low >= 0
