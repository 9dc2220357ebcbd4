"""Small parts trained beside an encoder: they learn, they end in its weights, and a kill costs them nothing."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="needs the extra `train`")

import onnx
from safetensors.torch import load_file
from tiny import WORDS, write_encoder, write_toml
from typer.testing import CliRunner

from models import training
from models.config import DEFAULT_CONFIG, METHODS, TrainingConfig, Tuning, load_config
from models.train import train
from models.tuning_table import TRIAL, WAYS
from processors.errors import ConfigurationError
from streams.commands import models

pytestmark = [pytest.mark.train, pytest.mark.usefixtures("one_thread")]


def tuned(config: TrainingConfig, method: str, **changes: Any) -> TrainingConfig:
    optimiser = replace(config.optimiser, **{"learning_rate": 2e-2, "layer_decay": 1.0, "consistency": 0.0, **changes})
    return replace(config, tuning=Tuning(method=method, rank=4), optimiser=optimiser)


@pytest.mark.parametrize("method", METHODS[1:])
def test_a_small_part_learns_and_its_package_is_one_like_any_other(
    config: TrainingConfig, data_folder: Path, tmp_path: Path, method: str
) -> None:
    measures = train(tuned(config, method), data_folder, tmp_path)
    taken = json.loads((tmp_path / "training.json").read_text())
    assert taken["trained_parameters"] < 0.2 * taken["parameters"]
    for head in measures["heads"].values():
        assert head["accuracy"] > 0.8
        assert head["accuracy"] == pytest.approx(head["full_precision"]["accuracy"], abs=0.02)
    assert measures["row_dependence"]["largest_difference"] < 1e-3
    names = {name for node in onnx.load(tmp_path / "package" / "model.onnx").graph.node for name in node.input}
    assert any("prompt" in name or "past" in name for name in names) == (method == "prefix")
    assert not any("lora" in name or "ia3" in name for name in names)


def test_what_stands_beside_the_small_part_is_not_trained(
    config: TrainingConfig, data_folder: Path, encoder_folder: Path, tmp_path: Path
) -> None:
    train(tuned(config, "lora", epochs=1), data_folder, tmp_path)
    before, after = load_file(encoder_folder / "model.safetensors"), load_file(tmp_path / "network.safetensors")
    moved = {name for name, value in before.items() if not torch.equal(value, after[f"encoder.{name}"])}
    assert {f"encoder.{name}" for name in before} == {name for name in after if not name.startswith("heads.")}
    assert moved == {
        name for name in before if name.startswith("encoder.") and name.endswith("weight") and "LayerNorm" not in name
    }


def test_a_killed_adalora_goes_on_with_the_ranks_that_it_had(
    config: TrainingConfig, data_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, saved = tuned(config, "adalora"), training.save_atomically
    train(own, data_folder, tmp_path / "whole")

    def save_and_die(state: dict[str, Any], path: Path) -> None:
        saved(state, path)
        raise KeyboardInterrupt

    for epoch in range(own.optimiser.epochs):
        monkeypatch.setattr(training, "save_atomically", save_and_die)
        with pytest.raises(KeyboardInterrupt):
            train(own, data_folder, tmp_path / "killed")
        assert torch.load(tmp_path / "killed" / training.CHECKPOINT, weights_only=True)["place"]["epoch"] == epoch + 1
    monkeypatch.setattr(training, "save_atomically", saved)
    train(own, data_folder, tmp_path / "killed")
    first, second = (load_file(tmp_path / name / "network.safetensors") for name in ("whole", "killed"))
    assert all(torch.allclose(first[name], second[name], atol=1e-4) for name in first)


def test_an_encoder_whose_attention_takes_no_prefix_is_refused(
    config: TrainingConfig, data_folder: Path, tmp_path: Path
) -> None:
    from transformers import DistilBertConfig, DistilBertModel

    network = DistilBertModel(DistilBertConfig(vocab_size=len(WORDS), dim=64, n_layers=1, n_heads=2, hidden_dim=64))
    path = str(write_encoder(tmp_path / "encoder", network))
    own = replace(tuned(config, "prefix"), encoder=replace(config.encoder, path=path))
    with pytest.raises(ConfigurationError, match="prefix does not fit encoder .* takes no prefix"):
        train(own, data_folder, tmp_path / "run")


def test_a_prefix_takes_its_places_from_what_can_be_read(
    config: TrainingConfig, data_folder: Path, tmp_path: Path
) -> None:
    from transformers import BertConfig, BertModel

    size = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 32}
    network = BertModel(BertConfig(vocab_size=len(WORDS), **size, max_position_embeddings=64))
    path = str(write_encoder(tmp_path / "encoder", network))
    own = replace(tuned(config, "prefix", epochs=1), encoder=replace(config.encoder, path=path))
    train(own, data_folder, tmp_path / "run")
    assert json.loads((tmp_path / "run" / "package" / "model.json").read_text())["lengths"] == [16, 32]
    with pytest.raises(ConfigurationError, match="beside the prefix, .* reads 60 tokens: lower max_length from 64"):
        train(replace(own, encoder=replace(own.encoder, max_length=64)), data_folder, tmp_path / "other")


def test_the_table_holds_every_way(
    config: TrainingConfig, data_folder: Path, encoder_folder: Path, tmp_path: Path
) -> None:
    assert {way.tuning.method for way in WAYS.values()} == set(METHODS)
    own = write_toml(tmp_path / "own.toml", encoder_folder, "optimiser = { epochs = 1 }", "split = { most = 100 }")
    arguments = ["tunings", str(own), "--data", str(data_folder), "--out", str(tmp_path / "runs")]
    result = CliRunner().invoke(models.app, arguments)
    assert result.exit_code == 0, result.output
    lines = [line for line in result.stdout.splitlines() if line.startswith("| ")]
    assert [line.split(" | ")[0].removeprefix("| ") for line in lines[2:]] == list(WAYS)
    assert "100.00%" in lines[2]


def test_the_table_is_of_the_shipped_models_heads_on_its_held_out_fold() -> None:
    trial, shipped = load_config(TRIAL), load_config(DEFAULT_CONFIG)
    assert (trial.heads, trial.data, trial.split.held_out) == (shipped.heads, shipped.data, shipped.split.held_out)
