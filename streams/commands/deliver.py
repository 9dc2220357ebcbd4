"""`tocsin deliver`: whether the channels of a desk work."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated
from uuid import uuid4

import typer

from processors.errors import ConfigurationError
from streams import terminal
from streams.commands.options import Assignments, SettingsFile, settings_of

app = typer.Typer(help="Alarms to people: `tocsin run deliver` sends them.", no_args_is_help=True)


@app.command()
def test(
    desk: Annotated[str, typer.Argument(help="Name of the desk.")],
    settings_file: SettingsFile = None,
    assignments: Assignments = None,
) -> None:
    """Send a message that says that it is a test to every channel of a desk, now; exit code 1 where one does not take it."""
    from processors.identity import format_instant
    from streams.deliver.sending import Speech, send_test
    from streams.desk_file import nearest, read_desks
    from streams.names import Names
    from streams.settings import load_master

    settings = settings_of(settings_file, assignments)
    if not settings.deliver.desks:
        raise ConfigurationError("no desks are stated: set deliver.desks to their file")
    stated = read_desks(Path(settings.deliver.desks), load_master(settings))
    if desk not in stated.desks:
        raise ConfigurationError(nearest("desk", desk, stated.desks))
    speech = Speech(Names(), settings.deliver.console, settings.deliver.timeout)
    failed = 0
    for name in stated.desks[desk].channels:
        at = format_instant(datetime.now(UTC).replace(microsecond=0))
        failure = send_test(stated.channels[name], desk, f"test-{uuid4().hex}", at, speech)
        terminal.echo(f"{name}: {failure.why if failure else 'taken'}")
        failed += failure is not None
    if failed:
        raise typer.Exit(1)
