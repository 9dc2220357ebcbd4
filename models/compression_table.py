"""One table of a packaged model's forms: how large, how fast, how good, and which of them nothing else beats."""

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.batching import EncodedSet
from models.compression import onnx_forms
from models.config import Optimiser, TrainingConfig
from models.datasets import Example
from models.evaluate import difference_intervals, intervals, scores
from models.onnx_model import OnnxModel, row_dependence
from models.package import write_package
from models.pruning import exported_heads, temperatures_of, thin_out, unpackaged
from models.train import taught_by
from models.training import fine_tune

BASELINE: Final = "float32"
LENGTHS: Final = (16, 32, 64, 128)
"""Tokens of the texts that speed is measured on."""

_BATCH: Final = 16
_DEPENDENCE_TEXTS: Final = 24
_IMPORTANCE_TEXTS: Final = 512
_RECOVERY: Final = Optimiser(epochs=1, batch_size=16, learning_rate=1e-4, layer_decay=1.0, head_learning_rate=1e-4)
_SHARES: Final = (0.25, 0.5)
"""Of attention heads and neurons that thinning removes."""


def trained_forms(
    model: Path, config: TrainingConfig, learnt: Sequence[Example], out: Path, recovery: int
) -> Iterator[tuple[str, Path]]:
    """Write the forms of `model` that PyTorch makes into folders of `out`: yield the name and the folder of each.

    A vocabulary without the tokens that no text of `learnt` needs; heads and neurons thinned out, and trained for an epoch
    on `recovery` of those texts with the whole model as the teacher (0: not trained).
    """
    heads, temperatures = exported_heads(config), temperatures_of(model)
    own = replace(config, heads=heads, teacher=str(model), start="")

    def written(name: str, make: Callable[[Path], tuple[Any, Any]]) -> tuple[str, Path]:
        folder = out / name
        if not (folder / "model.json").exists():
            with TemporaryDirectory(prefix="tocsin-compress-") as scratch:
                network, tokenizer = make(Path(scratch))
                named = replace(own, version=f"{config.version}+{name}")
                write_package(network, tokenizer, named, temperatures, folder)
        return name, folder

    def thinned(share: float, scratch: Path) -> tuple[Any, Any]:
        network, tokenizer = unpackaged(model, own, scratch)
        plain = replace(own, optimiser=_RECOVERY)
        known = [example for example in learnt if any(head.name in example.targets for head in heads)]
        thin_out(network, EncodedSet(known[:_IMPORTANCE_TEXTS], heads, tokenizer, 128), plain, share)
        if recovery:
            texts = known[:recovery]
            encoded = EncodedSet(texts, heads, tokenizer, config.encoder.max_length, taught_by(plain, texts))
            fine_tune(network, encoded, plain, out / f"{_thinned(share)}.pt")
        return network, tokenizer

    yield written("vocabulary", lambda scratch: unpackaged(model, own, scratch, [text.text for text in learnt]))
    for share in _SHARES:
        yield written(_thinned(share), partial(thinned, share))


def _thinned(share: float) -> str:
    return f"thinned-{round(100 * share)}"


def compressed(
    model: Path,
    config: TrainingConfig,
    learnt: Sequence[Example],
    held_out: Sequence[Example],
    out: Path,
    *,
    recovery: int = 0,
    also: Sequence[Path] = (),
    told: Callable[[str], None],
) -> dict[str, Any]:
    """Make the forms of `model` in `out`, measure them and those in the folders `also` on `held_out`; ready for JSON.

    What was measured of a form is kept in its folder, so that a killed table goes on where it was. Speed is measured last, of
    all forms in turns.
    """
    folders = {"shipped": model}
    for name, folder in onnx_forms(model, [example.text for example in learnt], out):
        folders[name] = folder
        told(f"{name}: written")
    for name, folder in trained_forms(model, config, learnt, out, recovery):
        folders[name] = folder
        told(f"{name}: written")
    folders |= {folder.name: folder for folder in also}
    baseline, _ = _asked(folders[BASELINE], held_out, out / f"{BASELINE}.npz")
    rows: dict[str, Any] = {}
    for name, folder in folders.items():
        said, dependence = _asked(folder, held_out, out / f"{name}.npz")
        rows[name] = {
            "bytes": (folder / "model.onnx").stat().st_size,
            "heads": {head: _scores(head, held_out, said[head], baseline[head]) for head in baseline},
            "row_dependence": dependence,
        }
        told(f"{name}: {json.dumps(rows[name])}")
    for name, speed in speeds({name: OnnxModel(folder, threads=1) for name, folder in folders.items()}).items():
        rows[name]["speed"] = speed
    for row in rows.values():
        row["beaten_by"] = [name for name, other in rows.items() if _beats(other, row)]
    return {"model": str(model), "texts": len(held_out), "recovery_texts": recovery, "forms": rows}


def speeds(models: Mapping[str, OnnxModel], rounds: int = 4) -> dict[str, dict[str, dict[str, float]]]:
    """Texts a second of processor time, one thread, by form and length, and the median ratio to the baseline.

    Forms take turns, batch by batch, so that what else the machine does falls on all of them.
    """
    taken: dict[str, dict[int, list[float]]] = {name: {length: [] for length in LENGTHS} for name in models}
    smallest = min(model.tokenizer.get_vocab_size() for model in models.values())
    generator = np.random.default_rng(0)
    for length in LENGTHS:
        tokens = generator.integers(5, smallest, (_BATCH, length)).tolist()
        for turn in range(rounds + 1):
            for name, model in models.items():
                begun = time.thread_time()
                model.run(tokens, length)
                if turn:  # the first turn warms up
                    taken[name][length].append(time.thread_time() - begun)
    return {
        name: {
            str(length): {
                "texts_per_second": round(_BATCH / float(np.median(times)), 1),
                "relative": round(float(np.median(np.array(taken[BASELINE][length]) / np.array(times))), 3),
            }
            for length, times in by_length.items()
        }
        for name, by_length in taken.items()
    }


def _asked(
    folder: Path, examples: Sequence[Example], kept: Path
) -> tuple[dict[str, NDArray[np.float64]], dict[str, float]]:
    """What the form in `folder` says of `examples`, and how far that depends on neighbours; kept in a file for the next time."""
    model = OnnxModel(folder, threads=1)
    identity = f"{model.description['hash']} {len(examples)}"
    if kept.exists():
        with np.load(kept) as file:
            if str(file["identity"]) == identity:
                return {name: file[f"p_{name}"] for name in model.heads}, json.loads(str(file["dependence"]))
    texts = [example.text for example in examples]
    said = model.predict(texts)
    dependence = row_dependence(model, texts[:: max(1, len(texts) // _DEPENDENCE_TEXTS)])
    arrays: dict[str, Any] = {f"p_{name}": values for name, values in said.items()}
    np.savez(kept, identity=np.array(identity), dependence=np.array(json.dumps(dependence)), **arrays)
    return said, dependence


def _scores(
    head: str, examples: Sequence[Example], said: NDArray[np.float64], baseline: NDArray[np.float64]
) -> dict[str, Any]:
    rows = [row for row, example in enumerate(examples) if head in example.targets]
    truth = np.array([examples[row].targets[head] for row in rows], np.int64)
    ours, theirs = (each[rows].argmax(1).astype(np.int64) for each in (said, baseline))
    classes = said.shape[1]
    measure = "weighted_f1" if head == "sentiment" else "accuracy"
    return {
        "measure": measure,
        "texts": len(rows),
        "score": round(scores(truth, ours, classes)[measure], 5),
        "interval_95": [round(bound, 5) for bound in intervals(truth, ours, classes)[measure]],
        "change_95": [round(bound, 5) for bound in difference_intervals(truth, ours, theirs, classes)[measure]],
        "changed_labels": int((ours != theirs).sum()),
    }


def _beats(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether `one` depends on no neighbours and is nowhere worse than `other` in size, speed and scores, and somewhere better.

    Speeds within 3 % of each other are the same.
    """
    if one["row_dependence"]["changed_labels"] or one["row_dependence"]["largest_difference"] > 1e-3:
        return False
    ratio = _mean_speed(one) / _mean_speed(other)
    gains = [other["bytes"] - one["bytes"], 0.0 if 0.97 < ratio < 1.03 else ratio - 1]
    gains += [row["score"] - other["heads"][head]["score"] for head, row in one["heads"].items()]
    return bool(min(gains) >= 0 and max(gains) > 0)


def _mean_speed(row: Mapping[str, Any]) -> float:
    return float(np.exp(np.mean([np.log(entry["relative"]) for entry in row["speed"].values()])))


def table(found: Mapping[str, Any]) -> Iterator[str]:
    """The lines of a Markdown table of what `compressed` found."""
    heads = list(found["forms"][BASELINE]["heads"])
    lengths = " / ".join(map(str, LENGTHS))
    yield (
        f"| form | MB | texts/s at {lengths} tokens | times float32 | "
        f"{' | '.join(f'{head} (95 %; labels changed)' for head in heads)} | neighbours change | beaten by |"
    )
    yield "| --- | --- | --- | --- |" + " --- |" * (len(heads) + 2)
    for name, row in found["forms"].items():
        speed = row["speed"].values()
        rates, ratios = (
            (f"{entry['texts_per_second']:.0f}" for entry in speed),
            (f"{entry['relative']:.2f}" for entry in speed),
        )
        cells = [
            f"{entry['score']:.3f} ({entry['interval_95'][0]:.3f} to {entry['interval_95'][1]:.3f}; {entry['changed_labels']})"
            for entry in row["heads"].values()
        ]
        dependence = row["row_dependence"]
        yield (
            f"| {name} | {row['bytes'] / 1e6:.1f} | {' / '.join(rates)} | {' / '.join(ratios)} | {' | '.join(cells)} | "
            f"{dependence['changed_labels']} labels, {dependence['largest_difference']:.0e} | "
            f"{', '.join(row['beaten_by']) or 'none'} |"
        )
