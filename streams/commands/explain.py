"""`tocsin explain`: which words of a text carried its label."""

import json
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from processors.errors import ConfigurationError
from streams import terminal
from streams.commands.options import Assignments, SettingsFile, settings_of


def explain(
    text: Annotated[str | None, typer.Argument(help="The text; - reads standard input.")] = None,
    file: Annotated[Path | None, typer.Option(help="A file (UTF-8) that holds the text instead.")] = None,
    title: Annotated[str, typer.Option(help="Headline of the text.")] = "",
    head: Annotated[Literal["sentiment", "topic"], typer.Option(help="Which label.")] = "sentiment",
    label: Annotated[
        str | None, typer.Option(help="What speaks for this label; for the one that the model gives if absent.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
    settings_file: SettingsFile = None,
    assignments: Assignments = None,
) -> None:
    """Show which words carried a text's label, and how much each did, by the model of its language (classifier.others), by the
    first where none reads that."""
    from processors.enrichment import readers_of, whole_text
    from processors.normalise import normalise
    from streams.classifier import embedded_classifiers
    from streams.explain import LABELS, Explainer
    from streams.explain_view import explanation_lines, explanation_record

    if (text is None) == (file is None):
        raise ConfigurationError("give a text, or --file with one: one of the two")
    if label is not None and label not in LABELS[head]:
        raise ConfigurationError(f"--label {label!r}: the labels of {head} are {', '.join(LABELS[head])}")
    written = _read(file) if file else sys.stdin.read() if text == "-" else text or ""
    settings = settings_of(settings_file, assignments).classifier
    [classifier] = readers_of([whole_text(normalise(title), normalise(written))], embedded_classifiers(settings))
    explainer = Explainer(classifier)
    explanation = explainer.explain(title, written, head, label)
    if not explanation.text:
        raise ConfigurationError("the text holds nothing that the model could read")
    if as_json:
        terminal.echo(json.dumps(explanation_record(explanation, head, explainer.model)))
    else:
        terminal.console().print(explanation_lines(explanation, head, explainer.model))


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"cannot read {file}: {error}") from None
