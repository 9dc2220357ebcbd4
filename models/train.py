"""From a configuration and a data folder to a packaged, measured model, in stages that a killed run resumes."""

import errno
import hashlib
import json
import os
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_model, save_model
from tokenizers import Tokenizer

from models.batching import EncodedSet
from models.card import write_card
from models.config import Head, PretrainingConfig, TrainingConfig
from models.datasets import Example
from models.evaluate import (
    Flags,
    Labels,
    Probabilities,
    fit_temperature,
    report,
    scores,
    several_report,
    several_scores,
)
from models.network import Network, load_encoder
from models.onnx_model import OnnxModel, row_dependence
from models.package import write_package
from models.splits import divide
from models.tracking import tracked
from models.training import CHECKPOINT, fine_tune, predict, steps_of
from models.tuning import merge, restrict
from processors.errors import ConfigurationError

WEIGHTS: Final = "network.safetensors"
TRAINING: Final = "training.json"

_COPIES: Final = 12
"""Times the weights that a run needs on disk: two checkpoints of five copies while one replaces the other, and what they become."""


def train(config: TrainingConfig, data: Path, out: Path, project: str | None = None) -> dict[str, Any]:
    """Train the model of `config` on the files in `data`; write everything into the folder `out`.

    Stages: fine-tuning (``checkpoint.pt``, with TensorBoard's curves in ``tensorboard/``), weights (``network.safetensors``, and
    in ``training.json`` what they took), the packaged model with its card (``package/``) and its measures on the held-out
    fold (``package/validation.json``), which are returned. A run that was killed goes on from its last checkpoint and ends with
    the same weights. With `project`, Weights & Biases get the curves too.

    Raises:
        ConfigurationError: the data or the encoder do not fit the configuration, `out` holds another one's run, or its disk has
            no room.
    """
    try:
        claim(out, config)
        learnt, held_out = divide(config, data)
        network, tokenizer = trained(config, learnt, held_out, out, project)
        return package_and_measure(config, network, tokenizer, learnt, held_out, out / "package")
    except (OSError, SafetensorError) as error:
        if os.strerror(errno.ENOSPC) not in str(error):
            raise
        raise ConfigurationError(f"{out}: no space is left on its disk; make room, and the run goes on") from error


def trained(
    config: TrainingConfig, learnt: list[Example], held_out: list[Example], out: Path, project: str | None = None
) -> tuple[Network, Tokenizer]:
    """The stages of `train` up to the weights: return the network that has learnt from `learnt`, and its tokenizer."""
    identity = claim(out, config)
    torch.manual_seed(config.seed)
    encoder, tokenizer = load_encoder(config.encoder)
    network = Network(encoder, config.heads, config.encoder.dropout)
    weights = out / WEIGHTS
    if config.start and not weights.exists():
        _load(network, Path(config.start) / WEIGHTS)
    restrict(network, config, steps_of(config.optimiser, len(learnt)))
    if not weights.exists():
        _require_room(network, out)
        learning = EncodedSet(learnt, config.heads, tokenizer, config.encoder.max_length, taught_by(config, learnt))
        validating = EncodedSet(held_out, config.heads, tokenizer, config.encoder.max_length)
        with tracked(config, identity, out, project) as record:
            taken = fine_tune(network, learning, config, out / CHECKPOINT, validating, record)
        merge(network)
        save_model(network, str(weights))
        (out / TRAINING).write_text(json.dumps(taken, indent=1) + "\n", encoding="utf-8")
    else:
        merge(network)
    _load(network, weights)
    return network, tokenizer


def taught_by(config: TrainingConfig, examples: list[Example]) -> dict[str, Probabilities]:
    """What the teacher of `config` says of the texts of `examples`, for each head that both have; nothing without a teacher.

    Raises:
        ConfigurationError: a head of the teacher has other labels.
        ModelError: the teacher is no packaged model.
    """
    if not config.teacher:
        return {}
    teacher = OnnxModel(Path(config.teacher))
    common = [head for head in config.heads if head.name in teacher.heads]
    for head in common:
        if teacher.heads[head.name] != head.labels:
            raise ConfigurationError(
                f"{config.teacher}: its head {head.name!r} has other labels than this configuration's"
            )
    said = teacher.predict([example.text for example in examples])
    return {head.name: said[head.name] for head in common}


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
    labelled = {head.name: [example for example in held_out if example.teaches(head.name)] for head in exported}
    temperatures: dict[str, float] = {}
    full_precision: dict[str, dict[str, float]] = {}
    for head in exported:
        if labelled[head.name]:
            encoded = EncodedSet(labelled[head.name], config.heads, tokenizer, config.encoder.max_length)
            logits = predict(network, encoded)[head.name]
            if head.several:
                found = several_scores(flags(labelled[head.name], head), logits > 0)
            else:
                truth = truths(labelled[head.name], head)
                temperatures[head.name] = round(fit_temperature(truth, logits), 4)
                found = scores(truth, logits.argmax(1), len(head.labels))
            full_precision[head.name] = {name: round(value, 5) for name, value in found.items()}
    write_package(network, tokenizer, config, temperatures, folder)
    model = OnnxModel(folder)
    measures: dict[str, Any] = {
        "texts_learnt": {head.name: sum(example.teaches(head.name) for example in learnt) for head in config.heads},
        "heads": {},
    }
    for head in exported:
        if labelled[head.name]:
            probabilities = model.predict([example.text for example in labelled[head.name]])[head.name]
            measured = (
                several_report(flags(labelled[head.name], head), probabilities, head.labels)
                if head.several
                else report(truths(labelled[head.name], head), probabilities, head.labels)
            )
            measures["heads"][head.name] = {"full_precision": full_precision[head.name], **measured}
    if held_out:
        measures["row_dependence"] = row_dependence(model, [example.text for example in held_out[:512]])
    (folder / "validation.json").write_text(json.dumps(measures, indent=1) + "\n", encoding="utf-8")
    write_card(config, model.description, measures, folder / "MODEL_CARD.md")
    return measures


def truths(examples: list[Example], head: Head) -> Labels:
    """The labels of `examples`, all labelled for `head`, which takes one."""
    return np.array([example.targets[head.name] for example in examples], np.int64)


def flags(examples: list[Example], head: Head) -> Flags:
    """The labels of `examples`, all labelled for `head`, which takes several."""
    found = np.zeros((len(examples), len(head.labels)), np.bool_)
    for row, example in enumerate(examples):
        found[row, list(example.several[head.name])] = True
    return found


def _load(network: Network, weights: Path) -> None:
    """Load the weights that a run ended with.

    Raises:
        ConfigurationError: they are missing, or of another network.
    """
    try:
        load_model(network, str(weights))
    except (OSError, RuntimeError, SafetensorError) as error:
        raise ConfigurationError(
            f"{weights}: not the weights of a run with this encoder and these heads ({error})"
        ) from error


def _require_room(network: Network, out: Path) -> None:
    """Refuse to begin what will not fit on the disk."""
    needed = _COPIES * sum(value.numel() * value.element_size() for value in network.parameters())
    free = shutil.disk_usage(out).free
    if free < needed:
        raise ConfigurationError(
            f"{out}: the run needs {needed / 1e9:.1f} GB and its disk has {free / 1e9:.1f} GB left: make room, or choose another folder"
        )


def claim(out: Path, *configs: TrainingConfig | PretrainingConfig) -> str:
    """Refuse to mix the runs of different configurations in one folder, which is made if it is missing; return their hash."""
    out.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256(json.dumps([*map(asdict, configs)], sort_keys=True).encode()).hexdigest()
    marker = out / "config.sha256"
    if marker.exists() and marker.read_text().strip() != digest:
        raise ConfigurationError(f"{out} holds the run of another configuration: choose an empty folder, or remove it")
    marker.write_text(digest + "\n")
    return digest
