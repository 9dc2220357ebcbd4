"""The SQLite store beyond what every store does: one file, its readers meanwhile, other people's files."""

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from sample_messages import alert, labelled_document

from processors.errors import ConfigurationError, RetryableError
from streams.sqlite_store import SqliteStore
from streams.store import DocumentQuery


def test_a_reader_sees_each_batch_whole_while_the_writer_goes_on(tmp_path: Path) -> None:
    writer = SqliteStore(tmp_path / "run.sqlite")
    reader = SqliteStore(tmp_path / "run.sqlite", read_only=True)
    for batch in range(5):
        writer.write_documents([labelled_document(f"{batch}-{n}") for n in range(20)])
        assert reader.counts().documents == 20 * (batch + 1)
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        reader.write_alerts([alert()])
    writer.close()
    assert len(reader.search(DocumentQuery(limit=1000))) == 100
    reader.close()


def test_a_store_survives_being_closed_and_opened(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "er" / "run.sqlite"
    first = SqliteStore(path)
    first.write_documents([labelled_document()])
    first.close()
    second = SqliteStore(path)
    assert second.write_documents([labelled_document()]) == 0
    second.close()


def test_a_writer_that_waits_too_long_for_another_may_try_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = SqliteStore(tmp_path / "run.sqlite")
    store._connection.execute("PRAGMA busy_timeout = 20")
    other = sqlite3.connect(tmp_path / "run.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(RetryableError, match="locked"):
        store.write_documents([labelled_document()])
    other.execute("ROLLBACK")
    assert store.write_documents([labelled_document()]) == 1


def _not_a_database(path: Path) -> None:
    path.write_text("id,text\n" * 400)


def _foreign_database(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE mine (id)")
    connection.commit()
    connection.close()


def _newer_store(path: Path) -> None:
    SqliteStore(path).close()
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.commit()
    connection.close()


@pytest.mark.parametrize(
    ("make", "message"),
    [(_not_a_database, "not a database"), (_foreign_database, "no store of Tocsin"), (_newer_store, "version 99")],
)
@pytest.mark.parametrize("read_only", [False, True])
def test_a_file_that_is_no_store_is_refused_by_name(
    tmp_path: Path, make: Callable[[Path], None], message: str, read_only: bool
) -> None:
    path = tmp_path / "some.sqlite"
    make(path)
    with pytest.raises(ConfigurationError, match=f"some.sqlite.*{message}"):
        SqliteStore(path, read_only=read_only)


def test_reading_a_store_that_is_not_there_says_so_and_makes_none(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no store at"):
        SqliteStore(tmp_path / "none.sqlite", read_only=True)
    assert list(tmp_path.iterdir()) == []
