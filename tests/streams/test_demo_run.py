"""The demo's run, with a classifier of words in the model's place."""

import io
import json
from collections import Counter
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from rich.console import Console

from processors.errors import ConfigurationError, PoisonError
from processors.messages import DeadLetter, Document, Tick
from streams.demo.run import TICK_INTERVAL, run_demo, scenario_events
from streams.demo.scenario import make_scenario
from streams.pipeline import ModelLabeller
from streams.settings import load_settings
from streams.sqlite_store import STORE, SqliteStore
from streams.store import DocumentQuery
from streams.testkit import WordClassifier


def run_over(out: Path, *lines: str) -> str:
    """What the demo prints for a file of these lines, next to `out`."""
    file = out.with_suffix(".jsonl")
    file.write_text("\n".join(lines) + "\n")
    console = Console(file=io.StringIO(), width=100)
    settings = load_settings(None, {}, {})
    run_demo(files=[file], out=out, settings=settings, labeller=ModelLabeller(WordClassifier()), console=console)
    return str(console.file.getvalue())  # type: ignore[attr-defined]


def line(id: str, title: str) -> str:
    fields = {"id": id, "source": "mine", "kind": "news", "published_at": "2024-05-06T12:00:00Z", "title": title}
    return json.dumps(fields)


def test_own_files_are_run_to_a_summary_that_says_where_the_results_lie(tmp_path: Path) -> None:
    out = tmp_path / "out"
    output = run_over(out, line("1", "Boeing falls on fraud"), line("1", "again"), line("2", "波音公司暂停交付"), "{")
    assert "none of it ever happened" not in output
    for said in ("2 in", "1 negative", "1 (no model reads their language)", "1: invalid-json 1", str(out)):
        assert said in output
    assert "".join(output.split()).endswith(f"tocsinrunweb--from{out}"), "the last line says how to look at it"
    store = SqliteStore(out / STORE, read_only=True)
    assert [document.id for document in store.search(DocumentQuery(companies=("BA",), sentiment="negative"))] == ["1"]
    store.close()
    assert json.loads((out / "summary.json").read_text())["duplicates"] == 1


def test_own_files_without_a_document_are_an_error_that_says_why(tmp_path: Path) -> None:
    with pytest.raises(PoisonError, match=r"no line is a document: out.jsonl:1: invalid-json"):
        run_over(tmp_path / "out", "title,text", "A,shares fall")
    assert json.loads((tmp_path / "out" / "summary.json").read_text())["refused"] == 2


def test_a_second_run_replaces_the_first(tmp_path: Path) -> None:
    out = tmp_path / "out"
    run_over(out, line("1", "Boeing falls"))
    run_over(out, line("2", "Boeing rises"))
    store = SqliteStore(out / STORE, read_only=True)
    assert [document.id for document in store.search(DocumentQuery())] == ["2"]
    store.close()


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(ConfigurationError, match=r"cannot write to .*taken.*--out"):
        run_over(tmp_path / "taken", line("1", "Boeing falls"))


def test_time_passes_by_the_minute_and_every_arrival_comes_between_its_ticks() -> None:
    scenario = make_scenario()
    events = list(scenario_events(scenario))
    ticks = [event.at for event in events if isinstance(event, Tick)]
    assert all(after - before == TICK_INTERVAL for before, after in pairwise(ticks))
    arrivals = iter(scenario.arrivals)
    now = None
    for event in events:
        if isinstance(event, Tick):
            now = event.at
        else:
            assert now is not None and now <= next(arrivals).at < now + TICK_INTERVAL
    assert next(arrivals, None) is None


def test_broken_records_become_dead_letters_that_name_their_place() -> None:
    scenario = make_scenario()
    events = [event for event in scenario_events(scenario) if not isinstance(event, Tick)]
    letters = [(number, event) for number, event in enumerate(events) if isinstance(event, DeadLetter)]
    assert Counter(letter.reason for _, letter in letters) == Counter(scenario.truth.refused)
    assert all(letter.origin.offset == number for number, letter in letters)


def test_the_clock_runs_ahead_of_late_documents_only() -> None:
    """A document is late by the clock exactly where the scenario says so."""
    scenario = make_scenario()
    late: dict[str, bool] = {}
    now = None
    for event in scenario_events(scenario):
        if isinstance(event, Tick):
            now = event.at
        elif isinstance(event, Document) and now:
            late.setdefault(event.identity, event.published_at < now - timedelta(hours=24))
    assert {identity for identity, is_late in late.items() if is_late} == scenario.truth.late
