"""The shipped model: its contract, its independence of neighbours, its figures. Needs no torch."""

import json
from pathlib import Path

import numpy as np
import pytest

from models.config import DEFAULT_CONFIG, load_config
from models.datasets import Example
from models.evaluate import scores
from models.name_scores import asked, measured
from models.named_texts import divided_named_texts
from models.onnx_model import DEFAULT_MODEL, OnnxModel, content_hash, inputs_of, row_dependence
from processors.labels import SENTIMENTS, TOPICS

VALIDATION = json.loads((DEFAULT_MODEL / "validation.json").read_text())
STATED = VALIDATION["heads"]

TEXTS = [
    "",
    "Apple",
    "$TSLA soars to a record high http",
    "Shares of Acme plunge 30% after the chief executive is arrested for fraud",
    "Fed raises rates by 50 basis points as inflation stays hot",
    "Exxon Mobil declares a quarterly dividend of $0.88 a share http",
    "Goldman cuts its price target on Orbit Software to $12 from $30, keeps rating at sell http http",
    "The company " + "said that it would review its options, and " * 12 + "shares fell.",
    "Oil settles higher. " * 60,
]


@pytest.fixture(scope="module")
def model() -> OnnxModel:
    return OnnxModel(threads=1)


def test_the_labels_are_those_of_the_contract_in_their_order(model: OnnxModel) -> None:
    assert model.heads == {"sentiment": SENTIMENTS, "topic": TOPICS}


def test_the_hash_is_that_of_the_shipped_files(model: OnnxModel) -> None:
    assert model.description["hash"] == content_hash(DEFAULT_MODEL)


def test_the_file_is_small_enough_to_ship() -> None:
    assert (DEFAULT_MODEL / "model.onnx").stat().st_size <= 30e6


def test_probabilities_of_each_head_sum_to_one(model: OnnxModel) -> None:
    for values in model.predict(TEXTS).values():
        assert np.allclose(values.sum(1), 1, atol=1e-5)


def test_plain_cases_get_their_plain_label(model: OnnxModel) -> None:
    found = model.predict(TEXTS)
    sentiment = [SENTIMENTS[row] for row in found["sentiment"].argmax(1)]
    topic = [TOPICS[row] for row in found["topic"].argmax(1)]
    assert sentiment[2] == "positive"
    assert sentiment[3] == "negative"
    assert topic[4] == "fed-central-banks"
    assert topic[5] == "dividend"
    assert topic[6] == "analyst-update"


def test_no_label_depends_on_neighbours_or_padding(model: OnnxModel) -> None:
    found = row_dependence(model, TEXTS * 2, batch_size=len(TEXTS))
    assert found == {"changed_labels": 0, "largest_difference": pytest.approx(0, abs=1e-3)}


def test_what_is_said_of_a_name_depends_on_no_neighbour_and_no_padding(model: OnnxModel) -> None:
    tokens = model.tokenise([text for text in TEXTS if text])
    [together] = model.session.run(["p_company"], inputs_of(tokens, 256))
    for row, values in enumerate(tokens):
        [alone] = model.session.run(["p_company"], inputs_of([values], model.padded_length(len(values))))
        assert np.allclose(alone[0, : len(values)], together[row, : len(values)], atol=1e-3)


@pytest.mark.data
def test_the_stated_share_of_companies_is_told_rightly(data_dir: Path) -> None:
    _, held_out = divided_named_texts(load_config(DEFAULT_CONFIG), data_dir)
    found = measured(asked(DEFAULT_MODEL, held_out), held_out)
    for source, kinds in found["by_source"].items():
        for kind, row in kinds.items():
            stated = VALIDATION["names"]["by_source"][source][kind]
            assert row["names"] == stated["names"]
            assert row["served"]["share"] == pytest.approx(stated["served"]["share"], abs=0.005)


def test_telling_companies_apart_is_worth_more_than_giving_each_the_label_of_the_text() -> None:
    row = VALIDATION["names"]["by_source"]["sentfin-train.csv"]["several names"]
    assert row["advantage"]["interval_95"][0] > 0.05


@pytest.fixture(scope="module")
def held_out(divided: tuple[list[Example], list[Example]]) -> list[Example]:
    return divided[1]


@pytest.mark.data
def test_no_label_of_a_real_text_depends_on_neighbours_or_padding(model: OnnxModel, held_out: list[Example]) -> None:
    found = row_dependence(model, [example.text for example in held_out[::40]])
    assert found["changed_labels"] == 0
    assert found["largest_difference"] <= 1e-3


@pytest.mark.data
@pytest.mark.parametrize(("head", "measure"), [("sentiment", "weighted_f1"), ("topic", "accuracy")])
def test_the_figures_of_the_card_hold_on_the_held_out_fold(
    model: OnnxModel, held_out: list[Example], head: str, measure: str
) -> None:
    labelled = [example for example in held_out if head in example.targets]
    truth = np.array([example.targets[head] for example in labelled])
    predicted = model.predict([example.text for example in labelled])[head].argmax(1)
    found = scores(truth, predicted, len(model.heads[head]))[measure]
    stated = STATED[head]
    assert found == pytest.approx(stated[measure], abs=0.002)
    assert stated["full_precision"][measure] - found <= 0.005


@pytest.mark.parametrize(
    ("head", "measure", "floor"), [("sentiment", "weighted_f1", 0.86), ("topic", "accuracy", 0.89)]
)
def test_the_shipped_model_is_as_good_as_we_want_it(head: str, measure: str, floor: float) -> None:
    assert STATED[head][measure] >= floor
