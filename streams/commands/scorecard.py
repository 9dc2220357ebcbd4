"""`tocsin scorecard`: how good the detector is, as JSON and as a page."""

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from processors.errors import ConfigurationError
from streams.commands.options import Assignments, SettingsFile, settings_of

if TYPE_CHECKING:
    from streams.scorecard.texts import HumanLabelled

_SEED = 1


def scorecard(
    data: Annotated[Path, typer.Option(help="Folder of the data sets.")],
    out: Annotated[Path, typer.Option(help="Folder for scorecard.json, scorecard.html and the kept labels.")] = Path(
        "out/scorecard"
    ),
    quick: Annotated[bool, typer.Option("--quick", help="Fewer bursts and seeds: wider intervals, minutes.")] = False,
    classifications: Annotated[
        Path | None, typer.Option(help="documents.jsonl.gz of an earlier replay of the tweets: take its labels.")
    ] = None,
    settings_file: SettingsFile = None,
    assignments: Assignments = None,
) -> None:
    """Score the detector: bursts that should ring, background and shuffled labels that should not, real days, rivals.

    Thresholds are chosen on February to August 2014, everything is reported on September to December.
    """
    from streams.classifier import EmbeddedClassifier
    from streams.pipeline import ModelLabeller
    from streams.replacing import replaced
    from streams.replay import recorded_labeller
    from streams.scorecard.background import mentions_of
    from streams.scorecard.labels import KeptLabels
    from streams.scorecard.measures import REPORTED_ON
    from streams.scorecard.page import page
    from streams.scorecard.report import FULL, QUICK, report
    from streams.scorecard.texts import entities_of, pools_of, templates
    from streams.settings import load_master, settings_hash

    settings = settings_of(settings_file, assignments)
    classifier = EmbeddedClassifier(settings.classifier.model, settings.classifier.threads)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(f"cannot make the folder {out}: {error.strerror}") from None
    kept = KeptLabels(out / "labels.jsonl", classifier, _counted("labelling"))
    labeller = recorded_labeller(classifications) if classifications else ModelLabeller(kept)
    if {model.hash for model in labeller.models} != {classifier.model.hash}:
        raise ConfigurationError(
            f"{classifications} was made by another model than the present one: leave --classifications out"
        )
    mentions = mentions_of(data, settings, labeller, _counted("background"))
    master = load_master(settings)
    texts, groups_of = _unlearnt(data)
    found = templates(texts, entities_of(data / "sentfin-train.csv"), master, REPORTED_ON.start, groups_of)
    companies = sorted({mention.company for mention in mentions})
    pools = pools_of(found, companies, master, REPORTED_ON.start, kept.classify, _SEED)
    size = QUICK if quick else FULL
    scored = report(settings.detector, mentions, pools, size, min(os.cpu_count() or 1, 4), _said)
    model = classifier.model
    scored = {
        "model": {"name": model.name, "version": model.version, "hash": model.hash},
        "dictionary_hash": master.hash,
        "settings_hash": settings_hash(settings),
        "quick": quick,
        **scored,
    }
    for name, content in (
        ("scorecard.json", json.dumps(scored, indent=1, ensure_ascii=False, allow_nan=False) + "\n"),
        ("scorecard.html", page(scored)),
    ):
        with replaced(out / name) as part:
            part.write_text(content, encoding="utf-8")
    for target in scored["targets"]:
        held = {True: "held", False: "not held", None: "not judged"}[target["held"]]
        typer.echo(f"{held:10}  {target['name']}: {target['value']} (wanted {target['target']})")
    typer.echo(f"{out / 'scorecard.html'}: tables, plots and the alarms with their evidence")


def _said(stage: str) -> None:
    typer.echo(stage, err=True)


def _counted(what: str) -> Callable[[int, int], None]:
    """Says now and then how much of the whole is done."""
    said = -1

    def told(done: int, total: int) -> None:
        nonlocal said
        if total and (tenth := 10 * done // total) != said:
            said = tenth
            typer.echo(f"{what}: {done:,} of {total:,}", err=True)

    return told


def _unlearnt(data: Path) -> "tuple[list[HumanLabelled], Callable[[Sequence[str]], list[int]]]":
    """The human-labelled texts that the shipped model did not learn from; and what tells near-duplicates."""
    from models.config import DEFAULT_CONFIG, load_config
    from models.splits import near_duplicate_groups, unlearnt
    from processors.labels import SENTIMENTS
    from streams.scorecard.texts import ALIKE, HumanLabelled

    texts = []
    for example in unlearnt(load_config(DEFAULT_CONFIG), data):
        label = example.targets.get("sentiment", example.targets.get("headline-sentiment"))
        if label is not None:
            texts.append(HumanLabelled(example.text, SENTIMENTS[label], example.source))
    return texts, lambda gapped: near_duplicate_groups(gapped, ALIKE).tolist()
