"""`tocsin classify`: labels for the rows of a CSV file."""

import csv
import io
from pathlib import Path

import pytest

from processors.errors import ConfigurationError
from processors.labels import TOPICS
from streams.classify import COLUMNS, ROWS_PER_BATCH, classify_csv
from streams.testkit import WordClassifier


def classified(source: Path, column: str = "text") -> list[dict[str, str]]:
    output = io.StringIO()
    for _ in classify_csv(source, column, output, [WordClassifier()]):
        pass
    return list(csv.DictReader(io.StringIO(output.getvalue())))


def test_each_row_keeps_its_columns_and_gains_labels_and_probabilities(tmp_path: Path) -> None:
    source = tmp_path / "in.csv"
    source.write_text('id,text\n1,"Apple falls, hard"\n2,Apple opens a shop\n', encoding="utf-8")

    rows = classified(source)

    assert [(row["id"], row["text"], row["sentiment"]) for row in rows] == [
        ("1", "Apple falls, hard", "negative"),
        ("2", "Apple opens a shop", "neutral"),
    ]
    assert list(rows[0]) == ["id", "text", *COLUMNS]
    assert float(rows[0]["p_negative"]) == 0.9
    assert rows[0]["topic"] == TOPICS[0]


def test_a_row_without_text_keeps_its_place_and_gets_no_invented_label(tmp_path: Path) -> None:
    source = tmp_path / "in.csv"
    source.write_text("text,n\nApple falls,1\n   ,2\nApple falls again,3\n", encoding="utf-8")

    rows = classified(source)

    assert [(row["n"], row["sentiment"]) for row in rows] == [("1", "negative"), ("2", ""), ("3", "negative")]


@pytest.mark.parametrize(("content", "width"), [("text\nfalls\n\nrises\n\n", 1), ("n,text\n1,falls\n\n3,rises\n\n", 2)])
def test_a_blank_line_stays_a_row_so_that_rows_stand_where_they_stood(tmp_path: Path, content: str, width: int) -> None:
    source = tmp_path / "in.csv"
    source.write_text(content, encoding="utf-8")

    rows = classified(source)

    assert [row["sentiment"] for row in rows] == ["negative", "", "positive", ""]
    assert list(rows[1].values()) == [""] * (width + len(COLUMNS))


def test_a_source_that_cannot_be_read_to_its_end_is_told_as_such(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Failing(io.BytesIO):
        def __next__(self) -> bytes:
            raise OSError(5, "Input/output error")

    monkeypatch.setattr(Path, "open", lambda *_: Failing())
    with pytest.raises(ConfigurationError, match=r"cannot read .*in\.csv: Input/output error"):
        classified(tmp_path / "in.csv")


def test_rows_stay_in_order_over_many_batches_and_quoted_line_breaks(tmp_path: Path) -> None:
    source = tmp_path / "in.csv"
    count = ROWS_PER_BATCH * 2 + 3
    with source.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["n", "text"])
        writer.writerows([n, f"line one\nstock {'falls' if n % 3 == 0 else 'rises'} {n}"] for n in range(count))

    rows = classified(source)

    assert [int(row["n"]) for row in rows] == list(range(count))
    assert all((row["sentiment"] == "negative") == (int(row["n"]) % 3 == 0) for row in rows)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "empty"),
        (b"id,body\n1,x\n", "no column 'text'; it has: id, body"),
        (b"\ntext\nx\n", "first line"),
        (b"a,b,a,text\n1,2,3,x\n", "has the columns 'a' twice: rename"),
        (b"text,sentiment\nx,y\n", "already has the columns sentiment"),
        (b"text,n\nx\n", "fewer fields"),
        (b"text\nx,y\n", "more fields"),
        (b"text\n\xff\n", "not UTF-8"),
        (b'text\n"never closed\n', "no sound CSV"),
    ],
)
def test_a_file_that_is_no_such_csv_is_refused_with_the_reason(tmp_path: Path, content: bytes, complaint: str) -> None:
    source = tmp_path / "in.csv"
    source.write_bytes(content)

    with pytest.raises(ConfigurationError, match=complaint):
        classified(source)
