"""Adding to a packaged model what a text says of each company that it names, and measuring it."""

import json
import shutil
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx

from models.card import write_card
from models.config import TrainingConfig
from models.evaluate import fit_temperature
from models.name_graph import hidden_states, with_names
from models.name_network import NameNetwork, trained
from models.name_scores import asked, measured
from models.named_texts import divided_named_texts, joined
from models.onnx_model import content_hash
from models.repository import read_package
from processors.errors import ConfigurationError, ModelError
from processors.labels import SENTIMENTS
from processors.model_input import NAMES_OUTPUT

SEED: Final = 1
JOINED: Final = 4_000
"""Texts made of two, beside those that are as they were published."""


def add_names(model: Path, config: TrainingConfig, data: Path, out: Path) -> dict[str, Any]:
    """Write the packaged `model` with sentiment for each name into the folder `out`, under the version of `config`.

    Texts and fold are those of `config` in the folder `data`. Returns the measures on the held-out texts (of the file itself),
    which ``validation.json`` and the card tell too. Raises ModelError where `model` is not packaged whole, ConfigurationError
    where `out` is in it; both before anything is read or trained.
    """
    measures = _measures_of(model, out)
    learnt, held_out = divided_named_texts(config, data)
    files = {source.file for source in config.data if source.per_entity}
    texts = [*learnt, *joined([each for each in learnt if each.source in files], JOINED, SEED)]
    network = trained(texts, hidden_states(model, texts), SEED)
    shutil.copytree(model, out, dirs_exist_ok=True)
    measures["names"] = {"texts_learnt": len(learnt), "texts_joined": JOINED}
    description = _write(model, network, 1.0, config, out)
    if held_out:
        found = asked(out, held_out)
        temperature = round(fit_temperature(found.labels, np.log(np.maximum(found.own, 1e-12))), 4)
        description = _write(model, network, temperature, config, out)
        measures["names"] |= measured(asked(out, held_out), held_out)
    (out / "validation.json").write_text(json.dumps(measures, indent=1) + "\n", encoding="utf-8")
    write_card(config, description, measures, out / "MODEL_CARD.md")
    return dict(measures["names"])


def _measures_of(model: Path, out: Path) -> dict[str, Any]:
    """What is told of `model` already, if it can be written to `out` with more."""
    read_package(model)
    if model.resolve() in (out.resolve(), *out.resolve().parents):
        raise ConfigurationError(f"--out {out} is the model itself, or in it: name another folder")
    path = model / "validation.json"
    try:
        measures: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(
            f"cannot read {path} ({error}), which `tocsin models train` leaves in a package and the new one goes on with"
        ) from error
    return measures


def _write(model: Path, network: NameNetwork, temperature: float, config: TrainingConfig, out: Path) -> dict[str, Any]:
    """Write the network file with `network` in it and its description into `out`; return the latter."""
    onnx.save(with_names(onnx.load(model / "model.onnx"), network, temperature), out / "model.onnx")
    description: dict[str, Any] = json.loads((model / "model.json").read_text(encoding="utf-8"))
    description |= {
        "version": config.version,
        "hash": content_hash(out),
        "names": {"output": NAMES_OUTPUT, "labels": list(SENTIMENTS), "temperature": temperature},
    }
    (out / "model.json").write_text(json.dumps(description, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return description
