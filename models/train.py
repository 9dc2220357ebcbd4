"""From a configuration and a data folder to a packaged, measured model, in stages that a killed run resumes."""

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer

from models.batching import EncodedSet
from models.card import write_card
from models.config import Head, TrainingConfig
from models.datasets import Example
from models.evaluate import Labels, Probabilities, fit_temperature, report, scores, softmax
from models.network import Network, load_encoder
from models.onnx_model import OnnxModel, row_dependence
from models.package import write_package
from models.splits import divide
from models.training import fine_tune, predict
from processors.errors import ConfigurationError

WEIGHTS: Final = "network.safetensors"


def train(config: TrainingConfig, data: Path, out: Path) -> dict[str, Any]:
    """Train the model of `config` on the files in `data`; write everything into the folder `out`.

    Stages: fine-tuning (``checkpoint.pt`` after each epoch), weights (``network.safetensors``), the packaged model
    with its card (``package/``) and its measures on the held-out fold (``package/validation.json``), which
    are returned. A run that was killed goes on after its last epoch and ends with the same weights.

    Raises:
        ConfigurationError: the data or the encoder do not fit the configuration, or `out` holds another one's run.
    """
    out.mkdir(parents=True, exist_ok=True)
    _claim(config, out)
    learnt, held_out = divide(config, data)
    torch.manual_seed(config.seed)
    encoder, tokenizer = load_encoder(config.encoder)
    network = Network(encoder, config.heads, config.encoder.dropout)
    weights = out / WEIGHTS
    if not weights.exists():
        if config.start:
            _start_from(Path(config.start) / WEIGHTS, network)
        encoded = EncodedSet(learnt, config.heads, tokenizer, config.encoder.max_length)
        fine_tune(network, encoded, config.heads, config.optimiser, config.seed, out / "checkpoint.pt")
        save_file({name: value.contiguous() for name, value in network.state_dict().items()}, weights)
    network.load_state_dict(load_file(weights))
    return package_and_measure(config, network, tokenizer, learnt, held_out, out / "package")


def package_and_measure(
    config: TrainingConfig,
    network: Network,
    tokenizer: Tokenizer,
    learnt: list[Example],
    held_out: list[Example],
    folder: Path,
) -> dict[str, Any]:
    """Calibrate `network` on the held-out examples, package it, and measure the package on the same examples."""
    exported = [head for head in config.heads if head.exported]
    labelled = {head.name: [example for example in held_out if head.name in example.targets] for head in exported}
    temperatures: dict[str, float] = {}
    full_precision: dict[str, dict[str, float]] = {}
    for head in exported:
        if labelled[head.name]:
            encoded = EncodedSet(labelled[head.name], config.heads, tokenizer, config.encoder.max_length)
            truth, logits = truths(labelled[head.name], head), predict(network, encoded)[head.name]
            temperatures[head.name] = round(fit_temperature(truth, logits), 4)
            full_precision[head.name] = _rounded_scores(truth, softmax(logits), head)
    write_package(network, tokenizer, config, temperatures, folder)
    model = OnnxModel(folder)
    measures: dict[str, Any] = {
        "texts_learnt": {head.name: sum(head.name in example.targets for example in learnt) for head in config.heads},
        "heads": {},
    }
    for head in exported:
        if labelled[head.name]:
            probabilities = model.predict([example.text for example in labelled[head.name]])[head.name]
            measures["heads"][head.name] = {
                "full_precision": full_precision[head.name],
                **report(truths(labelled[head.name], head), probabilities, head.labels),
            }
    if held_out:
        measures["row_dependence"] = row_dependence(model, [example.text for example in held_out[:512]])
    (folder / "validation.json").write_text(json.dumps(measures, indent=1) + "\n", encoding="utf-8")
    write_card(config, model.description, measures, folder / "MODEL_CARD.md")
    return measures


def truths(examples: list[Example], head: Head) -> Labels:
    """The labels of `examples`, all labelled for `head`."""
    return np.array([example.targets[head.name] for example in examples], np.int64)


def _rounded_scores(truth: Labels, probabilities: Probabilities, head: Head) -> dict[str, float]:
    found = scores(truth, probabilities.argmax(1), len(head.labels))
    return {name: round(value, 5) for name, value in found.items()}


def _start_from(weights: Path, network: Network) -> None:
    """Load the weights that a former run ended with.

    Raises:
        ConfigurationError: they are missing, or of another network.
    """
    try:
        network.load_state_dict(load_file(weights))
    except (OSError, RuntimeError) as error:
        raise ConfigurationError(f"{weights}: not the weights of a run to start from ({error})") from error


def _claim(config: TrainingConfig, out: Path) -> None:
    """Refuse to mix two configurations in one folder."""
    digest = hashlib.sha256(json.dumps(asdict(config), sort_keys=True).encode()).hexdigest()
    marker = out / "config.sha256"
    if marker.exists() and marker.read_text().strip() != digest:
        raise ConfigurationError(f"{out} holds the run of another configuration: choose an empty folder, or remove it")
    marker.write_text(digest + "\n")
