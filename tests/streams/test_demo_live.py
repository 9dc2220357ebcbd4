"""The demo's view: what it counts, and that every picture fits the terminal."""

import io
from collections.abc import Callable
from datetime import timedelta

import pytest
from rich.console import Console, ConsoleDimensions
from sample_messages import NOON, alert, dead_letter, evidence, labelled_document, series_point, unlabelled

from processors.labels import TOPICS, SentimentLabel
from processors.messages import CompanyLink, LabelledDocument, Sentiment, Topic
from streams.demo.board import Board, Row
from streams.demo.live import LiveView, PlainView, frame


class HandClock:
    """Seconds that only a test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def about(company: str, label: SentimentLabel, id: str = "1", minutes: int = 0) -> LabelledDocument:
    return labelled_document(
        id,
        companies=(CompanyLink(company, company, 0, "name"), CompanyLink(company, company, 9, "cashtag")),
        sentiment=Sentiment(label, 0.3, 0.3, 0.4),
        topic=Topic("earnings", 0.7),
        published_at=NOON + timedelta(minutes=minutes),
    )


def busy_board() -> Board:
    board = Board(seconds=HandClock())
    board.clock(NOON)
    labels: tuple[SentimentLabel, ...] = ("negative", "neutral", "positive")
    for number in range(200):
        document = about(f"C{number % 40}", labels[number % 3], str(number))
        topic = Topic(TOPICS[number % 20], 0.5)
        board.documents([LabelledDocument(**{f: getattr(document, f) for f in document.__slots__} | {"topic": topic})])
    for number in range(40):
        board.points([series_point(series=f"company:C{number}", surprise=number / 10)])
    board.dead_letters([dead_letter(reason=f"reason-{number}") for number in range(20)])
    hostile = "[red]x[/] \x1b[2J\u202e" + "long " * 60
    board.alerts(
        [
            alert(str(n), incident=f"incident-{n}", series=f"company:{hostile}", reason=hostile, evidence=(evidence(),))
            for n in range(30)
        ]
    )
    board.progress(500, 1000)
    return board


def picture(board: Board, width: int, height: int) -> list[str]:
    console = Console(file=io.StringIO(), width=width, height=height, color_system=None, force_terminal=True)
    console.print(frame(board, console.size, "title", "footer"))
    return str(console.file.getvalue()).rstrip("\n").split("\n")  # type: ignore[attr-defined]


@pytest.mark.parametrize(("width", "height"), [(80, 24), (60, 16), (100, 30), (130, 24), (200, 60), (40, 12)])
@pytest.mark.parametrize("make", [Board, busy_board])
def test_a_picture_fills_the_terminal_exactly(make: Callable[[], Board], width: int, height: int) -> None:
    lines = picture(make(), width, height)
    assert len(lines) == height
    assert all(len(line) <= width for line in lines)
    assert all(character.isprintable() for line in lines for character in line)


def test_a_picture_tells_what_goes_on() -> None:
    board = Board(seconds=HandClock())
    board.clock(NOON)
    board.documents([about("UPS", "negative")])
    board.dead_letters([dead_letter(), dead_letter(1)])
    board.alerts([alert(evidence=()), alert("b", incident="other", event="close", series="market:all")])
    board.progress(1, 2000)
    text = "\n".join(picture(board, 100, 30))
    for said in (
        "Mon 06 May 2024 12:00 UTC",
        "1 of 2,000",
        "1 open, 1 closed",
        "● URGENT company:BA  opened Mon 12:00",
        "14 new negative stories about Boeing in 4 h, where 2.1 are usual.",
        "○ URGENT market:all  closed",
        "UPS",
        "earnings",
        "2 refused (invalid-json 2)",
        "footer",
    ):
        assert said in text


def test_the_most_surprising_company_stands_first_then_the_most_negative() -> None:
    board = Board(seconds=HandClock())
    board.clock(NOON)
    board.documents([about("A", "neutral", "1"), about("B", "negative", "2"), about("C", "positive", "3")])
    board.points([series_point(series="company:C", surprise=4.0)])
    assert board.rows("company") == [Row("C", 0, 0, 1, 4.0), Row("B", 1, 0, 0, 0.0), Row("A", 0, 1, 0, 0.0)]
    assert board.rows("topic") == [Row("earnings", 1, 1, 1, 0.0)]


def test_a_company_with_an_open_incident_stands_above_all_others_with_its_surprise() -> None:
    board = Board(seconds=HandClock())
    board.clock(NOON)
    board.documents([about("BA", "negative", "1"), about("C", "positive", "2")])
    board.points([series_point(series="company:C", surprise=9.0)])
    board.alerts([alert(tier="watch")])
    first, second = board.rows("company")
    assert (first.name, first.tier, round(first.surprise, 1)) == ("BA", "watch", 6.5)
    assert (second.name, second.tier) == ("C", None)
    board.alerts([alert("2", event="close", sequence=1)])
    assert [row.name for row in board.rows("company")] == ["C", "BA"]


def test_what_is_older_than_a_day_is_forgotten() -> None:
    board = Board(seconds=HandClock())
    board.documents([about("B", "negative", "2", minutes=30), about("A", "negative")])
    board.points([series_point(series="company:A"), series_point(series="company:B", end=NOON + timedelta(hours=2))])
    board.clock(NOON + timedelta(hours=24, minutes=10))
    assert [row.name for row in board.rows("company")] == ["B"]
    board.clock(NOON + timedelta(days=3))
    assert board.rows("company") == []


def test_late_and_unlabelled_documents_are_counted_but_are_no_sentiment() -> None:
    board = Board(seconds=HandClock())
    board.documents([labelled_document("1", late=True), unlabelled(labelled_document("2")), labelled_document("3")])
    assert (board.late, board.unlabelled) == (1, 1)
    assert [row.total for row in board.rows("company")] == [1]


def test_open_incidents_come_first_then_the_louder_then_the_newer() -> None:
    board = Board(seconds=HandClock())
    later = NOON + timedelta(hours=1)
    board.alerts(
        [
            alert("1", incident="a", tier="watch"),
            alert("2", incident="b", tier="flash", event="close"),
            alert("3", incident="c", tier="urgent"),
            alert("4", incident="d", tier="urgent", at=later),
            alert("5", incident="a", tier="flash", event="escalate", sequence=1),
        ]
    )
    assert [item.incident for item in board.ranked_incidents()] == ["a", "d", "c", "b"]


def test_the_rate_is_that_of_the_last_seconds() -> None:
    clock = HandClock()
    board = Board(seconds=clock)
    for _ in range(20):
        clock.now += 1
        board.progress(board.done + 10, None)
    for _ in range(10):
        clock.now += 1
        board.progress(board.done + 300, None)
    assert board.rate == pytest.approx(300)
    assert board.elapsed == 30


def test_plain_lines_tell_each_event_once_and_progress_every_few_seconds() -> None:
    console = Console(file=io.StringIO(), width=60)
    with PlainView(console, "a title") as view:
        view.seconds = clock = HandClock()
        view.started = view._printed = clock.now
        view.clock(NOON)
        view.progress(1200, 5000)
        view.alerts([alert(), alert("2", event="update", reason="no news"), alert("3", reason="[b]x\x1b[2J")])
        clock.now += 6
        view.clock(NOON + timedelta(minutes=1))
        view.clock(NOON + timedelta(minutes=2))
    lines = str(console.file.getvalue()).splitlines()  # type: ignore[attr-defined]
    assert lines[0] == "a title"
    assert lines[1] == "06 May 12:00  urgent opened: 14 new negative stories about Boeing in 4 h, where 2.1 are usual."
    assert lines[2] == "06 May 12:00  urgent opened: [b]x[2J."
    assert lines[3].startswith("00:06  1,200 of 5,000 records,")
    assert "event time Mon 06 May 12:01, 1 incidents, 0 refused" in lines[3]
    assert len(lines) == 5  # and one at the end


def test_the_live_view_leaves_the_terminal_as_it_was() -> None:
    console = Console(file=io.StringIO(), width=80, height=24, force_terminal=True)
    with pytest.raises(KeyboardInterrupt), LiveView(console, "title", "footer") as view:
        view.clock(NOON)
        view.alerts([alert()])
        raise KeyboardInterrupt
    output = str(console.file.getvalue())  # type: ignore[attr-defined]
    assert output.count("\x1b[?1049h") == output.count("\x1b[?1049l") == 1  # alternate screen on and off
    assert output.count("\x1b[?25l") == output.count("\x1b[?25h") == 1  # cursor hidden and shown
    assert ConsoleDimensions(80, 24) == console.size
