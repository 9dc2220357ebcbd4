"""`tocsin alerts`: alarms that rang, found by id, told so that a person can judge them without another source.

Texts come from strangers: they are shown as plain text, without markup, control or direction characters.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import datetime, timedelta
from difflib import get_close_matches
from itertools import islice
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast, get_args

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from processors.errors import ConfigurationError, PoisonError
from processors.messages import TIERS, Alert, EvidenceDocument, IncidentKind, Measure, Tier
from processors.reasons import how_often
from streams.codec import decode
from streams.names import Names
from streams.outputs import ALERTS
from streams.sqlite_store import STORE, SqliteStore
from streams.store import AlertQuery
from streams.terminal import counted, visible

if TYPE_CHECKING:
    from streams.explain_view import EvidenceMarks

TIER_STYLES: Final = {"watch": "yellow", "urgent": "dark_orange", "flash": "red"}
KINDS: Final[tuple[str, ...]] = get_args(IncidentKind)
EVENTS: Final = {
    "open": "opened",
    "escalate": "escalated",
    "update": "goes on",
    "revise": "was revised",
    "close": "closed",
}
_LABEL: Final = "bold"
_FAINT: Final = "dim"


def show_alert(
    place: Path,
    prefix: str,
    console: Console,
    names: Names,
    marks_of: "Callable[[Alert], EvidenceMarks] | None" = None,
) -> None:
    """Print the one alert in `place` whose id begins with `prefix`, with all its evidence, marked by what `marks_of` says.

    `place` is the folder of a run, its alerts.jsonl or its SQLite store. Raises ConfigurationError, naming the nearest
    ids, where no alert or more than one begins so.
    """
    alerts = read_alerts(place)
    alert = find_alert(alerts, prefix, place)
    history = [other for other in alerts if other.incident == alert.incident]
    successor = next((other for other in alerts if other.incident == alert.continued_by), None)
    console.print(alert_details(alert, names, history, marks_of(alert) if marks_of else None, successor))


def list_alerts(
    place: Path,
    console: Console,
    names: Names,
    least: str = TIERS[0],
    kind: str = "",
    series: str = "",
    *,
    events: bool = False,
) -> None:
    """Print the incidents in `place` (as for `show_alert`) of tier `least` and above, and of `kind` and `series` where
    they are given, oldest first: each by the alert that told it last, or with `events` every alert.

    An incident that another one tells from there on is left out. Raises ConfigurationError for a tier or kind that is none.
    """
    for what, name, known in (("tier", least, TIERS), ("kind", kind or KINDS[0], KINDS)):
        if name not in known:
            raise ConfigurationError(f"there is no {what} {name!r}: choose one of {', '.join(known)}")
    rang = read_alerts(place)
    alerts = [
        alert
        for alert in rang
        if TIERS.index(alert.tier) >= TIERS.index(cast(Tier, least))
        and kind in ("", alert.kind)
        and series in ("", alert.series)
    ]
    if not alerts:
        none = f"None of the {len(rang):,} alerts in {place} is of these." if rang else f"No alert rang in {place}."
        console.print(none, markup=False)
        return
    shown = alerts if events else latest_of_each(alerts)
    console.print(alert_lines(shown, names, () if events else {a.incident for a in alerts if a.event == "close"}))
    count = counted(len(alerts), "alert")
    told = f"{count}." if events else f"{counted(len(shown), 'incident')}; {count} of them: --events."
    console.print(f"{told} One in full: tocsin alerts show ID --in {place}", style=_FAINT, markup=False)


def latest_of_each(alerts: Iterable[Alert]) -> list[Alert]:
    """Of each incident in `alerts` (in order) the latest that is no close, by time; none of those that another goes on with."""
    latest: dict[str, Alert] = {}
    for alert in alerts:
        if alert.continued_by:
            latest.pop(alert.incident, None)
        elif alert.event != "close":
            latest[alert.incident] = alert
        else:
            latest.setdefault(alert.incident, alert)
    return sorted(latest.values(), key=lambda alert: alert.at)


def read_alerts(place: Path) -> list[Alert]:
    """All alerts in `place`, in the order in which they rang. Raises ConfigurationError where there is none to read."""
    path = place
    if place.is_dir():
        path = next((place / name for name in (ALERTS, STORE) if (place / name).is_file()), place)
    if path.is_dir() or not path.exists():
        raise ConfigurationError(f"no alerts at {place}: name the folder that `tocsin demo` or `tocsin replay` wrote")
    if path.suffix != ".jsonl":
        store = SqliteStore(path, read_only=True)
        try:
            return list(reversed(store.alerts(AlertQuery(limit=1_000_000))))
        finally:
            store.close()
    try:
        return [decode(Alert, line) for line in path.read_bytes().splitlines()]
    except PoisonError as error:
        raise ConfigurationError(f"{path} holds something that is no alert: {error}") from None


def find_alert(alerts: Sequence[Alert], prefix: str, place: Path) -> Alert:
    """The alert whose id, with or without its leading ``alert-``, begins with `prefix`."""
    found = [alert for alert in alerts if alert.id.startswith((prefix, f"alert-{prefix}"))]
    exact = [alert for alert in found if alert.id in (prefix, f"alert-{prefix}")]
    if len(exact or found) == 1:
        return (exact or found)[0]
    if found:
        listed = _lines(islice(found, 5))
        raise ConfigurationError(
            f"{len(found)} alerts in {place} begin with {visible(prefix)!r}, for example:\n{listed}"
        )
    nearest = get_close_matches(prefix, [alert.id for alert in alerts], n=3, cutoff=0.3)
    listed = _lines(alert for alert in alerts if alert.id in nearest)
    hint = f"; the nearest ids:\n{listed}" if listed else "; it holds no alert" if not alerts else ""
    raise ConfigurationError(f"no alert in {place} begins with {visible(prefix)!r}{hint}")


def alert_details(
    alert: Alert,
    names: Names,
    history: Sequence[Alert] = (),
    marks: "EvidenceMarks | None" = None,
    successor: Alert | None = None,
) -> RenderableType:
    """Everything that `alert` says, readably. `history` are the events of its incident, in order; `marks` stand in place of
    the texts of evidence; `successor` is of the incident that goes on with it."""
    facts = Table.grid(padding=(0, 2))
    facts.add_column(style=_LABEL, no_wrap=True)
    facts.add_column(ratio=1)
    for label, value in _facts(alert):
        facts.add_row(label, value)
    if alert.continued_by:
        facts.add_row("Goes on as", _continued(alert, successor, names))
    parts: list[RenderableType] = [_headline(alert, names), Padding(facts, (1, 1))]
    if alert.evidence:
        parts += [Text(f" Evidence: {_plural(len(alert.evidence), 'document')}", style=_LABEL), Text("")]
        parts += [
            Padding(_evidence(document, marks.texts.get(document.identity) if marks else None), (0, 1, 1, 1))
            for document in alert.evidence
        ]
        parts += [Padding(Text(note, style=_FAINT), (0, 1, 1, 1)) for note in (marks.notes if marks else ())]
    if len(history) > 1:
        parts += [Text(" The incident so far", style=_LABEL), Padding(_history(alert, history), (0, 1, 1, 1))]
    parts.append(Padding(_small_print(alert), (0, 1)))
    return Group(*parts)


def alert_lines(alerts: Iterable[Alert], names: Names, over: Collection[str] = ()) -> RenderableType:
    """`alerts`, one block each: what, when and its id on the first line, then the reason. The incidents in `over` are."""
    blocks: list[RenderableType] = []
    for alert in alerts:
        line = Table.grid(expand=True, padding=(0, 1))
        line.add_column(ratio=1, no_wrap=True)
        line.add_column(justify="right", no_wrap=True)
        style = TIER_STYLES[alert.tier]
        what = Text.assemble(
            f"{alert.at:%d %b %H:%M}  ",
            (f"{alert.tier.upper():<6}  ", f"bold {style}"),
            subject(alert, names),
            f"  {EVENTS[alert.event]}{', closed since' if alert.incident in over and alert.event != 'close' else ''}",
            (f"  by chance {how_often(alert.chance_per_year)}", _FAINT),
            overflow="ellipsis",
        )
        line.add_row(what, Text(short_id(alert), style=_FAINT))
        blocks += [line, Padding(Text(brief_reason(alert)), (0, 9, 1, 14))]
    return Group(*blocks)


def subject(alert: Alert, names: Names) -> Text:
    """The series, and beside it what people call its company."""
    company = names.company(alert.series)
    return Text.assemble((visible(alert.series), _LABEL), f"  {visible(company)}" if company else "")


def short_id(alert: Alert) -> str:
    """Enough of the id to find the alert by."""
    return visible(alert.id.removeprefix("alert-"))[:8]


def event_reason(alert: Alert) -> str:
    """What happened and why, on one line; the reason of a revision says itself that it is one."""
    brief = brief_reason(alert)
    return brief if alert.event == "revise" else f"{EVENTS[alert.event]}: {brief}"


def brief_reason(alert: Alert) -> str:
    """The first sentence of the reason."""
    return visible(alert.reason).partition(". ")[0].removesuffix(".") + "."


def band(measure: Measure, width: int) -> Text:
    """`measure` as a bar of `width` cells from 0: the expected interval shaded, what was observed as a dot."""
    top = max(measure.observed, measure.expected_high, 1.0)

    def cell(value: float) -> int:
        return min(width - 1, max(0, ceil(value / top * width) - 1))

    cells = ["·"] * width
    cells[cell(measure.expected_low) : cell(measure.expected_high) + 1] = "▒" * (
        cell(measure.expected_high) - cell(measure.expected_low) + 1
    )
    cells[cell(measure.expected)] = "┃"
    cells[cell(measure.observed)] = "●"
    styles = {"·": _FAINT, "▒": "cyan", "┃": "bold cyan", "●": "bold red"}
    return Text.assemble(*((mark, styles[mark]) for mark in cells))


def _headline(alert: Alert, names: Names) -> Panel:
    style = TIER_STYLES[alert.tier]
    when = Text(f"{_instant(alert.at)}", style=_FAINT)
    line = Table.grid(expand=True)
    line.add_column(ratio=1)
    line.add_column(justify="right", no_wrap=True)
    line.add_row(subject(alert, names), when)
    title = Text(f" {alert.tier.upper()} · {alert.kind} incident {EVENTS[alert.event]} ", style=f"bold {style}")
    return Panel(Group(line, Text(visible(alert.reason))), title=title, title_align="left", border_style=style)


def _facts(alert: Alert) -> Iterable[tuple[str, RenderableType]]:
    words = f"by chance, this series rings so loudly {how_often(alert.chance_per_year)}"
    yield "How surprising", Text(f"{words} (rung: {alert.rung:g} a year)")
    opened = "" if alert.opened_at == alert.at else f"; the incident opened {_instant(alert.opened_at)}"
    start = alert.window_end - timedelta(hours=alert.window_hours)
    window = f"{_hours(alert.window_hours)}: {start:%d %b %H:%M} to {alert.window_end:%d %b %H:%M} UTC"
    yield "Window", Text(f"{window}{opened}")
    if alert.kind == "no-data" and alert.count:
        yield "New stories", Text(f"none, {alert.count.expected:.3g} expected")
    elif alert.count:
        text = f"{alert.count.observed:.3g} seen, {alert.count.expected:.3g} expected{_interval(alert.count)}"
        yield f"New {alert.polarity} stories", _measured(alert.count, text)
    if alert.share:
        seen = (
            f"{alert.share.observed:.3g} of {alert.share.total} seen{_percent(alert.share.observed, alert.share.total)}"
        )
        text = f"{seen}, {alert.share.expected:.3g} expected at that volume{_interval(alert.share)}"
        yield f"Share of {alert.polarity}", _measured(alert.share, text)
    if alert.silent_below:
        yield "Silent with", Text(f"less than {alert.silent_below:g} new {alert.polarity} stories in the window")
    if alert.coordinated:
        yield "Coordinated", Text("yes: one text pushed by many accounts at once is part of it", style="magenta")
    if alert.terms:
        terms = Text()
        for term in alert.terms:
            terms.append(visible(term.term), style="bold").append(f" ×{term.count}   ", style=_FAINT)
        yield "Leading terms", terms


def _continued(alert: Alert, successor: Alert | None, names: Names) -> Text:
    """Which incident tells the same from here on, and why there is another."""
    if successor is None:
        return Text(f"incident {visible(alert.continued_by or '')}, which is not among these alerts")
    why = (
        "the share is unusual too now, and an incident of sentiment tells that"
        if successor.series == alert.series
        else "the whole company rings now, and one incident tells of it and its topics"
    )
    told = (subject(successor, names), f" (alert {short_id(successor)}): {why}")
    return Text.assemble(*told)


def _measured(measure: Measure, text: str) -> RenderableType:
    return Group(band(measure, 36), Text(f"{text}; chance {measure.chance:.1e}"))


def _evidence(document: EvidenceDocument, marked: Text | None) -> RenderableType:
    facts = [f"{document.published_at:%d %b %H:%M}", visible(document.source)]
    if document.author:
        facts.append(visible(document.author))
    if document.reach is not None:
        facts.append(f"reach {_short(document.reach)}")
    if document.spread > 1:
        facts.append(f"{document.spread} times by {_plural(document.authors, 'author')}")
    facts += [f"{document.p_negative:.0%} negative", document.topic]
    head = Text(" · ".join(facts), style=_FAINT)
    if document.coordinated:
        head.append(" · coordinated", style="magenta")
    lines: list[RenderableType] = [head]
    if marked:
        lines.append(marked)
    else:
        title, _, body = document.excerpt.partition("\n")
        lines.append(Text(visible(title), style=_LABEL if body else ""))
        if body:
            lines.append(Text(visible(body)))
    if document.url:
        lines.append(Text(visible(document.url), style="blue", overflow="fold"))
    return Group(*lines)


def _history(alert: Alert, history: Sequence[Alert]) -> Table:
    table = Table.grid(padding=(0, 2))
    for event in history:
        mark = "▸" if event.id == alert.id else " "
        tier = Text(event.tier, style=TIER_STYLES[event.tier])
        table.add_row(f"{mark} {_instant(event.at)}", EVENTS[event.event], tier, Text(short_id(event), style=_FAINT))
    return table


def _small_print(alert: Alert) -> Text:
    lines = [f"id {alert.id} · incident {alert.incident} · event {alert.sequence}"]
    lines += [
        f"model {v.model} {v.model_version} ({v.model_hash}) · dictionary {v.dictionary_hash} · settings {v.settings_hash}"
        for v in alert.versions
    ]
    return Text("\n".join(map(visible, lines)), style=_FAINT)


def _lines(alerts: Iterable[Alert]) -> str:
    return "\n".join(f"  {alert.id}  {_instant(alert.at)}  {brief_reason(alert)}" for alert in alerts)


def _instant(at: datetime) -> str:
    return f"{at:%a %d %b %Y %H:%M} UTC"


def _hours(hours: float) -> str:
    return f"{hours:.3g} h" if hours < 48 else f"{hours / 24:g} days"


def _interval(measure: Measure) -> str:
    return f" (95 %: {measure.expected_low:.3g} to {measure.expected_high:.3g})"


def _percent(part: float, total: float) -> str:
    return f" ({part / total:.0%})" if total else ""


def _plural(count: int, singular: str, plural: str = "") -> str:
    return f"{count} {singular if count == 1 else plural or singular + 's'}"


def _short(number: int) -> str:
    if number >= 1_000_000:
        return f"{number / 1_000_000:.1f}M"
    return f"{number / 1000:.0f}k" if number >= 10_000 else str(number)
