"""`tocsin alerts`: alarms of a run, and alarms as they ring."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from streams import terminal
from streams.commands.options import Assignments, SettingsFile, settings_of

if TYPE_CHECKING:
    from processors.messages import Alert
    from streams.explain_view import EvidenceMarks
    from streams.names import Names
    from streams.settings import Settings

app = typer.Typer(help="Alarms that have rung.", no_args_is_help=True)

DEMO_FOLDER: Final = Path("out/demo")

Place = Annotated[Path, typer.Option("--in", help="Folder of a run, its alerts.jsonl or its store.")]
LeastTier = Annotated[str, typer.Option(metavar="TIER", help="Only this tier and those above: watch, urgent or flash.")]


@app.command("list")
def list_alerts(
    place: Place = DEMO_FOLDER,
    tier: LeastTier = "watch",
    kind: Annotated[str, typer.Option(metavar="KIND", help="Only this kind: sentiment, volume or no-data.")] = "",
    series: Annotated[str, typer.Option(metavar="SERIES", help="Only this series, such as company:BA.")] = "",
    events: Annotated[bool, typer.Option("--events", help="Every alert of each incident.")] = False,
    settings_file: SettingsFile = None,
    assignments: Assignments = None,
) -> None:
    """Print the incidents of a run, oldest first, each with the first sentence of what was told of it last."""
    from streams import alert_view

    names = _names(settings_of(settings_file, assignments))
    alert_view.list_alerts(place, terminal.console(), names, tier, kind, series, events=events)


@app.command("show")
def show_alert(
    id: Annotated[str, typer.Argument(help="Id of the alarm, or how it begins.")],
    place: Place = DEMO_FOLDER,
    words: Annotated[
        bool, typer.Option("--words/--no-words", help="On a terminal, ask the model which words carried the labels.")
    ] = True,
    settings_file: SettingsFile = None,
    assignments: Assignments = None,
) -> None:
    """Print one alarm with all its evidence; on a terminal, the words that carried the labels underlined."""
    from streams import alert_view

    settings, console = settings_of(settings_file, assignments), terminal.console()
    wanted = words and console.is_terminal  # elsewhere nothing can be underlined
    alert_view.show_alert(place, id, console, _names(settings), partial(_marks, settings, place) if wanted else None)


@app.command()
def tail(
    from_beginning: Annotated[
        bool, typer.Option("--from-beginning", help="First all that are kept, oldest first.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line, with all evidence.")] = False,
    tier: LeastTier = "watch",
    settings_file: SettingsFile = None,
    assignments: Assignments = None,
) -> None:
    """Print the alarms of the running service as they ring, until interrupted."""
    from streams.alert_view import alert_lines
    from streams.codec import encode
    from streams.tail import tail_alerts, tier_of

    def complain(what: str) -> None:
        terminal.echo(f"tocsin: {what}", err=True)

    def begun() -> None:
        terminal.echo("waiting for alarms from now on; Ctrl-C ends", err=True)

    least, settings, console = tier_of(tier), settings_of(settings_file, assignments), terminal.console()
    names = _names(settings)
    for alert in tail_alerts(settings, from_beginning=from_beginning, least=least, unreadable=complain, begun=begun):
        if as_json:
            typer.echo(terminal.escaped_json(encode(alert).decode()))
        else:
            console.print(alert_lines([alert], names))


def _marks(settings: "Settings", place: Path, alert: "Alert") -> "EvidenceMarks":
    """The evidence of `alert` with its words marked. Seconds pass: stderr shows that it is being worked on."""
    with terminal.console(err=True).status("asking the model which words carried the labels (--no-words: without)"):
        from streams.classifier import EmbeddedClassifier
        from streams.explain import Explainer
        from streams.explain_view import evidence_marks

        explainer = Explainer(EmbeddedClassifier(settings.classifier.model, settings.classifier.threads))
        return evidence_marks(explainer, place, alert)


def _names(settings: "Settings") -> "Names":
    """What people call the companies that `settings` watch."""
    from streams.names import Names
    from streams.settings import load_master

    return Names(load_master(settings))
