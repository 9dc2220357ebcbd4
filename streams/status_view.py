"""How the status is shown: one page to look at."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from math import isnan
from typing import Final

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from streams.lag import PartitionLag
from streams.status import ServiceState, Status, Unknown
from streams.terminal import visible

_SOURCES: Final = 12
"""Sources shown: those heard last."""

_FAINT: Final = "dim"
_HEAD: Final = "bold"

_OUTCOMES: Final = {
    "enrich": "tocsin_documents_total",
    "detect": "tocsin_detect_records_total",
    "index": "tocsin_indexed_total",
    "collect": "tocsin_source_documents_total",
    "deliver": "tocsin_deliveries_total",
}


def status_page(status: Status) -> RenderableType:
    """Everything, the most urgent first."""
    title = Text.assemble(
        ("Tocsin", _HEAD), f"  prefix {visible(status.prefix)} on {visible(status.servers)}  ",
        (f"{status.at:%d %b %Y %H:%M:%S} UTC", _FAINT),
    )  # fmt: skip
    parts: list[RenderableType] = [Text(""), title]
    if isinstance(status.topics, Unknown):
        parts += [Text(""), _unknown("Kafka and its topics", status.topics)]
    parts.append(_services(status))
    if not isinstance(status.lags, Unknown):
        parts.append(_lags(status.lags))
    elif not isinstance(status.topics, Unknown):
        parts += [_unknown("what waits", status.lags), Text("")]
    parts += [*_learning(status), *_letters(status), *_collected(status), *_sources(status), *_bell(status), Text("")]
    return Group(*parts)


def _services(status: Status) -> RenderableType:
    table = _table("service", "state", "waits", "done since it began")
    table.columns[2].justify = "right"
    behind: defaultdict[str, int] = defaultdict(int)
    for lag in [] if isinstance(status.lags, Unknown) else status.lags:
        behind[lag.service] += lag.lag
    for name, state in status.services.items():
        waits = f"{behind[name]:,}" if name in behind else ""
        if isinstance(state, Unknown):
            table.add_row(Text(visible(name), _HEAD), Text(f"away: {visible(state.why)}", "red"), waits, "")
            continue
        outcomes = _OUTCOMES.get(name.partition(" ")[0])
        done = _counts(state.values(outcomes or "tocsin_ticks_total", "outcome" if outcomes else ""))
        table.add_row(Text(visible(name), _HEAD), _state(state), waits, Text(done or _ticks(state)))
    return table


def _state(state: ServiceState) -> Text:
    open_for = [
        labels["dependency"]
        for labels, value in (
            (dict(labels), value) for labels, value in state.metrics.get("tocsin_breaker", {}).items()
        )
        if value and labels.get("tocsin_breaker") != "closed"
    ]
    if open_for:
        return Text(f"does not reach {visible(', '.join(open_for))}", "red")
    if state.ready:
        return Text("ready", "green")
    return Text(f"not ready: waits for {visible(state.waiting_for or 'progress')}", "yellow")


def _ticks(state: ServiceState) -> str:
    ticks = state.values("tocsin_ticks_total", "").get("")
    return f"{ticks:,.0f} ticks" if ticks is not None else ""


def _counts(values: Mapping[str, float]) -> str:
    named = {"tick": "ticks"}  # the one outcome that is a noun
    return ", ".join(
        f"{count:,.0f} {visible(named.get(outcome, outcome))}" for outcome, count in values.items() if count and outcome
    )


def _lags(lags: Iterable[PartitionLag]) -> RenderableType:
    table = _table("waiting", "topic", "records", "by partition")
    table.columns[2].justify = "right"
    groups: defaultdict[tuple[str, str], list[PartitionLag]] = defaultdict(list)
    for lag in lags:
        groups[lag.service, lag.topic].append(lag)
    for (service, topic), places in groups.items():
        total = sum(lag.lag for lag in places)
        cells = "  ".join(f"{lag.partition}: {lag.lag:,}" for lag in places) if total else ""
        style = "yellow" if total else _FAINT
        if all(lag.committed is None for lag in places) and any(lag.end for lag in places):
            cells += "  (nothing acknowledged yet)"
        table.add_row(service, Text(visible(topic)), Text(f"{total:,}", style), Text(cells.strip(), _FAINT))
    return table


def _learning(status: Status) -> list[RenderableType]:
    """That nothing rings yet for want of history, and before when."""
    warm: dict[str, float] = {}
    for name, state in status.services.items():
        if name.partition(" ")[0] == "detect" and not isinstance(state, Unknown):
            warm |= state.values("tocsin_warm_from_timestamp_seconds", "partition")
    learning = [at for at in warm.values() if at]
    if not learning:
        return []
    where = "" if len(learning) == len(warm) else f" in {len(learning)} of {len(warm)} partitions"
    day = f"{datetime.fromtimestamp(min(learning), UTC):%d %b %Y}"
    return [Text(f" Learning: nothing rings before {day}{where} (detection.warm_up_days).", "yellow"), Text("")]


def _letters(status: Status) -> list[RenderableType]:
    letters = status.letters
    if isinstance(letters, Unknown):
        return [] if isinstance(status.topics, Unknown) else [_unknown("the dead letters", letters)]
    if not letters.kept:
        return [Text(" No dead letters.", "green"), Text("")]
    table = _table("dead letters", "reason", "records")
    table.columns[2].justify = "right"
    for (stage, reason), count in letters.by_reason.items():
        table.add_row(Text(visible(stage)), Text(visible(reason)), f"{count:,}")
    if letters.looked_at < letters.kept:
        table.add_row("", Text(f"of the latest {letters.looked_at:,}", _FAINT), Text(f"{letters.kept:,} kept", _FAINT))
    return [table]


def _collected(status: Status) -> list[RenderableType]:
    """The sources that collect looks at: when each last gave something, and what looks met."""
    state = status.services.get("collect")
    if state is None or isinstance(state, Unknown):
        return []
    table = _table("collected", "last new", "looks")
    since = state.values("tocsin_source_seconds_since_document", "source")
    looks: defaultdict[str, dict[str, float]] = defaultdict(dict)
    for labels, count in state.metrics.get("tocsin_source_looks_total", {}).items():
        named = dict(labels)
        looks[named.get("source", "")][named.get("outcome", "")] = count
    for source, seconds in sorted(since.items(), key=lambda item: item[1])[:_SOURCES]:
        table.add_row(visible(source), _ago(seconds), _counts(looks[source]))
    if len(since) > _SOURCES:
        table.add_row(Text(f"and {len(since) - _SOURCES} more", _FAINT), "", "")
    return [table] if since else []


def _sources(status: Status) -> list[RenderableType]:
    state = status.services["enrich"]
    heard = {} if isinstance(state, Unknown) else state.values("tocsin_seconds_since_document", "source")
    if not heard:
        return []
    table = _table("source", "last heard")
    for source, seconds in sorted(heard.items(), key=lambda item: item[1])[:_SOURCES]:
        table.add_row(Text(visible(source)), _ago(seconds))
    if len(heard) > _SOURCES:
        table.add_row(Text(f"and {len(heard) - _SOURCES} more", _FAINT), "")
    return [table]


def _bell(status: Status) -> list[RenderableType]:
    """The model, what waits for the clock, and whether the canary came back."""
    facts = Table.grid(padding=(0, 2))
    enrich, detect, clock = (status.services[name] for name in ("enrich", "detect", "clock"))
    if not isinstance(enrich, Unknown):
        for model in enrich.labels("tocsin_model_info"):
            words = f"{model.get('name', '')} {model.get('version', '')} ({model.get('hash', '')[:12]})"
            facts.add_row(Text(" model", _HEAD), Text(visible(words)))
    if not isinstance(detect, Unknown):
        held = sum(detect.values("tocsin_held_records", "partition").values())
        early = detect.values("tocsin_detect_records_total", "outcome").get("early", 0)
        words = f"{held:,.0f} records wait until the clock gets there"
        if early:
            words += f"; {early:,.0f} were judged before their time, since too many waited"
        if held or early:
            facts.add_row(Text(" held", _HEAD), Text(words, "yellow" if early else ""))
    if not isinstance(clock, Unknown):
        seconds = clock.values("tocsin_canary_seconds", "").get("")
        trip = clock.values("tocsin_canary_round_trip_seconds", "").get("")
        if seconds is not None and trip is not None:
            back = not isnan(trip)  # as it is before the first
            words = f"came back {_ago(seconds)}, {trip:.1f} s under way" if back else "has not come back yet"
            facts.add_row(Text(" canary", _HEAD), Text(words, "green" if clock.ready and back else "yellow"))
    return [facts] if facts.row_count else []


def _unknown(what: str, unknown: Unknown) -> Text:
    """What cannot be shown, and why: a line each."""
    lines = "\n".join(f" {visible(line)}" for line in unknown.why.splitlines())
    return Text.assemble((f" {what}: not as needed, or out of reach\n", "bold red"), (lines, "red"))


def _ago(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s ago"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min ago"
    return f"{seconds / 3600:.1f} h ago"


def _table(*columns: str) -> Table:
    table = Table(*columns, box=SIMPLE_HEAD, pad_edge=True)
    for column in table.columns[:2]:
        column.overflow = "fold"
    return table
