"""`tocsin models faithfulness, behaviour`: what a packaged model does, tried in ways that labelled texts do not show."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from streams import terminal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from processors.explanation import Ask

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


def behaviour(
    model: Model,
    data: Annotated[
        Path | None, typer.Option(help="Folder of the labelled texts: how often small changes turn a label, too.")
    ] = None,
    texts: Annotated[
        int, typer.Option(min=20, help="With --data: so many texts that the model never learnt from.")
    ] = 2000,
    cases: Annotated[Path | None, typer.Option(help="Cases of your own (TSV); those of Tocsin if absent.")] = None,
    failed: Annotated[bool, typer.Option("--failed", help="List the cases that the model fails.")] = False,
    report: Report = None,
) -> None:
    """Try a model on cases written by hand, phenomenon by phenomenon, beside a lexicon; and on texts with small changes."""
    from models.behaviour import CASES, behaviour, load_cases
    from models.lexicon import sentiments
    from models.onnx_model import OnnxModel

    network = OnnxModel(model)

    def ask(asked: Sequence[str]) -> "NDArray[np.float64]":
        return network.predict(asked)["sentiment"]

    files = {cases.stem: cases} if cases else CASES
    tried = [case for hand, path in files.items() for case in load_cases(path, hand)]
    measured = behaviour(tried, {"model": ask, "lexicon": sentiments})
    named = {key: network.description[key] for key in ("name", "version", "hash")}
    record: dict[str, Any] = {"model": named, **measured}
    ours, theirs = (measured["classifiers"][name] for name in ("model", "lexicon"))
    hands = list(ours["hands"])
    if len(hands) > 1:
        for hand in hands:
            _print_shares(f"cases of the {hand} hand", ours["hands"][hand], theirs["hands"][hand])
    _print_shares("cases of all hands" if len(hands) > 1 else "phenomenon", ours, theirs)
    if failed:
        for case in ours["failed"]:
            terminal.echo(f"{case['phenomenon']}: {case['expected']}: {case['text']}")
    if data:
        record["changes"] = _changes(data, texts, ask)
    write_report(record, report)


def _print_shares(title: str, ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    terminal.echo(f"{title:<26} {'cases':>5}  {'model passes (95 %)':<24} {'lexicon':<8}")
    for name, row in [*ours["phenomena"].items(), ("all", ours["all"])]:
        other = theirs["all"] if name == "all" else theirs["phenomena"][name]
        low, high = row["interval_95"]
        passed = f"{row['passed'] / row['cases']:.0%} ({low:.0%} to {high:.0%})"
        terminal.echo(f"{name:<26} {row['cases']:>5}  {passed:<24} {other['passed'] / other['cases']:.0%}")


def _changes(data: Path, count: int, ask: "Ask") -> dict[str, Any]:
    from models.config import DEFAULT_CONFIG, load_config
    from models.perturbation import perturbed
    from models.splits import divide

    held_out = [each for each in divide(load_config(DEFAULT_CONFIG), data)[1] if "sentiment" in each.targets][:count]
    changes = perturbed([each.text for each in held_out], [each.targets["sentiment"] for each in held_out], ask)
    terminal.echo(f"\n{'change':<22} {'texts':>5}  {'labels turned (95 %)':<24} right to wrong, wrong to right")
    for name, row in changes.items():
        flipped, texts = row["flipped"], row["flipped"]["cases"]
        low, high = flipped["interval_95"]
        turned = f"{flipped['passed'] / texts:.1%} ({low:.1%} to {high:.1%})"
        worse, better = (row[way]["passed"] / texts for way in ("right_to_wrong", "wrong_to_right"))
        terminal.echo(f"{name:<22} {texts:>5}  {turned:<24} {worse:.1%}, {better:.1%}")
    return changes


def write_report(measured: object, report: Path | None) -> None:
    """Write `measured` as JSON to `report`, if there is one."""
    if report:
        report.parent.mkdir(parents=True, exist_ok=True)
        report.write_text(json.dumps(measured, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
