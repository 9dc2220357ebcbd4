"""The live view of a run in a terminal, and the plain lines for where there is none."""

from collections.abc import Sequence
from datetime import datetime
from types import TracebackType
from typing import Final, Self

from rich.console import Console, ConsoleDimensions, Group, RenderableType
from rich.layout import Layout
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from processors.messages import Alert
from streams.alert_view import EVENTS, TIER_STYLES, brief_reason, event_reason
from streams.demo.board import Board, Row
from streams.terminal import visible

_FRAME_SECONDS: Final = 0.2
_LINE_SECONDS: Final = 5.0
_WIDE: Final = 130
_FAINT: Final = "dim"


class LiveView(Board):
    """Shows the board full-screen while the run goes on; a context manager."""

    def __init__(self, console: Console, title: str, footer: str) -> None:
        super().__init__()
        self._console, self._title, self._footer = console, title, footer
        self._live = Live(console=console, screen=True, auto_refresh=False, transient=True)
        self._drawn = float("-inf")

    def __enter__(self) -> Self:
        self._live.__enter__()
        self._draw()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.__exit__(kind, error, trace)

    def alerts(self, batch: Sequence[Alert]) -> None:
        """Show soon."""
        super().alerts(batch)
        self._draw_when_due()

    def clock(self, now: datetime) -> None:
        """Show now and then."""
        super().clock(now)
        self._draw_when_due()

    def _draw_when_due(self) -> None:
        if self.seconds() - self._drawn >= _FRAME_SECONDS:
            self._draw()

    def _draw(self) -> None:
        self._drawn = self.seconds()
        self._live.update(frame(self, self._console.size, self._title, self._footer), refresh=True)


class PlainView(Board):
    """Prints a line every few seconds and one for each event of an incident; a context manager."""

    def __init__(self, console: Console, title: str) -> None:
        super().__init__()
        self._console, self._title = console, title
        self._printed = self.started

    def __enter__(self) -> Self:
        self._line(self._title)
        return self

    def __exit__(self, *exception: object) -> None:
        self._report()

    def alerts(self, batch: Sequence[Alert]) -> None:
        """A line each; what only goes on is not told again."""
        super().alerts(batch)
        for alert in batch:
            if alert.event != "update":
                when = f"{alert.at:%d %b %H:%M}"
                self._line(f"{when}  {alert.tier:<6} {event_reason(alert)}")

    def clock(self, now: datetime) -> None:
        """A line now and then."""
        super().clock(now)
        if self.seconds() - self._printed >= _LINE_SECONDS:
            self._report()

    def _report(self) -> None:
        self._printed = self.seconds()
        of = f" of {self.total:,}" if self.total else ""
        when = f"event time {self.now:%a %d %b %H:%M}" if self.now else "no event time yet"
        counts = f"{len(self.incidents)} incidents, {self.refused.total()} refused"
        self._line(f"{_clock_face(self.elapsed)}  {self.done:,}{of} records, {self.rate:.0f}/s, {when}, {counts}")

    def _line(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)


def frame(board: Board, size: ConsoleDimensions, title: str, footer: str) -> RenderableType:
    """One picture of `board` that fills a terminal of `size` exactly."""
    layout = Layout()
    body = Layout(name="body")
    layout.split_column(Layout(_header(board, title), size=2), body, Layout(_foot(board, footer), size=2))
    height = size.height - 4
    if size.width >= _WIDE:
        upper = (height + 1) // 2
        right = Layout()
        right.split_column(
            Layout(_rows_panel("Companies", board.rows("company"), upper - 2), size=upper),
            Layout(_rows_panel("Topics", board.rows("topic"), height - upper - 2)),
        )
        body.split_row(Layout(_incidents_panel(board, height - 2), ratio=3), Layout(right, ratio=2))
    else:
        upper = max(5, height // 2)
        lower = Layout()
        rows = height - upper - 2
        lower.split_row(
            Layout(_rows_panel("Companies", board.rows("company"), rows)),
            Layout(_rows_panel("Topics", board.rows("topic"), rows)),
        )
        body.split_column(Layout(_incidents_panel(board, upper - 2), size=upper), lower)
    return layout


def _header(board: Board, title: str) -> RenderableType:
    first = Table.grid(expand=True)
    first.add_column(ratio=1, no_wrap=True)
    first.add_column(justify="right", no_wrap=True)
    when = f"{board.now:%a %d %b %Y %H:%M} UTC" if board.now else ""
    first.add_row(
        Text.assemble((" tocsin ", "bold reverse"), " ", visible(title), overflow="ellipsis"), Text(when, style="bold")
    )
    of = f" of {board.total:,}" if board.total else ""
    facts = f" {board.done:,}{of}  {board.rate:,.0f} records/s  {_clock_face(board.elapsed)}"
    second = Table.grid(expand=True)
    second.add_column(ratio=1)
    second.add_column(no_wrap=True)
    bar = ProgressBar(total=board.total or 1, completed=board.done if board.total else 0)
    second.add_row(bar, Text(facts))
    return Group(first, second)


def _incidents_panel(board: Board, rows: int) -> Panel:
    ranked = board.ranked_incidents()
    open_count = sum(alert.event != "close" for alert in ranked)
    title = f"Incidents: {open_count} open, {len(ranked) - open_count} closed"
    if not ranked:
        waiting = "No alarm yet. The bell first learns what is usual: most of what is read is ordinary."
        return Panel(Text(waiting, style=_FAINT), title=title, title_align="left", border_style=_FAINT)
    lines: list[Text] = []
    each = 3 if rows >= 3 * len(ranked) else 2
    for alert in ranked[: max(1, rows // each)]:
        lines += _incident_lines(alert)[:each]
    style = next((TIER_STYLES[alert.tier] for alert in ranked if alert.event != "close"), _FAINT)
    return Panel(Group(*lines[: max(1, rows)]), title=title, title_align="left", border_style=style)


def _incident_lines(alert: Alert) -> list[Text]:
    """What it is, why it rang, and the first piece of evidence."""
    closed = alert.event == "close"
    style = _FAINT if closed else TIER_STYLES[alert.tier]
    head = Text.assemble(
        ("○ " if closed else "● ", style),
        (f"{alert.tier.upper():<6} ", f"bold {style}"),
        (visible(alert.series), _FAINT if closed else "bold"),
        (f"  {EVENTS[alert.event]} {alert.at:%a %H:%M}", _FAINT),
    )
    lines = [head, Text(f"  {brief_reason(alert)}", style=_FAINT if closed else "")]
    if alert.evidence:
        first = alert.evidence[0]
        lines.append(Text(f"  {visible(first.source)}: {visible(first.excerpt)}", style=f"{_FAINT} italic"))
    else:
        lines.append(Text(""))
    for line in lines:
        line.overflow, line.no_wrap = "ellipsis", True
    return lines


def _rows_panel(title: str, rows: Sequence[Row], height: int) -> Panel:
    table = Table.grid(expand=True, padding=(0, 1))
    table.add_column(no_wrap=True, overflow="ellipsis", max_width=20)
    table.add_column(ratio=1, no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    shown = rows[: max(0, height)]
    most = max((row.total for row in shown), default=1)
    for row in shown:
        flame = "bold red" if row.surprise >= 3 else "yellow" if row.surprise >= 2 else _FAINT
        name = Text(visible(row.name), style=f"bold {TIER_STYLES[row.tier]}" if row.tier else "")
        table.add_row(name, _Bar(row, most), Text(f"{row.surprise:.1f}", style=flame))
    colours = (("neg", "red"), " ", ("neu", _FAINT), " ", ("pos", "green"))
    legend = Text.assemble(f"{title} 24 h ", *colours, " surprise")
    return Panel(table, title=legend, title_align="left", border_style=_FAINT, padding=0)


class _Bar:
    """A stacked bar of a row's sentiment, as wide as its cell allows, scaled so that `most` fills it."""

    def __init__(self, row: Row, most: int) -> None:
        self._row, self._most = row, most

    def __rich_console__(self, console: Console, options: object) -> "list[Text]":
        width = getattr(options, "max_width", 10)
        cells, total = [], 0
        for count, style in ((self._row.negative, "red"), (self._row.neutral, _FAINT), (self._row.positive, "green")):
            start, total = round(total / self._most * width), total + count
            cells.append(("━" * (round(total / self._most * width) - start), style))
        return [Text.assemble(*cells, no_wrap=True)]


def _foot(board: Board, footer: str) -> RenderableType:
    reasons = ", ".join(f"{reason} {count}" for reason, count in board.refused.most_common(6))
    first = Text(
        f" {board.refused.total()} refused{f' ({reasons})' if reasons else ''}, {board.repeated} repeated, "
        f"{board.late} late, {board.unlabelled} unlabelled",
        overflow="ellipsis",
        no_wrap=True,
    )
    return Group(first, Text(f" {visible(footer)}", style=_FAINT, overflow="ellipsis", no_wrap=True))


def _clock_face(seconds: float) -> str:
    return f"{int(seconds) // 60:02d}:{int(seconds) % 60:02d}"
