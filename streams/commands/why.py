"""`tocsin why`: the decision behind one alarm."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any

import typer

from streams import terminal
from streams.commands.options import Assignments, SettingsFile, settings_of

if TYPE_CHECKING:
    from streams.settings import Settings
    from streams.why import Decision
    from streams.why_view import Present


def why(
    id: Annotated[str, typer.Argument(help="Id of the alarm, or how it begins.")],
    place: Annotated[
        Path | None,
        typer.Option(
            "--in", metavar="DIR", help="What `tocsin export --results` wrote; the topics themselves if absent."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
    settings_file: SettingsFile = None,
    assignments: Assignments = None,
) -> None:
    """Rebuild the decision behind one alarm, step by step; exit code 1 where the alarm does not come out again as it is."""
    from streams.progress import record_progress
    from streams.why import decision_of
    from streams.why_view import decision_lines

    settings = settings_of(settings_file, assignments)
    with TemporaryDirectory(prefix="tocsin-why-") as scratch:
        folder = place or _exported(settings, Path(scratch))
        with record_progress("rebuilding") as progress:
            decision = decision_of(folder, id, progress)
    present = _present(settings)
    if as_json:
        terminal.echo(terminal.escaped_json(json.dumps(_record(decision, present), ensure_ascii=False)))
    else:
        for line in decision_lines(decision, present):
            terminal.echo(line)
    if not decision.is_equal:
        raise typer.Exit(1)


def _exported(settings: "Settings", folder: Path) -> Path:
    from streams.export import export
    from streams.progress import record_progress

    with record_progress("exporting") as progress:
        export(settings, folder, results=True, progress=progress)
    return folder


def _present(settings: "Settings") -> "Present":
    from streams.model_inputs import described
    from streams.settings import load_master, settings_hash
    from streams.why_view import Present

    return Present(described(settings.classifier.model).hash, load_master(settings).hash, settings_hash(settings))


def _record(decision: "Decision", present: "Present") -> dict[str, Any]:
    from dataclasses import asdict

    from streams.web.plain import plain

    account = decision.account
    return {
        "alert": plain(decision.stored),
        "equal": decision.is_equal,
        "differing": list(decision.differing),
        "place": str(decision.place),
        "offset": decision.rang_at,
        "window": [decision.start.isoformat(), decision.end.isoformat()],
        "documents": plain(decision.documents),
        "expected": account.expected._asdict() if account else None,
        "leans_on": account.prior._asdict() if account else None,
        "known_stories": account.known_stories if account else None,
        "exposure": account.exposure if account else None,
        "settings": asdict(decision.settings),
        "settings_hash": decision.settings_hash,
        "present": asdict(present),
    }
