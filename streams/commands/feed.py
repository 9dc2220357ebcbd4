"""`tocsin feed` and `tocsin bootstrap`: files into the input topics."""

from datetime import datetime
from itertools import islice
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Annotated

import typer

from processors.errors import ConfigurationError
from streams import terminal
from streams.commands.options import Assignments, SettingsFile, instant_of, settings_of

if TYPE_CHECKING:
    from kafka import TopicPartition

    from streams.feed import FeedSummary, Pace
    from streams.settings import Settings

_TOLD = 10


def feed(
    files: Annotated[list[Path], typer.Argument(help="Input documents, JSONL or gzip.")],
    speed: Annotated[
        str | None, typer.Option(metavar="N", help="Times the speed of history, as 60x; as fast as possible if absent.")
    ] = None,
    max_rate: Annotated[float | None, typer.Option(help="Most lines a second.", metavar="N")] = None,
    settings_file: SettingsFile = None,
    assignments: Assignments = None,
) -> None:
    """Send files to the input topics by time, as history with a clock of its own.

    After an interruption the same command goes on where it stood: nothing is lost or sent twice. Lines that are no
    documents are sent as they are, for enrich to refuse; lines over 1 MiB go to the dead letters.
    """
    from streams.feed import Pace

    pace = Pace(_times(speed), max_rate)
    if speed and max_rate:
        raise ConfigurationError("give --speed or --max-rate, not both")
    if max_rate is not None and max_rate <= 0:
        raise ConfigurationError("--max-rate is a number of lines a second, above 0")
    settings = settings_of(settings_file, assignments)
    for line in _report(_fed(files, settings, pace)):
        terminal.echo(line)


def bootstrap(
    files: Annotated[list[Path], typer.Argument(help="Input documents of the past, JSONL or gzip.")],
    until: Annotated[
        str | None, typer.Option(metavar="TIME", help="Nothing rings up to then (RFC 3339); now if absent.")
    ] = None,
    settings_file: SettingsFile = None,
    assignments: Assignments = None,
) -> None:
    """Let the services learn what is normal from history, before their clock runs: nothing of it rings.

    The files go through the whole service as `tocsin feed` sends them, and time passes up to now. Baselines begin
    with what they hold; incidents that open in it are not told. Then `tocsin run clock` goes on with the present. After an
    interruption the same command goes on where it stood.
    """
    from streams.feed import Pace

    settings = settings_of(settings_file, assignments)
    silent_until = instant_of(until) if until else None
    for line in _report(_fed(files, settings, Pace(), silent=True, until=silent_until)):
        terminal.echo(line)
    terminal.echo(
        "once enrich and detect have read it, start `tocsin run clock`; `tocsin status` says what waits, and until when nothing rings"
    )


def _fed(
    files: list[Path], settings: "Settings", pace: "Pace", *, silent: bool = False, until: datetime | None = None
) -> "FeedSummary":
    """Feeds as `feed_files` does, anew as often as the broker gives it up; the summary is of all attempts."""
    from streams.feed import feed_files
    from streams.feed_lease import GivenUpError
    from streams.progress import FeedProgress

    began = monotonic()
    stood: dict[TopicPartition, int] = {}
    while True:
        try:
            with FeedProgress(files) as progress:
                summary = feed_files(
                    files,
                    settings,
                    pace,
                    silent=silent,
                    until=until,
                    reading=progress.reading,
                    start=progress.start,
                    stood=stood,
                )
        except GivenUpError as error:
            terminal.echo(f"{error}: it goes on where it stood", err=True)
        else:
            summary.seconds = monotonic() - began
            return summary


def _times(speed: str | None) -> float | None:
    if speed is None:
        return None
    try:
        times = float(speed.removesuffix("x"))
    except ValueError:
        times = 0.0
    if not 0 < times < float("inf"):
        raise ConfigurationError(f"--speed {speed}: write it as 60x for 60 times the speed of history")
    return times


def _report(summary: "FeedSummary") -> list[str]:
    rate = summary.lines / summary.seconds if summary.seconds else 0.0
    lines = [
        f"{summary.lines:,} lines and {summary.ticks:,} ticks sent in {summary.seconds:.1f} s ({rate:,.0f} lines/s)"
        + (f"; {summary.present:,} lines were there already" if summary.present else "")
    ]
    if summary.unreadable:
        lines.append(f"{summary.unreadable:,} of them are no documents: enrich refuses them with a reason")
    if summary.refused:
        lines.append(f"{len(summary.refused):,} lines refused, to be found with `tocsin deadletters list`:")
        for letter in islice(summary.refused, _TOLD):
            lines.append(f"  {letter.origin.place}, line {letter.origin.offset + 1}: {letter.reason}: {letter.message}")
        if len(summary.refused) > _TOLD:
            lines.append(f"  … and {len(summary.refused) - _TOLD:,} more")
    return lines
