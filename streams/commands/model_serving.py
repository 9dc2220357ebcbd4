"""`tocsin models list, push, promote, rollback, compare`: versions side by side in a running Triton."""

import json
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer

from processors.errors import ConfigurationError, RetryableError
from streams import terminal
from streams.commands.options import Assignments, SettingsFile, instant_of, settings_of

if TYPE_CHECKING:
    from models.versions import Version
    from streams.settings import Settings

Repository = Annotated[
    Path | None, typer.Option(help="Folder that the running Triton loads from; that of `tocsin stack` if absent.")
]


def list_versions(
    repository: Repository = None, settings_file: SettingsFile = None, assignments: Assignments = None
) -> None:
    """Print the versions in the repository, which of them is promoted, and which the running Triton serves."""
    from models.versions import versions_in
    from streams.triton_control import TritonControl

    settings, folder = settings_of(settings_file, assignments), _folder(repository)
    versions = versions_in(folder)
    try:
        ready, away = TritonControl(settings.triton).ready(), ""
    except RetryableError as error:
        ready, away = frozenset[str](), str(error)
    for version in versions:
        packaged = version.packaged
        place = "promoted" if version.is_promoted else "previous" if version.is_previous else ""
        served = "not asked" if away else "served" if str(packaged.number) in ready else "not served"
        terminal.echo(
            f"{packaged.number:>10}  {packaged.name} {packaged.version}  {packaged.hash}  {served:<10}  {place}"
        )
    if away:
        terminal.echo(f"tocsin: {away}", err=True)


def push(
    model: Annotated[Path, typer.Argument(help="Folder of a packaged model.")],
    repository: Repository = None,
    settings_file: SettingsFile = None,
    assignments: Assignments = None,
) -> None:
    """Add a model to the repository, and let the running Triton serve it beside the promoted one."""
    from models.versions import pushed
    from streams.triton_control import TritonControl

    settings, folder = settings_of(settings_file, assignments), _folder(repository)
    control = TritonControl(settings.triton)
    control.ready()
    with pushed(folder, model) as packaged:
        control.load(packaged.number)
    terminal.echo(
        f"version {packaged.number} ({packaged.name} {packaged.version}, {packaged.hash[:12]}) is served beside the promoted one"
    )


def promote(
    version: Annotated[
        str, typer.Argument(help="Number, version or beginning of the hash of a version that is there.")
    ],
    repository: Repository = None,
    settings_file: SettingsFile = None,
    assignments: Assignments = None,
) -> None:
    """Make a version the one that classifiers set to `tocsin/current` of the repository take; both stay served."""
    from models.versions import find_version, versions_in

    folder = _folder(repository)
    _promote(folder, find_version(versions_in(folder), version), settings_of(settings_file, assignments))


def rollback(
    repository: Repository = None, settings_file: SettingsFile = None, assignments: Assignments = None
) -> None:
    """Promote again what was promoted before."""
    from models.versions import previous_in, versions_in

    folder = _folder(repository)
    _promote(folder, previous_in(versions_in(folder)), settings_of(settings_file, assignments))


def _promote(folder: Path, chosen: "Version", settings: "Settings") -> None:
    from models.repository import CURRENT
    from models.versions import promote
    from streams.triton_control import TritonControl

    control, packaged = TritonControl(settings.triton), chosen.packaged
    if str(packaged.number) not in control.ready():
        raise ConfigurationError(
            f"Triton at {settings.triton.server} does not serve version {packaged.number}: push it first"
        )
    promote(folder, chosen)
    control.load(packaged.number)
    terminal.echo(
        f"promoted: version {packaged.number} ({packaged.name} {packaged.version}, {packaged.hash[:12]}). A running enrich goes "
        f"on with the version it has; restart it with classifier.model={chosen.folder.parent / CURRENT}"
    )


def compare(
    a: Annotated[Path, typer.Argument(metavar="A", help="Packaged model that is served, or the folder of its replay.")],
    b: Annotated[Path, typer.Argument(metavar="B", help="The one that might follow, or the folder of its replay.")],
    on: Annotated[
        list[Path] | None, typer.Option("--on", help="Input documents (JSONL, .gz); may be given again.")
    ] = None,
    most_flips: Annotated[
        float, typer.Option(min=0, max=1, help="Largest share of sentiment labels that may turn.")
    ] = 0.05,
    most_alarms: Annotated[
        float, typer.Option(min=0, max=1, help="Largest share of incidents that only one of them may ring.")
    ] = 0.25,
    examples: Annotated[int, typer.Option(min=0, help="How many turned labels to show.")] = 10,
    as_of: Annotated[
        str | None, typer.Option(metavar="TIME", help="The present (RFC 3339) for rules on old data; now if absent.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object, with every turned label.")] = False,
    settings_file: SettingsFile = None,
    assignments: Assignments = None,
) -> None:
    """Show how labels and alarms of two models differ on the same documents; exit code 1 beyond what is allowed."""
    from streams.compare import compared, lines_of

    settings = settings_of(settings_file, assignments)
    now = instant_of(as_of) if as_of else datetime.now(UTC)
    with TemporaryDirectory(prefix="tocsin-compare-") as scratch:
        runs = [_run_of(model, Path(scratch) / name, on or [], settings, now) for name, model in (("a", a), ("b", b))]
        found = compared(*runs)
    passed = found.flipped_share <= most_flips and found.alarms_share <= most_alarms
    if as_json:
        record = {**found.as_dict(), "most_flips": most_flips, "most_alarms": most_alarms, "passed": passed}
        terminal.echo(terminal.escaped_json(json.dumps(record, ensure_ascii=False)))
    else:
        for line in lines_of(found, examples):
            terminal.echo(line)
        terminal.echo(
            f"{'passed' if passed else 'not passed'}: at most {most_flips:.0%} of the labels may turn and {most_alarms:.0%} "
            "of the incidents ring with one model alone"
        )
    if not passed:
        raise typer.Exit(1)


def _run_of(model: Path, out: Path, files: list[Path], settings: "Settings", now: datetime) -> Path:
    """The folder of a replay: `model` itself where it is one, else one made in `out`."""
    from dataclasses import replace

    from streams.outputs import DOCUMENTS
    from streams.progress import ReplayProgress
    from streams.replay import embedded_labeller, replay_documents

    if (model / DOCUMENTS).is_file():
        return model
    if not files:
        raise ConfigurationError(f"{model} is no replay: name documents with --on")
    own = replace(settings, classifier=replace(settings.classifier, model=model, others=()))
    with ReplayProgress(files) as progress:
        replay_documents(files, out, own, embedded_labeller(own), now=now, observer=progress, reading=progress.reading)
    return out


def _folder(repository: Path | None) -> Path:
    import os

    from streams.stack.stack import state_folder

    return repository or state_folder(os.environ) / "models"
