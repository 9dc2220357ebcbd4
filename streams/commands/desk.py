"""`tocsin desk`: what a desk hears, tried out before it is rung."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Final

import typer

from processors.errors import ConfigurationError
from streams import terminal
from streams.commands.options import Assignments, SettingsFile, settings_of

_BEFORE_DAYS: Final = 14
"""Read before the days asked for: an incident that rang then does not ring anew."""

app = typer.Typer(help="Desks: watch-lists with a budget of false alarms.", no_args_is_help=True)


@app.command()
def simulate(
    desks: Annotated[Path, typer.Argument(help="TOML file of desks, as deliver.desks.")],
    alerts: Annotated[
        Path | None, typer.Option(help="Folder of a run, its alerts.jsonl or its store, to try them on.")
    ] = None,
    elastic: Annotated[bool, typer.Option("--elastic", help="Try them on what Elasticsearch holds.")] = False,
    days: Annotated[int, typer.Option(min=1, max=3660, help="So many days up to the last alarm.")] = 30,
    settings_file: SettingsFile = None,
    assignments: Assignments = None,
) -> None:
    """Print what each desk would have rung, by day, and how many of that chance alone would ring at most."""
    from streams.alert_view import read_alerts
    from streams.desk_file import read_desks
    from streams.desk_view import rung_view
    from streams.desks import simulate
    from streams.names import Names
    from streams.settings import load_master
    from streams.store import AlertQuery

    if (alerts is not None) == elastic:
        raise ConfigurationError("name what to try them on: --alerts FILE or --elastic, one of the two")
    settings = settings_of(settings_file, assignments)
    master = load_master(settings)
    stated = read_desks(desks, master, with_channels=False)
    if not stated.desks:
        raise ConfigurationError(f"{desks} declares no desk: begin with a line [desk.NAME]")
    if alerts is not None:
        found = read_alerts(alerts)
    else:
        from streams.elastic_store import ElasticStore

        store = ElasticStore(settings.elasticsearch, read_only=True)
        latest = store.alerts(AlertQuery(limit=1))
        begin = latest[0].at - timedelta(days=days + _BEFORE_DAYS) if latest else None
        found = store.alerts(AlertQuery(since=begin, limit=1_000_000))
        store.close()
    if not found:
        terminal.echo("There is no alarm to try them on.")
        return
    until = max(alert.at for alert in found) + timedelta(microseconds=1)
    since = until - timedelta(days=days)
    console = terminal.console()
    for desk in stated.desks.values():
        console.print(rung_view(simulate(desk, found, since), since, until, Names(master)))
