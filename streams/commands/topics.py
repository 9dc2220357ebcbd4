"""`tocsin topics`: the topics of a prefix on the broker."""

from typing import Annotated

import typer

from streams import terminal
from streams.commands.options import Assignments, SettingsFile, settings_of

app = typer.Typer(help="The topics of a prefix: make them, look at them.", no_args_is_help=True)


@app.command()
def create(settings_file: SettingsFile = None, assignments: Assignments = None) -> None:
    """Create the topics that are missing and correct the configuration of the others; doing it again changes nothing.

    The number of partitions of a topic is fixed for the life of a prefix: another number is refused.
    """
    from streams.topics_admin import create_topics

    changes = create_topics(settings_of(settings_file, assignments))
    for change in changes:
        typer.echo(f"{change.topic}: {change.what}")
    if not changes:
        typer.echo("All topics are as they should be.")


@app.command("list")
def list_them(
    settings_file: SettingsFile = None,
    assignments: Assignments = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Print the topics: partitions, how long records are kept, size on disk, and what is wrong with them."""
    import json

    from streams.topics_admin import list_topics
    from streams.topics_view import as_record, topics_table

    listed = list_topics(settings_of(settings_file, assignments))
    if as_json:
        for spec, state in listed:
            typer.echo(json.dumps(as_record(spec, state)))
    else:
        terminal.console().print(topics_table(listed))
