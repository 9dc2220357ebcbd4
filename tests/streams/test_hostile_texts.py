"""Wherever a text of a stranger is shown, it stays a text: in a terminal, on a page, in a spreadsheet, in a log."""

import ast
import csv
import io
import json
import logging
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unicodedata import category

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console, ConsoleDimensions, RenderableType
from sample_messages import NOON, alert, dead_letter, evidence, labelled_document, series_point

from processors.messages import CompanyLink, Term
from streams import cli, terminal
from streams.alert_view import alert_details, alert_lines
from streams.classify import classify_csv
from streams.csv_rows import harmless
from streams.demo.board import Board
from streams.demo.live import PlainView, frame
from streams.doctor.finding import Finding, findings_table
from streams.lag import PartitionLag
from streams.letters import KeptLetter
from streams.letters_view import letter_details, letters_table
from streams.names import Names
from streams.scorecard.page import _alarm
from streams.services.logs import JsonLines
from streams.status import Letters, ServiceState, Status, Unknown
from streams.status_view import status_page
from streams.testkit import WordClassifier
from streams.web.table import csv_of

ROOT = Path(__file__).resolve().parents[2]

TERMINAL = {
    "clears the screen": "a\x1b[2J\x1b[Hb",
    "sets the title": "a\x1b]0;owned\x07b",
    "a link of the terminal's": "a\x1b]8;;http://evil.example\x1b\\b\x1b]8;;\x1b\\",
    "C1 controls": "a\x9b31mb\x9d0;owned\x9c",
    "steps back": "a\x08\x08\x08b\x7f",
    "a line of its own": "a\r\nforged: all is well\x0bb\x85c\u2028d",
    "NUL": "a\x00b",
    "from right to left": "a\u202eb\u2066c\u2069d\u061ce\u200ff",
    "invisible": "a\u200b\ufeff\u00ad\u2060b",
    "markup": "a[red]b[/red][link=http://evil.example]c[/link]",
    "markup that is none": "a[/]b[/bold][",
    "a code for a picture": "a:bomb:b",
}
FORMULAS = [
    *(
        "=1+1",
        "+1+1",
        "-1+1",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        "\n=1",
        "  =1",
        "\u00a0=1",
        "\ufeff=1",
        "\u200b=1",
        "＝1+1",
        "＠x",
    ),
    *("=cmd|' /C calc'!A0", '=HYPERLINK("http://evil.example","x")', "+cmd", "-cmd", "--1", "-1-1", "+-1"),
]
HIDDEN = ["a;=1+1", 'a";"=1+1', "a\t@SUM(A1)", "a; +cmd|x", "a;-1+1"]

hostile = pytest.mark.parametrize("text", TERMINAL.values(), ids=TERMINAL)


def hostile_alert(text: str) -> Any:
    return alert(
        series=f"source:{text}",
        reason=text,
        incident=f"incident-{text}",
        terms=(Term(text, 2, 1.0),),
        evidence=(evidence(source=text, author=text, excerpt=f"{text}\n{text}", url=f"http://x/{text}"),),
    )


class HostileNames(Names):
    """A master that calls every company so."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name = name

    def company(self, series: str) -> str:
        return self._name


def hostile_letter(text: str) -> KeptLetter:
    letter = dead_letter(reason=text, message=text)
    letter = replace(letter, origin=replace(letter.origin, place=text))
    return KeptLetter(letter, NOON, replayed=text)


def hostile_status(text: str) -> Status:
    metrics: Mapping[str, Mapping[tuple[tuple[str, str], ...], float]] = {
        "tocsin_documents_total": {(("outcome", text),): 3.0},
        "tocsin_seconds_since_document": {(("source", text),): 3.0},
        "tocsin_model_info": {(("hash", text), ("name", text), ("version", text)): 1.0},
        "tocsin_breaker": {(("dependency", text), ("tocsin_breaker", "open")): 1.0},
    }
    services = {
        "enrich": ServiceState(False, text, {n: m for n, m in metrics.items() if n != "tocsin_breaker"}),
        "detect": ServiceState(False, text, metrics),
        "index": Unknown(text),
        "clock": Unknown(text),
    }
    lag = PartitionLag("enrich", text, 0, 1, 4, 3)
    letters = Letters(3, 2, {(text, text): 2})
    return Status(datetime(2024, 5, 6, tzinfo=UTC), text, text, "as they should be", [lag], letters, services)


def hostile_board(text: str) -> Board:
    board = Board()
    board.documents([labelled_document(title=text, companies=(CompanyLink(text, text, 0, "name"),))])
    board.points([series_point(series=f"company:{text}")])
    board.alerts([hostile_alert(text)])
    board.progress(1, 2)
    return board


VIEWS: dict[str, Callable[[str], RenderableType]] = {
    "alert in full": lambda text: alert_details(hostile_alert(text), HostileNames(text), [hostile_alert(text)] * 2),
    "alerts": lambda text: alert_lines([hostile_alert(text)], HostileNames(text)),
    "demo": lambda text: frame(hostile_board(text), ConsoleDimensions(400, 40), text, text),
    "dead letters": lambda text: letters_table([hostile_letter(text)]),
    "dead letter in full": lambda text: letter_details(hostile_letter(text), text),
    "status": lambda text: status_page(hostile_status(text)),
    "status without Kafka": lambda text: status_page(
        replace(hostile_status(text), topics=Unknown(text), lags=Unknown(text), letters=Unknown(text))
    ),
    "findings": lambda text: findings_table([Finding("fail", "Kafka", text, text)]),
}


def steering(shown: str) -> set[str]:
    """What of `shown`, colours aside, would steer a terminal or the direction of writing."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", shown)
    return {c for c in plain if c != "\n" and category(c) in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")}


@hostile
@pytest.mark.parametrize("view", VIEWS)
def test_a_view_shows_it_as_text(view: str, text: str) -> None:
    output = io.StringIO()
    console = Console(file=output, force_terminal=True, width=400, height=40, emoji=False)
    console.print(VIEWS[view](text))
    shown = output.getvalue()
    assert steering(shown) == set()
    plain = re.sub(r"\x1b\[[0-9;]*m", "", shown)
    if text.isprintable():
        assert text[:12] in plain, "nothing of it was taken for markup"


@hostile
def test_the_lines_of_a_demo_without_a_terminal_show_it_as_text(text: str) -> None:
    output = io.StringIO()
    with PlainView(Console(file=output, width=400, emoji=False), "title") as view:
        view.alerts([hostile_alert(text)])
    assert steering(output.getvalue()) == set()
    assert terminal.visible(text).partition(". ")[0] in output.getvalue()


@hostile
def test_errors_show_it_as_text(text: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "sys.argv", ["tocsin", "classify", "none.csv", "--text-column", "x", "--set", f"kafka.{text}=1"]
    )
    with pytest.raises(SystemExit):
        cli.main()
    assert steering(capsys.readouterr().err) == set()


@hostile
def test_a_line_of_the_log_holds_it_escaped(text: str) -> None:
    record = logging.makeLogRecord({"msg": "refused: %s", "args": (text,), "where": text, "levelname": "ERROR"})
    line = JsonLines("enrich").format(record)
    assert steering(line) == set()
    assert json.loads(line)["message"] == f"refused: {text}"
    assert json.loads(line)["where"] == text


@given(st.text())
def test_escaped_json_is_the_same_json_and_steers_nothing(text: str) -> None:
    escaped = terminal.escaped_json(json.dumps({text: [text]}, ensure_ascii=False))
    assert json.loads(escaped) == {text: [text]}
    assert all(character.isprintable() for character in escaped)


def test_a_table_on_a_terminal_is_written_without_what_steers(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    csv.writer(terminal.Shown()).writerow(TERMINAL.values())  # type: ignore[arg-type]
    assert steering(capsys.readouterr().out) == set()


@pytest.mark.parametrize("text", FORMULAS)
def test_no_cell_of_the_exports_is_taken_for_a_formula(text: str, tmp_path: Path) -> None:
    document = labelled_document(source=text, id=text, title=text, text=text, url=text, author=text, language=text)
    rows = list(csv.reader(io.StringIO("".join(csv_of([document])).removeprefix("\ufeff"))))
    assert not [cell for row in rows for cell in row if runs(cell)]
    source, output = tmp_path / "in.csv", io.StringIO(newline="")
    with source.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["n", "text", text], ["1", text, text]])
    list(classify_csv(source, "text", output, [WordClassifier()]))
    assert not [cell for row in csv.reader(io.StringIO(output.getvalue(), newline="")) for cell in row if runs(cell)]
    verbatim = io.StringIO(newline="")
    list(classify_csv(source, "text", verbatim, [WordClassifier()], verbatim=True))
    header, row = csv.reader(io.StringIO(verbatim.getvalue(), newline=""))
    assert (header[:3], row[:3]) == (["n", "text", text], ["1", text, text])


def runs(cell: str) -> bool:
    """Whether a spreadsheet might take the cell for a formula, which a number is not."""
    seen = re.sub(r"^[\s\u200b\ufeff]+", "", cell)
    return seen.startswith(tuple("=+-@＝＋－＠")) and re.fullmatch(r"[+-]?[\d.]+", seen) is None


@pytest.mark.parametrize("text", HIDDEN)
def test_nor_where_a_spreadsheet_separates_by_semicolons_or_tabs(text: str) -> None:
    assert not [
        cell for cell in re.split(r"[;\t]", harmless(text)) if runs(cell.strip("\"' ") if "'" not in cell else "x")
    ]


@pytest.mark.parametrize("text", ["", "1", "-5", "+3.25", "1e-6", "a=b", "Apple -5 %", ";-)", "a - b; c - d", "苹果"])
def test_numbers_and_ordinary_texts_stay_as_they_are(text: str) -> None:
    assert harmless(text) == text


def test_an_alarm_on_the_scorecard_is_text() -> None:
    text = '<script>alert(1)</script><img src=x onerror="alert(1)">\'"&amp;'
    alarm = {
        "series": f"company:{text}",
        "reason": text,
        "because": text,
        "verdict": text,
        "opened": "2014-01-01T00:00:00Z",
    }
    alarm |= {"chance_per_year": 0.1, "coordinated": True, "evidence": [{"text": text, "p_negative": 0.5}]}  # type: ignore[dict-item]
    assert not re.search(r"<(?!/?(?:article|p|b|span|ul|li)\b)", _alarm(1, alarm))
    assert 'onerror="' not in _alarm(1, alarm)


def test_every_console_and_every_line_of_foreign_text_comes_from_one_place() -> None:
    """`streams.terminal` alone makes consoles, and no command prints an error or a letter past it."""
    made = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path, node in calls()
        if isinstance(node.func, ast.Name) and node.func.id == "Console"
    ]
    assert made == [found for found in made if found.startswith("streams/terminal.py")]


def calls() -> Iterator[tuple[Path, ast.Call]]:
    for path in sorted((ROOT / "streams").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                yield path, node
