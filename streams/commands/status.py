"""`tocsin status`: how everything stands."""

import json
from time import sleep
from typing import Annotated

import typer

from streams import terminal
from streams.commands.options import Assignments, SettingsFile, settings_of


def status(
    as_json: Annotated[bool, typer.Option("--json", help="For programs; with --watch one object a line.")] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Ask again every two seconds, until interrupted.")] = False,
    settings_file: SettingsFile = None,
    assignments: Assignments = None,
) -> None:
    """Print what waits where, what was refused, how fresh each source is, and how the services are.

    What cannot be reached is said. Exit code 1 where Kafka is away, its topics are not in order, or a service is away or not
    ready; clock and web may be away.
    """
    if as_json:
        from streams.status import as_record, read_status

        settings = settings_of(settings_file, assignments)
        found = read_status(settings)
        typer.echo(json.dumps(as_record(found)))
        while watch:
            sleep(2)
            typer.echo(json.dumps(as_record(read_status(settings))))
        raise typer.Exit(0 if found.is_well else 1)
    from rich.live import Live

    with terminal.console(err=True).status(
        "asking Kafka and the services"
    ):  # from here on: the imports take a while too
        from streams.status import read_status
        from streams.status_view import status_page

        settings = settings_of(settings_file, assignments)
        found = read_status(settings)
        page = status_page(found)
    if not watch:
        terminal.console().print(page)
        raise typer.Exit(0 if found.is_well else 1)
    with Live(page, console=terminal.console(), screen=True, auto_refresh=False) as live:
        while True:
            sleep(2)
            live.update(status_page(read_status(settings)), refresh=True)
