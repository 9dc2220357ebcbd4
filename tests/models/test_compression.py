"""Other forms of a packaged model: what they say, how they are thinned out, and the table of them."""

import json
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra `train`")

import onnx
import onnxruntime
from tiny import NAMES, NEGATIVE, POSITIVE, write_toml
from typer.testing import CliRunner

from models.batching import EncodedSet
from models.compression import calibration_batches, outlying, restore_weights, write_form
from models.config import DEFAULT_CONFIG, TrainingConfig, load_config
from models.datasets import Example
from models.evaluate import softmax
from models.name_graph import with_names
from models.name_network import NameNetwork
from models.onnx_model import DEFAULT_MODEL, OnnxModel, inputs_of
from models.pruning import temperatures_of, thin_out, unpackaged
from models.train import train
from models.training import predict
from processors.model_input import NAMES_OUTPUT
from streams.commands import models

pytestmark = [pytest.mark.train, pytest.mark.usefixtures("one_thread")]

TEXTS = ["Acme plunges 30% after its chief is arrested", "$TSLA soars to a record high http", "Fed raises rates"]


@pytest.fixture(scope="module")
def package(config: TrainingConfig, data_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("run")
    train(replace(config, optimiser=replace(config.optimiser, consistency=0.0)), data_folder, out)
    return out / "package"


def test_full_precision_says_what_the_shipped_model_says_in_four_times_the_room(tmp_path: Path) -> None:
    full = restore_weights(onnx.load(DEFAULT_MODEL / "model.onnx"))
    folder = write_form(full, DEFAULT_MODEL, "float32", tmp_path / "float32")
    assert (folder / "model.onnx").stat().st_size > 3.5 * (DEFAULT_MODEL / "model.onnx").stat().st_size
    before, after = OnnxModel(threads=1), OnnxModel(folder, threads=1)
    assert after.description["hash"] != before.description["hash"]
    for name, said in before.predict(TEXTS).items():
        assert np.allclose(said, after.predict(TEXTS)[name], atol=1e-6)


def test_what_is_said_of_names_is_the_same_in_full_precision(tmp_path: Path) -> None:
    torch.manual_seed(0)
    shipped = onnx.load(DEFAULT_MODEL / "model.onnx")
    model = with_names(shipped, NameNetwork(384), 1.0) if NAMES_OUTPUT not in _outputs(shipped) else shipped
    before = model.SerializeToString()
    tokens = OnnxModel(threads=1).tokenise(TEXTS[:1])
    found = [
        onnxruntime.InferenceSession(each).run([NAMES_OUTPUT], inputs_of(tokens, 32))[0]
        for each in (before, restore_weights(model).SerializeToString())
    ]
    assert np.allclose(*found, atol=1e-5)


def _outputs(model: onnx.ModelProto) -> set[str]:
    return {output.name for output in model.graph.output}


def test_the_shipped_package_becomes_the_network_that_it_was(tmp_path: Path) -> None:
    config = load_config(DEFAULT_CONFIG)
    network, tokenizer = unpackaged(DEFAULT_MODEL, config, tmp_path)
    encoded = EncodedSet([Example(text, {}, "") for text in TEXTS], config.heads, tokenizer, 128)
    said, temperatures = OnnxModel(threads=1).predict(TEXTS), temperatures_of(DEFAULT_MODEL)
    for name, logits in predict(network, encoded).items():
        assert np.allclose(softmax(logits, temperatures[name]), said[name], atol=1e-4)


def test_what_one_scale_does_not_suit_is_spared(package: Path) -> None:
    network = onnx.load(package / "model.onnx")
    batches = calibration_batches(OnnxModel(package), [" ".join(NAMES[n : n + 12]) for n in range(8)])
    assert outlying(network, batches) == []
    (reader,) = (each for each in network.graph.node if each.name.endswith("layer.0/output/dense/MatMul"))
    loud = np.zeros((14, 128), np.float32)
    loud[0, 0] = 500  # one of 1,792 values: rarer than one in a thousand
    added = onnx.numpy_helper.from_array(loud, "added")
    network.graph.initializer.append(added)
    read = reader.input[0]
    reader.input[0] = "raised"
    network.graph.node.insert(
        list(network.graph.node).index(reader), onnx.helper.make_node("Add", [read, "added"], ["raised"])
    )
    assert outlying(network, batches) == [reader.name]


def test_tokens_that_no_text_needs_can_be_left_out(package: Path, config: TrainingConfig, tmp_path: Path) -> None:
    said = [" ".join(random.Random(n).choices(NEGATIVE + POSITIVE, k=3)) for n in range(20)]
    whole, first = unpackaged(package, config, tmp_path / "whole")
    fewer, second = unpackaged(package, config, tmp_path / "fewer", said)
    assert second.get_vocab_size() < first.get_vocab_size()
    assert second.encode("acmecorp").tokens == ["[CLS]", "[UNK]", "[SEP]"]
    found = [
        predict(network, EncodedSet([Example(text, {}, "") for text in said], config.heads, tokenizer, 32))["mood"]
        for network, tokenizer in ((whole, first), (fewer, second))
    ]
    assert np.allclose(*found, atol=1e-5)


def test_the_heads_and_neurons_that_say_nothing_are_the_ones_that_go(
    package: Path, config: TrainingConfig, tmp_path: Path
) -> None:
    network, tokenizer = unpackaged(package, config, tmp_path)
    draw = random.Random(1)
    examples = [
        Example(" ".join(draw.choices(NAMES + (NEGATIVE if bad else POSITIVE), k=5)), {"mood": 1 - bad}, "")
        for bad in (0, 1) * 20
    ]
    data = EncodedSet(examples, config.heads, tokenizer, 32)
    with torch.no_grad():
        for layer in network.encoder.encoder.layer:  # type: ignore[union-attr]
            layer.attention.output.dense.weight[:, :32] = 0
            layer.output.dense.weight[:, ::2] = 0
    before = predict(network, data)["mood"]
    thin_out(network, data, config, 0.5)
    layer = network.encoder.encoder.layer[0]  # type: ignore[union-attr, index]
    assert layer.attention.self.query.weight.shape == (32, 64)
    assert layer.intermediate.dense.weight.shape == (64, 64)
    assert np.allclose(before, predict(network, data)["mood"], atol=1e-5)


def test_the_table_holds_every_form_and_what_beats_it(
    package: Path, config: TrainingConfig, data_folder: Path, encoder_folder: Path, tmp_path: Path
) -> None:
    own = write_toml(tmp_path / "own.toml", encoder_folder)
    out = tmp_path / "forms"
    arguments = ["compress", package, "--data", data_folder, "--out", out, "--config", own]
    arguments += ["--texts", "60", "--recovery", "64", "--also", package]
    result = CliRunner().invoke(models.app, list(map(str, arguments)))
    assert result.exit_code == 0, result.output
    found = json.loads((out / "table.json").read_text())
    assert found["texts"] == 60
    forms = found["forms"]
    assert list(forms) == [
        *("shipped", "float32", "dynamic-int8", "static-int8", "static-int8-spared", "weight-only-int8"),
        *("vocabulary", "thinned-25", "thinned-50", "package"),
    ]
    assert forms["package"]["heads"] == forms["shipped"]["heads"] == forms["float32"]["heads"]
    for name, form in forms.items():
        assert form["row_dependence"]["changed_labels"] == 0 or name == "dynamic-int8"
        assert set(form["speed"]) == {"16", "32", "64", "128"}
        assert name not in form["beaten_by"]
    assert forms["thinned-50"]["bytes"] < forms["thinned-25"]["bytes"] < forms["float32"]["bytes"]
    assert len([line for line in result.stdout.splitlines() if line.startswith("| ")]) == 2 + len(forms)
