"""`tocsin models`: train a classifier, measure it, and write what Triton serves it from."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Literal

import typer

from processors.errors import ConfigurationError
from streams.commands.model_checks import behaviour, faithfulness, write_report
from streams.commands.model_serving import compare, list_versions, promote, push, rollback

app = typer.Typer(help="Train and measure classifiers, and prepare them for Triton.", no_args_is_help=True)
app.command()(behaviour)
app.command()(compare)
app.command("list")(list_versions)
app.command()(push)
app.command()(promote)
app.command()(rollback)
app.command()(faithfulness)


Data = Annotated[Path, typer.Option(help="Folder of the files that the configuration names.")]
Config = Annotated[
    Path | None, typer.Option(help="Training configuration (TOML); that of the shipped model if absent.")
]


@contextmanager
def _extra() -> Iterator[None]:
    """Say which extra is missing, where one is."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise ConfigurationError(f"training needs {error.name}, of the extra `train`: run `make venv`") from None


@app.command()
def encoder(
    archive: Annotated[Path, typer.Argument(help="The archive that `make encoder` fetches.")],
    data: Data,
    out: Annotated[Path, typer.Option(help="Folder for the encoder.")],
    config: Config = None,
) -> None:
    """Make the encoder that training starts from, with the tokens that the texts to learn from need."""
    with _extra():
        from models.config import DEFAULT_CONFIG, load_config
        from models.encoder import make_encoder
        from models.splits import divide
    learnt, _ = divide(load_config(config or DEFAULT_CONFIG), data)
    make_encoder(archive, [example.text for example in learnt], out)


@app.command()
def pretrain(
    config: Annotated[Path, typer.Option(help="Configuration of the pre-training (TOML), beside that of the texts.")],
    data: Data,
    out: Annotated[Path, typer.Option(help="Folder for checkpoints and the encoder.")],
) -> None:
    """Make a small encoder of characters from nothing, for a language without one; a killed run goes on where it was."""
    with _extra():
        from models.config import load_pretraining
        from models.pretraining import pretrain
    pretrain(*load_pretraining(config), data, out)


@app.command()
def train(
    data: Data,
    out: Annotated[
        Path, typer.Option(help="Folder for checkpoints, curves (TensorBoard), weights and the packaged model.")
    ],
    config: Annotated[
        Path | None, typer.Argument(help="Training configuration (TOML); that of the shipped model if absent.")
    ] = None,
    wandb: Annotated[
        str | None,
        typer.Option(
            metavar="PROJECT",
            help="Record the curves in Weights & Biases too; with WANDB_MODE=offline in OUT/wandb alone.",
        ),
    ] = None,
) -> None:
    """Train a classifier and package it; a run that was killed goes on where it was."""
    with _extra():
        from models.config import DEFAULT_CONFIG, load_config
        from models.train import train

        measures = train(load_config(config or DEFAULT_CONFIG), data, out, wandb)
    typer.echo(json.dumps(measures, indent=2))


@app.command()
def names(
    model: Annotated[Path, typer.Argument(help="Folder of a packaged model.")],
    data: Data,
    out: Annotated[Path, typer.Option(help="Folder for the model with sentiment for each name.")],
    config: Annotated[
        Path | None, typer.Argument(help="Training configuration (TOML); that of the shipped model if absent.")
    ] = None,
) -> None:
    """Add to a model what a text says of each company in it, and measure that; its other labels stay as they are."""
    with _extra():
        from models.config import DEFAULT_CONFIG, load_config
        from models.names import add_names

        measures = add_names(model, load_config(config or DEFAULT_CONFIG), data, out)
    typer.echo(json.dumps(measures, indent=2))


@app.command()
def tunings(
    data: Data,
    out: Annotated[Path, typer.Option(help="Folder for the runs; those that are finished are not trained again.")],
    config: Annotated[
        Path | None, typer.Argument(help="Training configuration (TOML); a small trial on MiniLM if absent.")
    ] = None,
) -> None:
    """Train in every way of tuning (all weights, LoRA, AdaLoRA, a prefix, (IA)³), and print one table of what each gave."""
    with _extra():
        from models.config import load_config
        from models.tuning_table import TRIAL, table, tuned_ways

        found = tuned_ways(load_config(config or TRIAL), data, out, lambda line: typer.echo(line, err=True))
    for line in table(found):
        typer.echo(line)


@app.command()
def compress(
    model: Annotated[Path, typer.Argument(help="Folder of a packaged model (a BERT).")],
    data: Data,
    out: Annotated[Path, typer.Option(help="Folder for the forms, packaged models each, and table.json.")],
    config: Config = None,
    texts: Annotated[int, typer.Option(min=0, help="Measure on so many of the held-out texts; 0: on all.")] = 0,
    recovery: Annotated[
        int, typer.Option(min=0, help="Texts on which a thinned network is trained again, for one epoch; 0: it is not.")
    ] = 0,
    also: Annotated[
        list[Path] | None, typer.Option(help="Folder of another packaged model for the table; may be given again.")
    ] = None,
) -> None:
    """Make smaller and faster forms of a model (int8 in four ways, fewer tokens, heads and neurons); print one table."""
    with _extra():
        from models.compression_table import compressed, table
        from models.config import DEFAULT_CONFIG, load_config
        from models.splits import divide

        own = load_config(config or DEFAULT_CONFIG)
        learnt, held_out = divide(own, data)
        measured = held_out[:: max(1, len(held_out) // texts)][:texts] if texts else held_out
        found = compressed(
            model,
            own,
            learnt,
            measured,
            out,
            recovery=recovery,
            also=also or (),
            told=lambda line: typer.echo(line, err=True),
        )
    write_report(found, out / "table.json")
    for line in table(found):
        typer.echo(line)


@app.command()
def evaluate(
    model: Annotated[Path, typer.Argument(help="Folder of a packaged model.")],
    data: Annotated[Path, typer.Argument(help="Folder of the files that the configuration names.")],
    config: Annotated[
        Path | None,
        typer.Option(
            help="Names files, labels and the fold that is measured on; all texts where it holds out none. That of the "
            "shipped model if absent."
        ),
    ] = None,
    learnt_by: Annotated[
        Path | None,
        typer.Option(help="Configuration that the model was trained with, if another: tells its near-duplicates."),
    ] = None,
    against: Annotated[Path | None, typer.Option(help="Another packaged model, measured on the same texts.")] = None,
    report: Annotated[Path | None, typer.Option(help="Folder for proof.json and proof.html.")] = None,
) -> None:
    """Measure a packaged model on labelled texts, and compare it with another."""
    from models.config import DEFAULT_CONFIG, load_config
    from models.onnx_model import OnnxModel
    from models.proof import measured_and_learnt, prove
    from models.proof_page import page

    measured, learnt = measured_and_learnt(
        load_config(config or DEFAULT_CONFIG), load_config(learnt_by) if learnt_by else None, data
    )
    proof = prove(OnnxModel(model), measured, learnt, OnnxModel(against) if against else None)
    for name, head in proof["heads"].items():
        low, high = head["interval_95"]["weighted_f1"]
        typer.echo(
            f"{name}: weighted F1 {head['weighted_f1']:.4f} ({low:.3f} to {high:.3f}), accuracy {head['accuracy']:.4f}, "
            f"macro F1 {head['macro_f1']:.4f}, calibration error {head['calibration_error']:.4f}, {head['texts']:,} texts"
        )
    for name in proof["left_out"]:
        typer.echo(
            f"{name}: not measured, a text may carry several of its labels: `tocsin models baseline --model` does"
        )
    if report:
        report.mkdir(parents=True, exist_ok=True)
        (report / "proof.json").write_text(json.dumps(proof, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        (report / "proof.html").write_text(page(proof), encoding="utf-8")
        typer.echo(f"{report / 'proof.html'}: tables, plots and the worst errors")


@app.command()
def baseline(
    data: Data,
    config: Config = None,
    model: Annotated[
        Path | None, typer.Option(help="Folder of a packaged model to set beside it, on the same texts.")
    ] = None,
    report: Annotated[Path | None, typer.Option(help="JSON file to write it to as well.")] = None,
) -> None:
    """Measure a linear model of character n-grams on what a configuration holds out, beside a packaged model."""
    with _extra():
        from models.baseline import against_baseline
    from models.card import TITLES
    from models.config import DEFAULT_CONFIG, load_config
    from models.onnx_model import OnnxModel

    measured = against_baseline(load_config(config or DEFAULT_CONFIG), data, OnnxModel(model) if model else None)
    for name, head in measured.items():
        typer.echo(f"{name}: {head['texts']:,} texts")
        for key, (low, high) in head["baseline"]["interval_95"].items():
            line = f"  {TITLES[key]}: baseline {head['baseline'][key]:.4f} ({low:.3f} to {high:.3f})"
            if "model" in head:
                (low, high), (least, most) = head["model"]["interval_95"][key], head["lead_95"][key]
                line += f", model {head['model'][key]:.4f} ({low:.3f} to {high:.3f}), lead {least:+.3f} to {most:+.3f}"
            typer.echo(line)
    write_report(measured, report)


@app.command()
def repository(
    out: Annotated[Path, typer.Option(help="Folder for the repository; an earlier one is replaced.")],
    backend: Annotated[
        Literal["onnxruntime", "python"], typer.Option(help="python is for servers without ONNX Runtime.")
    ] = "onnxruntime",
    device: Annotated[Literal["gpu", "cpu"], typer.Option(help="On a GPU ONNX Runtime uses TensorRT.")] = "gpu",
    model: Annotated[Path | None, typer.Option(help="Folder of a packaged model; the shipped one if absent.")] = None,
    other: Annotated[
        list[Path] | None, typer.Option(help="Folder of a packaged model for another language; may be repeated.")
    ] = None,
    threads: Annotated[int, typer.Option(min=0, help="Threads of one instance on a CPU; 0 takes one per core.")] = 0,
    fp16: Annotated[
        bool, typer.Option("--fp16", help="Let TensorRT compute in half precision: faster, labels may differ.")
    ] = False,
    engine_cache: Annotated[
        Path | None,
        typer.Option(help="Where TensorRT keeps its engines, on the server's disk; /tmp/tensorrt if absent."),
    ] = None,
) -> None:
    """Write the model repository that a Triton server loads."""
    from models.repository import ENGINE_CACHE, MODEL_NAME, write_repository
    from streams.settings import DEFAULT_MODEL

    cache = engine_cache or ENGINE_CACHE
    packaged = write_repository(
        out,
        model or DEFAULT_MODEL,
        backend,
        device,
        others=other or (),
        threads=threads,
        fp16=fp16,
        engine_cache=cache,
    )
    typer.echo(
        f"{out}: model {MODEL_NAME}, {backend} on {device}, version {packaged.number} "
        f"({packaged.name} {packaged.version}, {packaged.hash[:12]})"
    )
