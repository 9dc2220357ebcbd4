"""`tocsin sources`: what collect takes documents from."""

from pathlib import Path
from typing import Annotated

import typer

from streams import terminal
from streams.commands.options import Assignments, SettingsFile, settings_of

app = typer.Typer(help="The sources that collect takes documents from.", no_args_is_help=True)


@app.command()
def check(
    file: Annotated[
        Path, typer.Argument(help="TOML file that declares them, as compose/sources/sources.example.toml.")
    ],
    items: Annotated[int, typer.Option("--items", "-n", min=0, help="How many of the first items of each.")] = 3,
    settings_file: SettingsFile = None,
    assignments: Assignments = None,
) -> None:
    """Look at each source once and show what would be sent. Nothing is sent; exit code 1 where a source gives nothing.

    Live documents need `tocsin run clock`: without it no time passes for them.
    """
    from streams.collect.check import check_source, checked_view
    from streams.collect.declared import load_sources
    from streams.services.collect import limits_of

    sources = load_sources(file)
    settings = settings_of(settings_file, assignments)
    console = terminal.console(width=160)
    failed = 0
    for source in sources:
        checked = check_source(source, settings, limits_of(settings))
        failed += not checked.well
        console.print(checked_view(source, checked, items))
    if failed:
        terminal.echo(f"{failed} of {len(sources)} sources give nothing", err=True)
        raise typer.Exit(1)
