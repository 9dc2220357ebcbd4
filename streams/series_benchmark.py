"""The detector of volume series on a folder of labelled ones: NAB's scores, and those with each series left out."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import numpy as np

from processors.errors import ConfigurationError
from processors.volume_series import ALARM, VolumeSettings, volume_scores
from streams.csv_rows import unreadable
from streams.nab import LOW_FALSE_POSITIVE, STANDARD, Outcome, judge, nab_score
from streams.series_file import VolumeSeries, read_series, seconds_of

WINDOWS: Final = "windows.json"

GRID: Final = (("window_hours", (1.0, 1.5, 2.0, 2.5, 3.0, 4.0)), ("threshold", (0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9)))
"""The settings that leaving out chooses from. The stated rate is never chosen."""


@dataclass(frozen=True, slots=True)
class LabelledSeries:
    """A series and its windows: first and last row of each, in order."""

    series: VolumeSeries
    windows: list[tuple[int, int]]


def read_labelled(folder: Path) -> dict[str, LabelledSeries]:
    """The series NAME.csv of `folder` that its windows.json names: ``{NAME: [[start, end], …]}``.

    Raises ConfigurationError where something is missing or no such file, or a window holds no row.
    """
    try:
        named = json.loads((folder / WINDOWS).read_bytes())
        spans = {
            name: sorted(tuple(seconds_of(datetime.fromisoformat(edge)) for edge in window) for window in windows)
            for name, windows in named.items()
        }
    except OSError as error:
        raise unreadable(folder / WINDOWS, error) from None
    except (ValueError, TypeError, AttributeError) as error:
        raise ConfigurationError(
            f'{folder / WINDOWS}: write {{"NAME": [["START", "END"], …]}} with ISO timestamps ({error})'
        ) from None
    return {name: _labelled(folder / f"{name}.csv", windows) for name, windows in spans.items()}


def benchmark(folder: Path) -> dict[str, Any]:
    """What `tocsin series score` tells of the labelled series in `folder`, as JSON takes it.

    Under ``leave_one_out`` each series is judged by the setting that the others chose: of `GRID` the one that together
    with its neighbours (a plateau rather than a peak) has the highest mean of the two profiles.
    """
    labelled = read_labelled(folder)
    settings = VolumeSettings()
    outcomes = {name: _outcome(one, settings) for name, one in labelled.items()}
    try:
        told = _scores(outcomes.values())
    except ValueError as error:
        raise ConfigurationError(f"{folder}: {error}") from None
    return {
        "settings": asdict(settings),
        **told,
        "series": {
            name: {
                "windows": len(outcome.caught),
                "caught": sum(earned is not None for earned in outcome.caught),
                "false_alarms": outcome.false_alarms,
            }
            for name, outcome in outcomes.items()
        },
        "leave_one_out": _leave_one_out(labelled, settings) if len(labelled) > 1 else None,
    }


def _labelled(file: Path, spans: list[tuple[float, ...]]) -> LabelledSeries:
    series = read_series(file)
    windows = []
    for start, end in spans:
        first, after = np.searchsorted(series.seconds, start), np.searchsorted(series.seconds, end, side="right")
        if first >= after:
            raise ConfigurationError(f"{file}: no row lies in the window of {WINDOWS} from {start:.0f} s since 1970")
        windows.append((int(first), int(after) - 1))
    return LabelledSeries(series, windows)


def _outcome(labelled: LabelledSeries, settings: VolumeSettings) -> Outcome:
    series = labelled.series
    scores = volume_scores(series.seconds, series.values, settings)
    return judge(len(scores), np.flatnonzero(scores >= ALARM).tolist(), labelled.windows)


def _scores(outcomes: Iterable[Outcome]) -> dict[str, Any]:
    outcomes = list(outcomes)
    return {
        "standard": round(nab_score(outcomes, STANDARD), 1),
        "low_false_positive": round(nab_score(outcomes, LOW_FALSE_POSITIVE), 1),
        "false_alarms": sum(outcome.false_alarms for outcome in outcomes),
    }


def _leave_one_out(labelled: Mapping[str, LabelledSeries], settings: VolumeSettings) -> dict[str, Any]:
    (one, ones), (other, others) = GRID
    tried = {
        (row, column): {
            name: _outcome(series, replace(settings, **{one: first, other: second}))
            for name, series in labelled.items()
        }
        for row, first in enumerate(ones)
        for column, second in enumerate(others)
    }
    chosen = {name: _plateau(tried, name) for name in labelled}
    return {
        **_scores(tried[place][name] for name, place in chosen.items()),
        "chosen": {name: {one: ones[row], other: others[column]} for name, (row, column) in chosen.items()},
    }


def _plateau(tried: Mapping[tuple[int, int], Mapping[str, Outcome]], without: str) -> tuple[int, int]:
    """Which place of the grid is best, averaged with the places around it, on all series but one."""
    worth = {}
    for place, outcomes in tried.items():
        rest = [outcome for name, outcome in outcomes.items() if name != without]
        worth[place] = nab_score(rest, STANDARD) + nab_score(rest, LOW_FALSE_POSITIVE)
    around = {
        (row, column): [worth[near] for near in worth if abs(near[0] - row) <= 1 and abs(near[1] - column) <= 1]
        for row, column in worth
    }
    return max(around, key=lambda place: (sum(around[place]) / len(around[place]), place))
