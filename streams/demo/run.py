"""`tocsin demo`: a run over the invented scenario, or over the user's own files, with a view of what goes on."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from processors.errors import ConfigurationError, PoisonError
from processors.messages import Origin, Tick
from streams import terminal
from streams.alert_view import alert_lines, short_id
from streams.codec import decode_document
from streams.deadletters import dead_letter
from streams.demo.live import LiveView, PlainView
from streams.demo.page import RunProgress, served, stay
from streams.demo.scenario import NOTICE, Scenario, make_scenario
from streams.names import Names
from streams.observer import Observer, Watching
from streams.outputs import Summary
from streams.pipeline import Event, Labeller
from streams.replay import embedded_labeller, replay_documents, replay_events
from streams.settings import Settings, load_master
from streams.sqlite_store import STORE, SqliteStore
from streams.store import StoreWriter

if TYPE_CHECKING:
    from streams.web.server import WebServer

TICK_INTERVAL: Final = timedelta(minutes=1)
_LISTED: Final = 8


def run_demo(
    *,
    files: Sequence[Path],
    out: Path,
    settings: Settings,
    once: bool = False,
    page: bool = False,
    labeller: Labeller | None = None,
    console: Console | None = None,
) -> Summary:
    """Run the scenario, or `files` (input documents) where there are any, to the end; print a summary.

    Everything that came of it lies in the folder `out` then, an SQLite store of it included; an earlier run's is
    replaced. The view is live in a terminal, plain lines elsewhere or with `once`. With `page` the console shows the run
    too, and in a terminal stays open after it until it is interrupted. `labeller` stands in for the embedded model.
    Raises ConfigurationError as `replay_documents` does, and for settings of the console that it cannot start with;
    PoisonError where no line of `files` is a document.
    """
    console = console or terminal.console()
    labeller = labeller or embedded_labeller(settings)
    store = _fresh_store(out)
    progress = RunProgress(invented=not files)
    with ExitStack() as stack:
        stack.callback(store.close)
        server = stack.enter_context(served(settings, out / STORE, progress)) if page else None
        if server is not None:
            _announce(console, server, settings)
        view = _view(console, "your files" if files else NOTICE, out, server, live=console.is_terminal and not once)
        progress.board = view
        summary = _run(files, out, settings, labeller, StoreWriter(store), view, console)
        progress.ended = True
        _print_summary(console, view, summary, out, settings, with_console=server is not None)
        summary.check_read()
        if server is not None and console.is_terminal:
            console.print(f"\nThe console stays open at {server.address} (Ctrl-C ends it).", markup=False)
            stay(server)
    return summary


def _run(
    files: Sequence[Path],
    out: Path,
    settings: Settings,
    labeller: Labeller,
    writer: Observer,
    view: LiveView | PlainView,
    console: Console,
) -> Summary:
    watching = Watching(writer, view)
    try:
        with view:
            if files:
                return replay_documents(files, out, settings, labeller, now=datetime.now(UTC), observer=watching)
            scenario = make_scenario()
            events, total = scenario_events(scenario), len(scenario.arrivals)
            return replay_events(events, total, out, settings, labeller, observer=watching)
    except KeyboardInterrupt:
        console.print(f"\nStopped before the end: {STORE} in {out} holds what was seen until here.", markup=False)
        raise


def _announce(console: Console, server: "WebServer", settings: Settings) -> None:
    if server.moved:
        console.print(f"Port {settings.web.port} is taken: the console is on the next free one.", markup=False)
    console.print(f"The console, live in your browser: {server.address}", markup=False, highlight=False)


def _view(console: Console, title: str, out: Path, server: "WebServer | None", *, live: bool) -> LiveView | PlainView:
    if not live:
        return PlainView(console, title)
    where = f"In your browser: {server.address}  ·  " if server else ""
    return LiveView(console, title, f"{where}Results go to {out}")


def scenario_events(scenario: Scenario) -> Iterator[Event]:
    """The arrivals of `scenario` as documents or dead letters, with a tick for every minute that passes."""
    reached: datetime | None = None
    for offset, arrival in enumerate(scenario.arrivals):
        reached = reached or arrival.at.replace(second=0, microsecond=0) - TICK_INTERVAL
        while reached + TICK_INTERVAL <= arrival.at:
            reached += TICK_INTERVAL
            yield Tick(reached)
        try:
            yield decode_document(arrival.raw, now=arrival.at)
        except PoisonError as error:
            yield dead_letter("enrich", error, Origin("scenario", 0, offset), arrival.raw)


def _fresh_store(out: Path) -> SqliteStore:
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name in (STORE, f"{STORE}-wal", f"{STORE}-shm"):
            (out / name).unlink(missing_ok=True)
    except OSError as error:
        raise ConfigurationError(f"cannot write to {out}: {error.strerror}; choose another folder with --out") from None
    return SqliteStore(out / STORE)


def _print_summary(
    console: Console, view: LiveView | PlainView, summary: Summary, out: Path, settings: Settings, *, with_console: bool
) -> None:
    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="bold", no_wrap=True)
    facts.add_column()
    labels = ", ".join(f"{count:,} {label}" for label, count in summary.sentiment.most_common())
    facts.add_row("Documents", f"{summary.documents_read:,} in {view.elapsed:.0f} s")
    facts.add_row("Sentiment", labels or "none")
    facts.add_row("Unlabelled", f"{summary.status['unlabelled']:,} (no model reads their language)")
    facts.add_row("Late", f"{summary.late:,} (stored, never counted)")
    facts.add_row("Repeated", f"{summary.duplicate:,} (an identity counts once)")
    reasons = ", ".join(f"{reason} {count}" for reason, count in summary.dead_letter_reasons.most_common())
    facts.add_row("Refused", f"{view.refused.total():,}{f': {reasons}' if reasons else ''}")
    incidents = ", ".join(f"{count} {kind}" for kind, count in summary.incidents.most_common())
    first = "" if view.first_alarm is None else f"; the first rang after {view.first_alarm:.0f} s"
    facts.add_row("Incidents", f"{len(view.incidents)}{f': {incidents}' if incidents else ''}{first}")
    facts.add_row("Results", Text(f"{out}: documents, mentions, series, alerts, dead letters, summary, {STORE}"))
    console.print()
    console.print(facts)
    if view.incidents:
        console.print()
        ranked = view.ranked_incidents()
        console.print(alert_lines(ranked[:_LISTED], Names(load_master(settings))))
        if len(ranked) > _LISTED:
            console.print(f"and {len(ranked) - _LISTED} more: tocsin alerts list --in {out}", markup=False)
        console.print(f"One alarm with its evidence: tocsin alerts show {short_id(ranked[0])} --in {out}", markup=False)
    if not with_console:
        console.print(f"All of it in your browser: tocsin run web --from {out}", markup=False)
