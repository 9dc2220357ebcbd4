"""What the detector is meant to reach, and whether it does."""

from collections.abc import Mapping
from typing import Any, Final

from streams.scorecard.measures import ALARMS_A_DAY

_AT: Final = ALARMS_A_DAY.index(0.25)
_RATIO_AT: Final = ALARMS_A_DAY.index(0.1)

_RECALL: Final = (  # documents, hours, group, least recall
    (8, 3, "terciles", 0.97),
    (8, 24, "terciles", 0.96),
    (4, 3, "terciles", 0.88),
    (4, 24, "terciles", 0.86),
    (4, 3, "busiest", 0.84),
    (4, 24, "busiest", 0.76),
)
_NEUTRAL: Final = ((3, 0.03), (24, 0.08))  # hours, most rings
_MEDIAN_DELAY: Final = 3
_ALARMS_PER_INCIDENT: Final = 1.3
_RATIO: Final = 3.0
_TRUE: Final = 20
_REAL_DAYS: Final = 0.8


def targets(report: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Each target with the value reached, whether it is held, and, for rates, whether the interval reaches it; all at
    0.25 background alarms a day and of the reported period unless it says otherwise. `held` is None while unjudged."""
    rows = []
    negative, neutral = report["bursts"]["negative"], report["bursts"]["neutral"]
    for documents, hours, group, least in _RECALL:
        recall = _cell(negative, documents, hours, group)["recall"]
        perfect = _cell(report["bursts"]["perfect"], documents, hours, group)["recall"]["rate"]
        name = f"{documents} documents in {hours} h ring" + (", 15 busiest companies" if group == "busiest" else "")
        rows.append(_row(name, f"≥ {least}", recall["rate"], recall["rate"] >= least, recall["interval_95"], perfect))
    for hours in (3, 24):
        cell = _cell(negative, 8, hours, "terciles")
        delay = cell["delay_documents"]["median"]
        name = f"documents before the one that rings, of 8 in {hours} h, median"
        rows.append(_row(name, f"≤ {_MEDIAN_DELAY}", delay, delay is not None and delay <= _MEDIAN_DELAY))
        many = cell["alarms_per_incident"]
        name = f"alarms for one event, 8 in {hours} h"
        held = many is not None and many <= _ALARMS_PER_INCIDENT
        rows.append(_row(name, f"≤ {_ALARMS_PER_INCIDENT}", many, held))
    ratio = report["null"]["shuffled"]["all"]["ratios"]["reported_on"][_RATIO_AT]
    value = ratio["ratio"]
    held = value >= _RATIO if value is not None else ratio["real"] > 0
    rows.append(_row("real against shuffled alarms, at 0.1 a day", f"≥ {_RATIO:g}", value, held))
    for hours, most in _NEUTRAL:
        cells = [
            cell["levels"][_AT]["recall"]
            for cell in neutral
            if (cell["hours"], cell["shape"], cell["group"]) == (hours, "any", "terciles")
        ]
        hits, trials = (sum(cell[key] for cell in cells) for key in ("hits", "trials"))
        share = round(hits / trials, 4) if trials else None
        name = f"neutral bursts of 4, 8, 15 documents in {hours} h ring"
        rows.append(_row(name, f"≤ {most}", share, share is not None and share <= most))
    strong = report["strongest"]["reported_on"]
    tally = strong["tally"]
    held_true: bool | None = tally["true"] >= _TRUE
    if not held_true and tally["true"] + tally["unjudged"] >= _TRUE:
        held_true = None
    rows.append(_row("of the 25 strongest alarms clearly true", f"≥ {_TRUE}", tally["true"], held_true))
    campaigns = sum(alarm["coordinated"] for alarm in strong["alarms"])
    rows.append(_row("of the 25 strongest alarms campaigns", "0", campaigns, campaigns == 0))
    enough = report["real_days"]["all"]["enough"]
    held = enough["rate"] is not None and enough["rate"] >= _REAL_DAYS
    name = "real days with enough text ring"
    rows.append(_row(name, f"≥ {_REAL_DAYS}", enough["rate"], held, enough["interval_95"]))
    return rows


def _cell(rows: list[dict[str, Any]], documents: int, hours: int, group: str) -> dict[str, Any]:
    asked = (documents, hours, "any", group)
    found = next(row for row in rows if (row["documents"], row["hours"], row["shape"], row["group"]) == asked)
    level: dict[str, Any] = found["levels"][_AT]
    return level


def _row(
    name: str,
    target: str,
    value: float | None,
    held: bool | None,
    interval: list[float] | None = None,
    perfect: float | None = None,
) -> dict[str, Any]:
    return {
        "name": name,
        "target": target,
        "value": value,
        "interval_95": interval,
        "with_perfect_labels": perfect,
        "held": held,
    }
