"""How topics are shown: a table to read, and plain values for programs."""

from collections.abc import Iterable
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.filesize import decimal
from rich.table import Table
from rich.text import Text

from streams.terminal import visible_lines
from streams.topics import TopicSpec
from streams.topics_admin import TopicState, faults_of

_DAY_MS = 24 * 60 * 60 * 1000


def topics_table(listed: Iterable[tuple[TopicSpec, TopicState | None]]) -> Table:
    """One row a topic; what is wrong with it stands in the last column."""
    table = Table(box=SIMPLE_HEAD)
    table.add_column("topic", no_wrap=True, style="bold")
    table.add_column("partitions", justify="right")
    table.add_column("kept", no_wrap=True)
    table.add_column("on disk", justify="right", no_wrap=True)
    table.add_column("state")
    for spec, state in listed:
        if state is None:
            table.add_row(spec.name, "", "", "", Text("missing: tocsin topics create", style="red"))
            continue
        faults = faults_of(spec, state)
        condition = Text(visible_lines("\n".join(faults)), style="red") if faults else Text("ok", style="green")
        size = "" if state.size is None else decimal(state.size)
        table.add_row(spec.name, str(state.partitions), _kept(state), size, condition)
    return table


def as_record(spec: TopicSpec, state: TopicState | None) -> dict[str, Any]:
    """The same for programs; `size` is in bytes, None where it is not known."""
    return {
        "topic": spec.name,
        "exists": state is not None,
        "partitions": state.partitions if state else None,
        "configuration": dict(state.configuration) if state else {},
        "size": state.size if state else None,
        "faults": faults_of(spec, state) if state else ["missing"],
    }


def _kept(state: TopicState) -> str:
    if state.configuration.get("cleanup.policy") == "compact":
        return "latest of each key"
    days = int(state.configuration.get("retention.ms", "-1")) / _DAY_MS
    return "for ever" if days < 0 else f"{days:g} days"
