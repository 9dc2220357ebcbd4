"""The command line: `tocsin --help`.

Each command is a few lines: read the arguments, call one function, show what came of it. What is heavy is imported
inside the command that needs it, so that help comes at once. Errors that a person can mend are one line on stderr:
exit code 2 for a wrong setting, file or argument, 1 for any other; 130 after an interrupt.
"""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO, cast

import typer

from processors.errors import ConfigurationError, TocsinError
from streams import terminal
from streams.commands import alerts, deadletters, deliver, desk, models, series, sources, stack, topics
from streams.commands.alerts import DEMO_FOLDER
from streams.commands.doctor import doctor
from streams.commands.explain import explain
from streams.commands.export import export
from streams.commands.feed import bootstrap, feed
from streams.commands.options import Assignments, SettingsFile, instant_of, resolution_of, settings_of
from streams.commands.run import run
from streams.commands.scorecard import scorecard
from streams.commands.status import status
from streams.commands.why import why

if TYPE_CHECKING:
    from streams.settings import Settings

app = typer.Typer(
    name="tocsin",
    help="An alarm bell for markets: rings when negative sentiment surges beyond what chance explains.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(alerts.app, name="alerts")
app.add_typer(deadletters.app, name="deadletters")
app.add_typer(deliver.app, name="deliver")
app.add_typer(desk.app, name="desk")
app.add_typer(models.app, name="models")
app.add_typer(series.app, name="series")
app.add_typer(sources.app, name="sources")
app.add_typer(stack.app, name="stack")
app.add_typer(topics.app, name="topics")
app.command()(run)
app.command()(doctor)
app.command()(feed)
app.command()(bootstrap)
app.command()(status)
app.command()(explain)
app.command()(why)
app.command()(export)
app.command()(scorecard)


def main() -> None:
    """Run the command line; never returns, and never shows a traceback for an error raised on purpose."""
    try:
        app()
    except TocsinError as error:
        terminal.echo(f"tocsin: {error}", err=True)
        sys.exit(2 if isinstance(error, ConfigurationError) else 1)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"tocsin {version('tocsin')}")
        raise typer.Exit


@app.callback()
def _tocsin(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


@app.command()
def settings(
    settings_file: SettingsFile = None,
    assignments: Assignments = None,
    toml: Annotated[bool, typer.Option("--toml", help="Print a TOML file to start from.")] = False,
) -> None:
    """Print every setting: value, default, unit, what it does, where the value came from."""
    from streams.settings_view import settings_table, settings_toml

    resolution = resolution_of(settings_file, assignments)
    if toml:
        typer.echo(settings_toml(resolution), nl=False)
    else:
        terminal.console(width=200).print(settings_table(resolution))


@app.command()
def schema(
    topic: Annotated[
        str | None, typer.Argument(help="news, alerts, … or input for the lines of files; all if absent.")
    ] = None,
    asyncapi: Annotated[
        bool, typer.Option("--asyncapi", help="The topics that others write and read, as an AsyncAPI document.")
    ] = False,
    settings_file: SettingsFile = None,
    assignments: Assignments = None,
) -> None:
    """Print the JSON Schema of a topic's messages, or what all topics are as AsyncAPI."""
    if asyncapi and topic:
        raise ConfigurationError(f"--asyncapi is about all topics: leave {topic} out")
    if asyncapi:
        from streams.asyncapi import asyncapi_of

        described = asyncapi_of(settings_of(settings_file, assignments).kafka)
    else:
        from streams.schema import MESSAGES, schema_of

        described = schema_of(topic) if topic else {name: schema_of(name) for name in MESSAGES}
    typer.echo(json.dumps(described, indent=2, ensure_ascii=False))


@app.command()
def classify(
    file: Annotated[Path, typer.Argument(help="CSV file (UTF-8) with a header.")],
    text_column: Annotated[str, typer.Option(help="Column that holds the texts.")],
    output: Annotated[Path | None, typer.Option(help="CSV file to write; standard output if absent.")] = None,
    verbatim: Annotated[
        bool, typer.Option("--verbatim", help="Copy cells as they are, also those that a spreadsheet runs as formulas.")
    ] = False,
    settings_file: SettingsFile = None,
    assignments: Assignments = None,
) -> None:
    """Add topic and sentiment to every row of a CSV file: by the model of its language (classifier.others), by the first where
    none reads that.

    Rows keep their order and number: one without text gets no labels, a blank line stays a row of empty fields.
    The output appears once it is whole.
    """
    from streams.classifier import embedded_classifiers
    from streams.classify import classify_csv
    from streams.progress import byte_progress

    settings = settings_of(settings_file, assignments).classifier
    if not file.is_file():
        raise ConfigurationError(f"cannot read {file}: no such file")
    if output is not None and output.exists() and output.samefile(file):
        raise ConfigurationError(f"--output {output} is the input file: name another")
    classifiers = embedded_classifiers(settings)
    with _written(output) as target, byte_progress("classifying", file.stat().st_size) as position:
        for read in classify_csv(file, text_column, target, classifiers, verbatim=verbatim):
            position(read)


@app.command()
def replay(
    out: Annotated[Path, typer.Option(help="Folder for documents, mentions, series, alerts, dead letters, summary.")],
    files: Annotated[list[Path] | None, typer.Argument(help="Input documents, JSONL or gzip.")] = None,
    mentions: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="What `tocsin export` wrote: detection alone, on the log as it was."),
    ] = None,
    present_settings: Annotated[
        bool,
        typer.Option("--present-settings", help="With --mentions: not by the settings that were recorded with it."),
    ] = False,
    classifications: Annotated[
        Path | None, typer.Option(help="documents.jsonl.gz of an earlier run: take its labels, run no model.")
    ] = None,
    as_of: Annotated[
        str | None, typer.Option(metavar="TIME", help="The present (RFC 3339) for rules on old data; now if absent.")
    ] = None,
    partitions: Annotated[
        int,
        typer.Option(
            min=1,
            max=1024,
            help="Of files: judge as services with so many partitions of the mentions, each with its own pools.",
        ),
    ] = 1,
    silent_until: Annotated[
        str | None,
        typer.Option(
            metavar="TIME", help="Of files: learn from what comes before, nothing rings up to then (RFC 3339)."
        ),
    ] = None,
    settings_file: SettingsFile = None,
    assignments: Assignments = None,
) -> None:
    """Run files through the whole of Tocsin in event time, and write what comes of it.

    Exit code 1 where no line is a document. With --mentions, an export of the log: the alerts are those that were published, byte for byte, by partition.
    """
    if bool(files) == (mentions is not None):
        raise ConfigurationError("give files of documents, or --mentions with an export: one of the two")
    if mentions is not None:
        _replay_log(mentions, out, settings_of(settings_file, assignments), anew=present_settings)
        return
    files = files or []
    from streams.progress import ReplayProgress
    from streams.replay import embedded_labeller, recorded_labeller, replay_documents

    now = instant_of(as_of) if as_of else datetime.now(UTC)
    settings = settings_of(settings_file, assignments)
    labeller = recorded_labeller(classifications) if classifications else embedded_labeller(settings)
    with ReplayProgress(files) as progress:
        summary = replay_documents(
            files,
            out,
            settings,
            labeller,
            now=now,
            partitions=partitions,
            silent_until=instant_of(silent_until) if silent_until else None,
            observer=progress,
            reading=progress.reading,
        )
    typer.echo(
        f"{terminal.counted(summary.documents_read, 'document')}, {terminal.counted(summary.duplicate, 'duplicate')}, "
        f"{summary.refused:,} refused; {terminal.counted(len(summary.highest), 'incident')}: everything is in {out}"
    )
    summary.check_read()


def _replay_log(folder: Path, out: Path, settings: "Settings", *, anew: bool) -> None:
    from streams.log_replay import replay_log
    from streams.progress import record_progress

    with record_progress("replaying") as progress:
        replayed = replay_log(folder, out, settings.detector, anew=anew, progress=progress)
    for note in replayed.notes:
        terminal.echo(note, err=True)
    typer.echo(
        f"{replayed.records:,} records, {replayed.alerts:,} alerts, {replayed.points:,} points, "
        f"{replayed.dead_letters:,} refused: everything is in {out}"
    )


@app.command()
def demo(
    files: Annotated[
        list[Path] | None, typer.Argument(help="Your own input documents; an invented scenario if absent.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for everything that comes of it.")] = DEMO_FOLDER,
    once: Annotated[bool, typer.Option("--once", help="Plain lines, no live view and no console.")] = False,
    settings_file: SettingsFile = None,
    assignments: Assignments = None,
) -> None:
    """Watch the whole of Tocsin at work, here and in your browser: labels, trends, incidents that open and close.

    Exit code 1 where no line of your own files is a document.
    """
    from streams.demo.run import run_demo

    settings = settings_of(settings_file, assignments)
    run_demo(files=files or (), out=out, settings=settings, once=once, page=not once)


@contextmanager
def _written(output: Path | None) -> Iterator[TextIO]:
    if output is None:
        yield cast(TextIO, terminal.Shown()) if sys.stdout.isatty() else sys.stdout
        return
    from streams.replacing import replaced

    try:
        with replaced(output) as part, part.open("w", encoding="utf-8", newline="") as file:
            yield file
    except OSError as error:
        raise ConfigurationError(f"cannot write {output}: {error.strerror}") from None
