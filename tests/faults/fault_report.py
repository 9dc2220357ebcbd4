"""The report of the matrix, from the results that are kept: one page (HTML, complete in itself), the same as JSON, and its
tables as Markdown."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby
from math import log10
from pathlib import Path
from statistics import median
from typing import Any, Final

from results import Result, Store
from reverted import MEASURES

WIDTH: Final = 900
LEFT: Final = 250
STEP: Final = 18
DECADES: Final = (0.1, 1.0, 10.0, 100.0, 1000.0)


@dataclass(frozen=True, slots=True)
class Row:
    """All cases of one scenario together."""

    scenario: str
    row: int
    proves: str
    results: Sequence[Result]

    @property
    def faults(self) -> list[str]:
        """Everything that is wrong."""
        return [f"{result.case}: {fault}" for result in self.results for fault in result.faults]

    @property
    def hits(self) -> dict[str, int]:
        """The faults that were brought about, counted."""
        counts: dict[str, int] = {}
        for result in self.results:
            for name, count in result.hits.items():
                counts[name] = counts.get(name, 0) + count
        return counts

    @property
    def recoveries(self) -> list[float]:
        """In seconds, rising."""
        return sorted(seconds for result in self.results for _, _, seconds in result.recoveries)

    @property
    def longest_alarm_delay(self) -> float | None:
        """Over all cases."""
        return max((r.longest_alarm_delay for r in self.results if r.longest_alarm_delay is not None), default=None)

    def as_dict(self) -> dict[str, Any]:
        """As JSON."""
        recoveries = self.recoveries
        return {
            "row": self.row,
            "scenario": self.scenario,
            "proves": self.proves,
            "cases": len(self.results),
            "passed": sum(result.passed for result in self.results),
            "hits": self.hits,
            "records": sum(result.records for result in self.results),
            "alerts": sum(result.alerts for result in self.results),
            "recovery_seconds": {"median": median(recoveries), "longest": recoveries[-1]} if recoveries else None,
            "longest_alarm_delay_seconds": self.longest_alarm_delay,
            "faults": self.faults,
            "notes": [note for result in self.results for note in result.notes],
        }


def rows_of(results: Iterable[Result]) -> list[Row]:
    """Results, in the order of the matrix, by scenario."""
    grouped = groupby(results, key=lambda result: (result.row, result.scenario))
    return [Row(name, row, (found := list(group))[0].proves, found) for (row, name), group in grouped]


def write_report(store: Store) -> Path:
    """Write ``report.html``, ``report.json`` and ``report.md`` of all that is kept; the path of the page."""
    results = store.all()
    rows = rows_of(result for result in results if not result.reverted)
    counter = [result for result in results if result.reverted]
    page = store.folder / "report.html"
    content = {
        "commit": store.folder.name,
        "scenarios": [row.as_dict() for row in rows],
        "counter_proofs": [
            {"without": r.reverted, "scenario": r.scenario, "noticed": r.passed, "by": r.faults[:3]} for r in counter
        ],
    }
    (store.folder / "report.json").write_text(json.dumps(content, indent=1) + "\n")
    (store.folder / "report.md").write_text(table(rows, counter) + "\n")
    page.write_text(_page(store.folder.name, rows, counter), encoding="utf-8")
    return page


def table(rows: Sequence[Row], counter: Sequence[Result]) -> str:
    """As a README shows it."""
    lines = ["| | scenario | brought about | passed | recovery, s | longest alarm delay, s |", "| --- " * 6 + "|"]
    for row in rows:
        passed = sum(result.passed for result in row.results)
        hits = "; ".join(f"{count} × {name}" for name, count in sorted(row.hits.items()))
        recovery = f"{median(row.recoveries):.1f} · {row.recoveries[-1]:.1f}" if row.recoveries else "–"
        delay = "–" if row.longest_alarm_delay is None else f"{row.longest_alarm_delay:.1f}"
        cells = (row.row, row.proves, hits, f"{passed} of {len(row.results)}", recovery, delay)
        lines.append(f"| {' | '.join(map(str, cells))} |")
    lines += ["", "| without | scenario that has to fail | noticed |", "| --- " * 3 + "|"]
    for result in counter:
        noticed = "yes" if result.passed else "NO"
        lines.append(f"| {MEASURES[result.reverted].without} | {result.scenario} | {noticed} |")
    return "\n".join(lines)


def _page(commit: str, rows: Sequence[Row], counter: Sequence[Result]) -> str:
    results = [result for row in rows for result in row.results]
    failed = sum(not result.passed for result in results)
    verdict = "every one passed" if not failed else f"{failed} failed"
    records = sum(result.records for result in results)
    alerts = sum(result.alerts for result in results)
    lines = "\n".join(_line(row) for row in rows)
    return f"""<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Fault matrix of {escape(commit)}</title>
<style>
body {{ font: 14px/1.45 system-ui, sans-serif; max-width: 1100px; margin: 2em auto; padding: 0 1em; color: #1b1f24 }}
table {{ border-collapse: collapse; width: 100% }} th, td {{ text-align: left; padding: .3em .6em; vertical-align: top }}
th {{ border-bottom: 2px solid #888 }} td {{ border-bottom: 1px solid #ddd }} .n {{ text-align: right; white-space: nowrap }}
.failed {{ color: #b00020; font-weight: 600 }} small {{ color: #555 }} svg text {{ font: 11px system-ui, sans-serif }}
</style>
<h1>Fault matrix</h1>
<p>Commit {escape(commit)}. {len(results)} cases of {len(rows)} scenarios, {verdict}; {records:,} input records,
{alerts:,} alerts. An independent ledger judged each: every record in one place, alerts equal to a replay of the log byte for
byte, all offsets acknowledged.</p>
<table><tr><th>Row<th>Scenario<th>Brought about<th class=n>Passed<th class=n>Records<th class=n>Alerts
<th class=n>Recovery s<br><small>median · longest</small><th class=n>Longest<br>alarm delay s</tr>
{lines}
</table>
<h2>Counter-proofs</h2>
<p>The same scenarios without a safety measure: each has to fail.</p>
<table><tr><th>Without<th>Scenario<th>Noticed<th>What the ledgers told</tr>
{"".join(map(_counter_line, counter))}
</table>
<h2>Recoveries</h2>
<p>Seconds from a fault until the service that it hit had acknowledged something again, one mark each.</p>
{_plot(rows)}
</html>
"""


def _line(row: Row) -> str:
    passed = sum(result.passed for result in row.results)
    recoveries = row.recoveries
    recovery = f"{median(recoveries):.1f} · {recoveries[-1]:.1f}" if recoveries else ""
    delay = "" if row.longest_alarm_delay is None else f"{row.longest_alarm_delay:.1f}"
    hits = "<br>".join(f"{count} × {escape(name)}" for name, count in sorted(row.hits.items()))
    faults = "".join(f"<br><span class=failed>{escape(fault[:400])}</span>" for fault in row.faults[:5])
    notes = "".join(f"<br><small>{escape(note)}</small>" for result in row.results for note in result.notes)
    mark = " class=failed" if passed < len(row.results) else ""
    return (
        f"<tr><td class=n>{row.row}<td><b>{escape(row.scenario)}</b><br><small>{escape(row.proves)}</small>{notes}{faults}"
        f"<td>{hits}<td class=n><span{mark}>{passed} of {len(row.results)}</span>"
        f"<td class=n>{sum(r.records for r in row.results):,}<td class=n>{sum(r.alerts for r in row.results):,}"
        f"<td class=n>{recovery}<td class=n>{delay}</tr>"
    )


def _counter_line(result: Result) -> str:
    told = escape(result.faults[0][:300]) if result.faults else ""
    noticed = "yes" if result.passed else "<span class=failed>NO</span>"
    without = escape(MEASURES[result.reverted].without)
    return f"<tr><td>{without}<td>{escape(result.scenario)}<td>{noticed}<td><small>{told}</small></tr>"


def _plot(rows: Sequence[Row]) -> str:
    """One line for each scenario and service, on a logarithmic scale."""
    places: list[tuple[str, list[float]]] = []
    for row in rows:
        by_service: dict[str, list[float]] = {}
        for result in row.results:
            for service, _, seconds in result.recoveries:
                by_service.setdefault(service, []).append(seconds)
        places += [(f"{row.scenario}, {service}", seconds) for service, seconds in sorted(by_service.items())]
    if not places:
        return "<p>None was measured.</p>"
    height = STEP * (len(places) + 2)
    marks = []
    for decade in DECADES:
        x = _x(decade)
        marks.append(f'<line x1="{x:.0f}" x2="{x:.0f}" y1="8" y2="{height - STEP}" stroke="#ddd"/>')
        marks.append(f'<text x="{x:.0f}" y="{height - 4}" text-anchor="middle">{decade:g} s</text>')
    for number, (name, seconds) in enumerate(places, start=1):
        y = STEP * number
        marks.append(f'<text x="{LEFT - 10}" y="{y + 4}" text-anchor="end">{escape(name)}</text>')
        marks += [f'<circle cx="{_x(s):.1f}" cy="{y}" r="4" fill="#1f6feb" fill-opacity=".45"/>' for s in seconds]
    return f'<svg viewBox="0 0 {WIDTH} {height}" width="100%" role="img">{"".join(marks)}</svg>'


def _x(seconds: float) -> float:
    first, last = log10(DECADES[0]), log10(DECADES[-1])
    share = (log10(min(max(seconds, DECADES[0]), DECADES[-1])) - first) / (last - first)
    return LEFT + share * (WIDTH - LEFT - 30)
