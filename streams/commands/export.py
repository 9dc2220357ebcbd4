"""`tocsin export`: the log that detection read, as files."""

from pathlib import Path
from typing import Annotated

import typer

from streams import terminal
from streams.commands.options import Assignments, SettingsFile, instant_of, settings_of

Since = Annotated[
    str | None, typer.Option("--from", metavar="TIME", help="Records that Kafka took at or after (RFC 3339).")
]
Until = Annotated[str | None, typer.Option("--to", metavar="TIME", help="Records that Kafka took before (RFC 3339).")]


def export(
    out: Annotated[Path, typer.Option(help="Folder for one file a partition, and manifest.json.")],
    results: Annotated[bool, typer.Option("--results", help="Export alerts and series too.")] = False,
    since: Since = None,
    until: Until = None,
    settings_file: SettingsFile = None,
    assignments: Assignments = None,
) -> None:
    """Write the mentions and wide logs to files; `tocsin replay --mentions` makes the same alerts of them again."""
    from streams.export import export as export_log
    from streams.progress import record_progress

    with record_progress("exporting") as progress:
        manifest = export_log(
            settings_of(settings_file, assignments),
            out,
            results=results,
            since=instant_of(since) if since else None,
            until=instant_of(until) if until else None,
            progress=progress,
        )
    count = sum(exported.records for exported in manifest.partitions)
    partitions = terminal.counted(len(manifest.partitions), "partition")
    typer.echo(f"{terminal.counted(count, 'record')} of {partitions}: everything is in {out}")
