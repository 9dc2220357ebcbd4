"""`tocsin models`: train a classifier, and write what Triton serves it from."""

import json
from pathlib import Path
from typing import Annotated, Literal

import typer

from processors.errors import ConfigurationError

app = typer.Typer(help="Train classifiers, and prepare them for Triton.", no_args_is_help=True)


@app.command()
def train(
    data: Annotated[Path, typer.Option(help="Folder of the files that the configuration names.")],
    out: Annotated[Path, typer.Option(help="Folder for checkpoints, weights and the packaged model.")],
    config: Annotated[
        Path | None, typer.Option(help="Training configuration (TOML); that of the shipped model if absent.")
    ] = None,
) -> None:
    """Train a classifier and package it; a run that was killed goes on where it was."""
    try:
        from models.config import DEFAULT_CONFIG, load_config
        from models.train import train
    except ModuleNotFoundError as error:
        raise ConfigurationError(f"training needs {error.name}, of the extra `train`: run `make venv`") from None
    typer.echo(json.dumps(train(load_config(config or DEFAULT_CONFIG), data, out), indent=2))


@app.command()
def repository(
    out: Annotated[Path, typer.Option(help="Folder for the repository; an earlier one is replaced.")],
    backend: Annotated[
        Literal["onnxruntime", "python"], typer.Option(help="python is for servers without ONNX Runtime.")
    ] = "onnxruntime",
    device: Annotated[Literal["gpu", "cpu"], typer.Option(help="On a GPU ONNX Runtime uses TensorRT.")] = "gpu",
    model: Annotated[Path | None, typer.Option(help="Folder of a packaged model; the shipped one if absent.")] = None,
    threads: Annotated[int, typer.Option(min=0, help="Threads of one instance on a CPU; 0 takes one per core.")] = 0,
    fp16: Annotated[
        bool, typer.Option("--fp16", help="Let TensorRT compute in half precision: faster, labels may differ.")
    ] = False,
) -> None:
    """Write the model repository that a Triton server loads."""
    from models.repository import MODEL_NAME, write_repository
    from streams.settings import DEFAULT_MODEL

    packaged = write_repository(out, model or DEFAULT_MODEL, backend, device, threads=threads, fp16=fp16)
    typer.echo(
        f"{out}: model {MODEL_NAME}, {backend} on {device}, version {packaged.number} "
        f"({packaged.name} {packaged.version}, {packaged.hash[:12]})"
    )
