"""`tocsin series`: volume series from files, scored row by row, and the detector's own score on labelled ones."""

import sys
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Volume series: counts over time.", no_args_is_help=True)


@app.command()
def detect(
    file: Annotated[Path, typer.Argument(help="CSV file with the columns timestamp and value; - for standard input.")],
) -> None:
    """Print timestamp, value and score of every row as CSV: 0 to 1, an alarm from 0.5 on.

    A score depends on what came before only, and one setting serves every file: a row tells r / (r + c), where c is
    how often a year chance is this high and r = 18 a year is the rate of false alarms that is allowed. For a day after
    an alarm the scores are halved: one alarm for one event. The first three days tell 0.
    """
    from processors.volume_series import ALARM, volume_scores
    from streams.series_file import read_series, write_scores

    series = read_series(file)
    scores = volume_scores(series.seconds, series.values)
    write_scores(series, scores, sys.stdout)
    typer.echo(f"{len(scores):,} rows, {int((scores >= ALARM).sum()):,} alarms", err=True)


@app.command()
def score(
    folder: Annotated[Path, typer.Argument(help="Folder of NAME.csv and windows.json.")],
) -> None:
    """Print, as JSON, how the detector does on labelled series by the Numenta Anomaly Benchmark, at its own threshold.

    windows.json holds the labelled windows: {"NAME": [["START", "END"], …]}.
    """
    import json

    from streams.series_benchmark import benchmark

    typer.echo(json.dumps(benchmark(folder), indent=2))
