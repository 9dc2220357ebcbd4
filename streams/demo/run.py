"""`tocsin demo`: a run over the invented scenario, or over the user's own files, with a view of what goes on."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from processors.errors import ConfigurationError, PoisonError
from processors.messages import Origin, Tick
from streams.alert_view import alert_lines, short_id
from streams.codec import decode_document
from streams.deadletters import dead_letter
from streams.demo.live import LiveView, PlainView
from streams.demo.scenario import NOTICE, Scenario, make_scenario
from streams.observer import Watching
from streams.outputs import Summary
from streams.pipeline import Event, Labeller
from streams.replay import embedded_labeller, replay_documents, replay_events
from streams.settings import Settings
from streams.sqlite_store import STORE, SqliteStore
from streams.store import StoreWriter

TICK_INTERVAL: Final = timedelta(minutes=1)
_LISTED: Final = 8


def run_demo(
    *,
    files: Sequence[Path],
    out: Path,
    settings: Settings,
    once: bool = False,
    labeller: Labeller | None = None,
    console: Console | None = None,
) -> Summary:
    """Run the scenario, or `files` (input documents) where there are any, to the end; print a summary.

    Everything that came of it lies in the folder `out` then, an SQLite store of it included; an earlier run's is
    replaced. The view is live in a terminal, plain lines elsewhere or with `once`. `labeller` stands in for the
    embedded model. Raises ConfigurationError as `replay_documents` does.
    """
    console = console or Console()
    labeller = labeller or embedded_labeller(settings)
    title = "your files" if files else NOTICE
    live = console.is_terminal and not once
    view = LiveView(console, title, f"Results go to {out}") if live else PlainView(console, title)
    store = _fresh_store(out)
    try:
        with view:
            watching = Watching(StoreWriter(store), view)
            if files:
                summary = replay_documents(files, out, settings, labeller, now=datetime.now(UTC), observer=watching)
            else:
                scenario = make_scenario()
                events, total = scenario_events(scenario), len(scenario.arrivals)
                summary = replay_events(events, total, out, settings, labeller, observer=watching)
    except KeyboardInterrupt:
        console.print(f"\nStopped before the end: {STORE} in {out} holds what was seen until here.", markup=False)
        raise
    finally:
        store.close()
    _print_summary(console, view, summary, out)
    return summary


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


def _print_summary(console: Console, view: LiveView | PlainView, summary: Summary, out: Path) -> None:
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
        console.print(alert_lines(ranked[:_LISTED]))
        if len(ranked) > _LISTED:
            console.print(f"and {len(ranked) - _LISTED} more: tocsin alerts list --in {out}", markup=False)
        console.print(f"One alarm with its evidence: tocsin alerts show {short_id(ranked[0])} --in {out}", markup=False)
