"""`tocsin models faithfulness, behaviour`: what a packaged model does, tried in ways that labelled texts do not show."""

import json
from pathlib import Path
from typing import Annotated

import typer

from streams import terminal

Model = Annotated[Path, typer.Argument(help="Folder of a packaged model.")]
Data = Annotated[Path, typer.Argument(help="Folder of the files that the shipped model's configuration names.")]
Report = Annotated[Path | None, typer.Option(help="JSON file to write it to as well.")]


def faithfulness(
    model: Model,
    data: Data,
    texts: Annotated[int, typer.Option(min=20, help="How many of the texts that the model never learnt from.")] = 240,
    report: Report = None,
) -> None:
    """Measure whether the words that explanations name carry the label: deletion and insertion tests."""
    from models.config import DEFAULT_CONFIG, load_config
    from models.faithfulness import METHODS, faithfulness, sampled
    from models.onnx_model import OnnxModel
    from models.splits import divide
    from streams.progress import record_progress

    network = OnnxModel(model)
    labels = network.heads["sentiment"]
    chosen = sampled(divide(load_config(DEFAULT_CONFIG), data)[1], texts)
    with record_progress("explaining") as begin:
        measured = faithfulness(chosen, lambda asked: network.predict(asked)["sentiment"], labels, begin(len(chosen)))
    for label, found in measured.items():
        terminal.echo(
            f"\n{label}: {found['texts']} texts; area under the curve (95 %), advantage over random order (95 %)"
        )
        for method in METHODS:
            cells = []
            for curve, aim in (("deletion", "less"), ("insertion", "more")):
                row = found["methods"][method][curve]
                low, high = row["interval_95"]
                least, most = row["against_random_95"]
                cells.append(
                    f"{curve} ({aim} is better) {row['area']:.3f} ({low:.3f} to {high:.3f}), "
                    f"{row['against_random']:+.3f} ({least:+.3f} to {most:+.3f})"
                )
            terminal.echo(f"  {method:<20} " + "; ".join(cells))
    write_report(measured, report)


def write_report(measured: object, report: Path | None) -> None:
    """Write `measured` as JSON to `report`, if there is one."""
    if report:
        report.parent.mkdir(parents=True, exist_ok=True)
        report.write_text(json.dumps(measured, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
