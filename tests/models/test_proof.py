"""The proof of a model: figures that agree with one another, and a page that holds them."""

import copy
import csv
import json
from collections.abc import Mapping
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from models.config import DEFAULT_CONFIG, Split, load_config
from models.datasets import Example
from models.onnx_model import DEFAULT_MODEL, OnnxModel
from models.proof import measured_and_learnt, prove
from models.proof_page import page
from processors.errors import ConfigurationError
from processors.labels import SENTIMENTS
from streams.commands import models

TEXTS = {
    "Orbit Software soars to a record high after profit beats estimates": "positive",
    "Acme plunges 30% as its chief executive is arrested for fraud": "negative",
    "Zeno Corp raises its full-year outlook, shares jump": "positive",
    "Kappa Works warns of a larger loss, shares tumble": "negative",
    "Delta Labs to hold its annual meeting on <Tuesday> & Wednesday": "neutral",
    "Orbit Software schedules its second quarter earnings call": "neutral",
}


def examples(labels: Mapping[str, str]) -> list[Example]:
    """Each text ten times with another number, so that slices are large enough for scores."""
    return [
        Example(f"{text} (report {number})", {"sentiment": SENTIMENTS.index(label)}, source)
        for number, source in enumerate(["wire", "blog"] * 5)
        for text, label in labels.items()
    ]


@pytest.fixture(scope="module")
def model() -> OnnxModel:
    return OnnxModel(threads=1)


class Fixed:
    """Stands beside a real model: it calls everything neutral."""

    def __init__(self, model: OnnxModel) -> None:
        self.heads, self.description = model.heads, {"name": "calm", "version": "0", "hash": "00"}

    def predict(self, texts: list[str]) -> dict[str, np.ndarray]:
        return {name: np.tile(np.eye(len(labels))[1], (len(texts), 1)) for name, labels in self.heads.items()}


def test_the_proof_agrees_with_itself(model: OnnxModel) -> None:
    proof = prove(model, examples(TEXTS), learnt=[])
    head = proof["heads"]["sentiment"]
    assert list(proof["heads"]) == ["sentiment"]
    assert proof["near_duplicates"] == 0
    assert head["without_near_duplicates"]["accuracy"] == head["accuracy"] > 0.8
    assert sum(row["texts"] for row in head["by_length"].values()) == head["texts"] == len(TEXTS) * 10
    assert {source: row["texts"] for source, row in head["by_source"].items()} == {"wire": 30, "blog": 30}
    assert sum(row["texts"] for row in head["reliability"]) == head["texts"]
    assert all(row["truth"] != row["predicted"] for row in head["worst"])


def test_near_duplicates_of_what_was_learnt_are_counted_and_set_aside(model: OnnxModel) -> None:
    told, new = list(TEXTS)[:4], list(TEXTS)[4:]
    learnt = [Example(f"{text} (report 99)", {}, "wire") for text in told]
    proof = prove(model, examples(TEXTS), learnt)
    assert proof["near_duplicates"] == 10 * len(told)
    assert proof["heads"]["sentiment"]["without_near_duplicates"]["texts"] == 10 * len(new)


def test_a_model_has_no_advantage_over_itself(model: OnnxModel) -> None:
    compared = prove(model, examples(TEXTS), [], against=model)["heads"]["sentiment"]["against"]
    assert compared["changed_labels"] == 0
    assert compared["mcnemar"] == {"only_first": 0, "only_second": 0, "p_value": 1.0}
    assert {tuple(row["interval_95"]) for row in compared["advantage"].values()} == {(0.0, 0.0)}


def test_the_advantage_over_a_model_that_knows_nothing_is_established(model: OnnxModel) -> None:
    compared = prove(model, examples(TEXTS), [], against=Fixed(model))["heads"]["sentiment"]["against"]  # type: ignore[arg-type]
    assert compared["advantage"]["accuracy"]["interval_95"][0] > 0
    assert compared["mcnemar"]["p_value"] < 0.001


def test_texts_without_a_label_of_the_model_are_refused(model: OnnxModel) -> None:
    with pytest.raises(ConfigurationError, match="its heads: sentiment, topic"):
        prove(model, [Example("Acme rises", {"mood": 0}, "wire")], [])


def test_a_head_that_takes_several_labels_is_named_and_left_out_and_alone_it_is_refused(model: OnnxModel) -> None:
    texts = [replace(each, several={"topic": (0, 3)}) for each in examples(TEXTS)]
    proof = prove(model, texts, [])
    assert (list(proof["heads"]), proof["left_out"]) == (["sentiment"], ["topic"])
    with pytest.raises(ConfigurationError, match="topic: a text may carry several .* `tocsin models baseline --model"):
        prove(model, [replace(each, targets={}) for each in texts], [])


def test_a_head_of_which_the_model_gives_several_is_not_measured_as_one_of_one(model: OnnxModel) -> None:
    other = copy.copy(model)
    heads = [{**head, "several": head["name"] == "sentiment"} for head in model.description["heads"]]
    other.description = {**model.description, "heads": heads}
    with pytest.raises(ConfigurationError, match="sentiment: a text may carry several"):
        prove(other, examples(TEXTS), [])


class _Balance(HTMLParser):
    """Open tags that are never closed, and addresses that would be fetched."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.fetched: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.fetched += [name for name, _ in attrs if name in {"src", "href"}]
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_is_whole_and_fetches_nothing(model: OnnxModel) -> None:
    wrong = {text: "neutral" if label != "neutral" else "negative" for text, label in TEXTS.items()}
    content = page(prove(model, examples(wrong), [], against=model))
    checked = _Balance()
    checked.feed(content)
    assert (checked.open, checked.fetched) == ([], [])
    assert "&lt;Tuesday&gt; &amp; Wednesday" in content
    assert content.count("<svg") == 3
    assert "<script" not in content


CONFIG = """
name = "own"
version = "1"
[split]
held_out = -1
[[heads]]
name = "sentiment"
labels = ["negative", "neutral", "positive"]
[[data]]
file = "own.csv"
head = "sentiment"
"""


def test_the_command_measures_a_file_of_ones_own_and_writes_the_report(tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text(CONFIG)
    with (tmp_path / "own.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label"])
        writer.writerows([example.text, SENTIMENTS[example.targets["sentiment"]]] for example in examples(TEXTS))
    arguments = [
        "evaluate",
        DEFAULT_MODEL,
        tmp_path,
        "--config",
        tmp_path / "own.toml",
        "--report",
        tmp_path / "report",
    ]
    result = CliRunner().invoke(models.app, list(map(str, arguments)))
    assert result.exit_code == 0, result.output
    assert result.output.startswith("sentiment: weighted F1 ")
    assert json.loads((tmp_path / "report" / "proof.json").read_text())["texts"] == len(TEXTS) * 10
    assert "</html>" in (tmp_path / "report" / "proof.html").read_text()


@pytest.mark.data
def test_nothing_measured_on_is_a_near_duplicate_of_what_the_shipped_model_learnt(data_dir: Path) -> None:
    default = load_config(DEFAULT_CONFIG)
    assert measured_and_learnt(default, None, data_dir) == measured_and_learnt(default, default, data_dir)
    everything = replace(default, split=Split(held_out=-1))
    measured, learnt = measured_and_learnt(everything, default, data_dir)
    assert len(measured) > len(learnt) > 0
