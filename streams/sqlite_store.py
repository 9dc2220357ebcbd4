"""The store of one machine: a single SQLite file, written by few processes and read by others meanwhile.

Every record is kept as its canonical JSON, beside the columns that questions are asked by. Instants are
integers: microseconds since 1970 UTC. Texts reach SQL as parameters only.
"""

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, TypeVar

from processors.clock import EPOCH
from processors.errors import ConfigurationError, RetryableError
from processors.labels import SENTIMENTS
from processors.messages import Alert, DeadLetter, Feedback, LabelledDocument, SeriesKind, SeriesPoint
from streams.codec import decode, encode
from streams.store import (
    MOST_FEEDBACK,
    MOST_SERIES,
    AlertQuery,
    Counts,
    DocumentQuery,
    IncidentQuery,
    SeriesTotal,
    SourceState,
    Volume,
)
from streams.words import spaced, storable

STORE: Final = "tocsin.sqlite"
"""The name of the store in the folder of a run."""

_APPLICATION_ID: Final = 0x746F6373  # "tocs", in the file's header
_SCHEMA_VERSION: Final = 2
_SCHEMA: Final = """
CREATE TABLE documents (
    number INTEGER PRIMARY KEY, identity TEXT NOT NULL UNIQUE, source TEXT NOT NULL, published INTEGER NOT NULL,
    status TEXT NOT NULL, late INTEGER NOT NULL, sentiment TEXT, topic TEXT, record TEXT NOT NULL
);
CREATE INDEX documents_published ON documents (published, sentiment);
CREATE INDEX documents_source ON documents (source, published);
CREATE INDEX documents_labels ON documents (status, sentiment, late);
CREATE TABLE document_companies (
    company TEXT NOT NULL, published INTEGER NOT NULL, document INTEGER NOT NULL REFERENCES documents (number),
    PRIMARY KEY (company, published, document)
) WITHOUT ROWID;
CREATE VIRTUAL TABLE document_words USING fts5 (body, content='', tokenize='unicode61 remove_diacritics 2');
CREATE TABLE points (
    series TEXT NOT NULL, start INTEGER NOT NULL, revision INTEGER NOT NULL, kind TEXT NOT NULL,
    negative INTEGER NOT NULL, neutral INTEGER NOT NULL, positive INTEGER NOT NULL, novel_negative REAL NOT NULL,
    expected REAL NOT NULL, surprise REAL NOT NULL, record TEXT NOT NULL,
    PRIMARY KEY (series, start)
) WITHOUT ROWID;
CREATE INDEX points_start ON points (start, kind, series, negative, neutral, positive, novel_negative, expected, surprise);
CREATE TABLE alerts (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, incident TEXT NOT NULL, sequence INTEGER NOT NULL,
    event TEXT NOT NULL, kind TEXT NOT NULL, tier TEXT NOT NULL, series TEXT NOT NULL, at INTEGER NOT NULL,
    record TEXT NOT NULL
);
CREATE INDEX alerts_at ON alerts (at, sequence, id);
CREATE INDEX alerts_series ON alerts (series, at);
CREATE INDEX alerts_incident ON alerts (incident, at, sequence);
CREATE TABLE feedback (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, incident TEXT NOT NULL, at INTEGER NOT NULL, record TEXT NOT NULL
);
CREATE INDEX feedback_incident ON feedback (incident, at);
CREATE INDEX feedback_at ON feedback (at);
CREATE TABLE dead_letters (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, reason TEXT NOT NULL, record TEXT NOT NULL
);
CREATE INDEX dead_letters_reason ON dead_letters (reason);
"""

_Message = TypeVar("_Message")


class SqliteStore:
    """A `streams.store.Store` in the file `path`, which is made when absent, unless `read_only` or without `create`.

    Raises ConfigurationError for a file that is missing, no store of Tocsin, or of another version.
    """

    def __init__(self, path: Path, *, read_only: bool = False, create: bool = True) -> None:
        self.path = path
        create = create and not read_only
        if not create and not path.is_file():
            raise ConfigurationError(f"there is no store at {path}: name the file that a run wrote")
        if create:
            path.parent.mkdir(parents=True, exist_ok=True)
        uri = f"{path.absolute().as_uri()}?mode={'ro' if read_only else 'rwc' if create else 'rw'}"
        try:
            self._connection = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=10.0)
            self._prepare(read_only)
        except sqlite3.DatabaseError as error:
            raise ConfigurationError(f"{path} cannot be used as a store: {error}") from error

    def _prepare(self, read_only: bool) -> None:
        connection = self._connection
        if not read_only:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            with self._transaction():
                if not connection.execute("SELECT 1 FROM sqlite_master").fetchone():
                    for statement in _SCHEMA.split(";\n"):
                        connection.execute(statement)
                    connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
                    connection.execute(f"PRAGMA user_version = {_SCHEMA_VERSION}")
        if connection.execute("PRAGMA application_id").fetchone()[0] != _APPLICATION_ID:
            raise ConfigurationError(f"{self.path} is a database, but no store of Tocsin: choose another file")
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version != _SCHEMA_VERSION:
            raise ConfigurationError(
                f"{self.path} holds schema version {version}, this Tocsin reads version {_SCHEMA_VERSION}: "
                "replay the input into a new file"
            )

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def write_documents(self, documents: Sequence[LabelledDocument]) -> int:
        """See `Store`."""
        return self._write(documents, self._insert_document)

    def write_points(self, points: Sequence[SeriesPoint]) -> int:
        """See `Store`."""
        return self._write(points, self._insert_point)

    def write_alerts(self, alerts: Sequence[Alert]) -> int:
        """See `Store`."""
        return self._write(alerts, self._insert_alert)

    def write_dead_letters(self, letters: Sequence[DeadLetter]) -> int:
        """See `Store`."""
        return self._write(letters, self._insert_dead_letter)

    def write_feedback(self, feedback: Sequence[Feedback]) -> int:
        """See `Store`."""
        return self._write(feedback, self._insert_feedback)

    def document(self, identity: str) -> LabelledDocument | None:
        """See `Store`."""
        rows = self._records(LabelledDocument, "SELECT record FROM documents WHERE identity = ?", [storable(identity)])
        return rows[0] if rows else None

    def search(self, query: DocumentQuery) -> list[LabelledDocument]:
        """See `Store`."""
        where = _Where()
        if words := query.words.split():
            phrases = " ".join(
                '"' + storable(spaced(word)).replace('"', '""').replace("\0", " ") + '"' for word in words
            )
            where.add("number IN (SELECT rowid FROM document_words WHERE document_words MATCH ?)", phrases)
        if query.companies:
            marks = ", ".join("?" * len(query.companies))
            where.add(
                f"number IN (SELECT document FROM document_companies WHERE company IN ({marks}))",
                *map(storable, query.companies),
            )
        where.add_any("source", query.sources)
        where.add_equal("sentiment", query.sentiment)
        where.add_equal("topic", query.topic)
        where.add_equal("status", query.status)
        where.add_range("published", query.since, query.until)
        if after := query.after:
            where.add("(published, identity) < (?, ?)", _microseconds(after.published_at), storable(after.identity))
        sql = f"SELECT record FROM documents {where.sql} ORDER BY published DESC, identity DESC LIMIT ?"
        return self._records(LabelledDocument, sql, [*where.values, query.limit])

    def alerts(self, query: AlertQuery) -> list[Alert]:
        """See `Store`."""
        where = _Where()
        if query.id_prefix:
            where.add("substr(id, 1, ?) = ?", len(query.id_prefix), storable(query.id_prefix))
        where.add_equal("incident", query.incident)
        where.add_equal("series", query.series)
        where.add_range("at", query.since, query.until)
        if after := query.after:
            where.add("(at, sequence, id) < (?, ?, ?)", _microseconds(after.at), after.sequence, storable(after.id))
        sql = f"SELECT record FROM alerts {where.sql} ORDER BY at DESC, sequence DESC, id DESC LIMIT ?"
        return self._records(Alert, sql, [*where.values, query.limit])

    def incidents(self, query: IncidentQuery) -> list[Alert]:
        """See `Store`."""
        latest, values = "", []
        if query.until is not None:
            latest, values = "AND at < ?", [_microseconds(query.until)]
        where = _Where()
        where.add(
            "number = (SELECT number FROM alerts AS other WHERE other.incident = alerts.incident "
            f"{latest} ORDER BY at DESC, sequence DESC LIMIT 1)",
            *values,
        )
        where.add_any("series", query.series)
        where.add_any("tier", query.tiers)
        where.add_equal("kind", query.kind)
        where.add_range("at", query.since, query.until)
        if query.open_only:
            where.add("event <> 'close'")
        if after := query.after:
            where.add("(at, sequence, id) < (?, ?, ?)", _microseconds(after.at), after.sequence, storable(after.id))
        sql = f"SELECT record FROM alerts {where.sql} ORDER BY at DESC, sequence DESC, id DESC LIMIT ?"
        return self._records(Alert, sql, [*where.values, query.limit])

    def feedback(self, incident: str | None = None, since: datetime | None = None) -> list[Feedback]:
        """See `Store`."""
        where = _Where()
        where.add_equal("incident", incident)
        where.add_range("at", since, None)
        sql = f"SELECT record FROM feedback {where.sql} ORDER BY at DESC, number DESC LIMIT {MOST_FEEDBACK}"
        return self._records(Feedback, sql, where.values)[::-1]

    def points(self, series: str, since: datetime | None = None, until: datetime | None = None) -> list[SeriesPoint]:
        """See `Store`."""
        where = _Where()
        where.add_equal("series", series)
        where.add_range("start", since, until)
        return self._records(SeriesPoint, f"SELECT record FROM points {where.sql} ORDER BY start", where.values)

    def totals(self, kinds: Sequence[SeriesKind], since: datetime, until: datetime) -> list[SeriesTotal]:
        """See `Store`."""
        where = _Where()
        where.add_range("start", since, until)
        where.add_any("kind", kinds)
        sums = ", ".join(f"sum({name})" for name in ("negative", "neutral", "positive", "novel_negative", "expected"))
        sql = f"SELECT series, kind, {sums}, max(surprise) FROM points {where.sql} GROUP BY series ORDER BY series"
        return [SeriesTotal(*row) for row in self._rows(f"{sql} LIMIT {MOST_SERIES}", where.values)]

    def series(self, kinds: Sequence[SeriesKind]) -> list[str]:
        """See `Store`."""
        names: list[str] = []
        for kind in sorted(kinds):
            # The names of a kind lie together in the index; each next one is found by a jump over the one before.
            sql = (
                "WITH RECURSIVE names (name) AS (SELECT min(series) FROM points WHERE series >= ? UNION ALL "
                "SELECT (SELECT min(series) FROM points WHERE series > name) FROM names WHERE name < ?) "
                f"SELECT name FROM names WHERE name < ? LIMIT {MOST_SERIES}"
            )
            names += (name for (name,) in self._rows(sql, [f"{kind}:", f"{kind};", f"{kind};"]))
        return names

    def volume(self, since: datetime, until: datetime, interval: timedelta) -> list[Volume]:
        """See `Store`."""
        where = _Where()
        where.add_range("published", since, until)
        step = interval // timedelta(microseconds=1)
        counts = ", ".join(f"count(*) FILTER (WHERE sentiment = '{label}')" for label in SENTIMENTS)
        sql = f"SELECT published / {step} AS slot, {counts}, count(*) FILTER (WHERE sentiment IS NULL) FROM documents"
        rows = self._rows(f"{sql} {where.sql} GROUP BY slot ORDER BY slot", where.values)
        return [Volume(EPOCH + interval * slot, *counted) for slot, *counted in rows]

    def sources(self, since: datetime) -> list[SourceState]:
        """See `Store`."""
        sql = (
            "WITH RECURSIVE names (name) AS (SELECT min(source) FROM documents UNION ALL "
            "SELECT (SELECT min(source) FROM documents WHERE source > name) FROM names WHERE name IS NOT NULL) "
            "SELECT name, (SELECT max(published) FROM documents WHERE source = name), "
            "(SELECT count(*) FROM documents WHERE source = name AND published >= ?) "
            "FROM names WHERE name IS NOT NULL LIMIT 1000"
        )
        rows = self._rows(sql, [_microseconds(since)])
        return [SourceState(name, EPOCH + timedelta(microseconds=latest), count) for name, latest, count in rows]

    def span(self) -> tuple[datetime, datetime] | None:
        """See `Store`."""
        sql = "SELECT (SELECT min(published) FROM documents), (SELECT max(published) FROM documents)"
        earliest, latest = self._rows(sql)[0]  # each for itself: so both are one look into the index
        if earliest is None:
            return None
        return EPOCH + timedelta(microseconds=earliest), EPOCH + timedelta(microseconds=latest)

    def dead_letters(self, reason: str | None = None, limit: int = 100) -> list[DeadLetter]:
        """See `Store`."""
        where = _Where()
        where.add_equal("reason", reason)
        sql = f"SELECT record FROM dead_letters {where.sql} ORDER BY number LIMIT ?"
        return self._records(DeadLetter, sql, [*where.values, limit])

    def counts(self) -> Counts:
        """See `Store`."""
        with self._transaction("BEGIN"):  # one snapshot for all the numbers
            sentiments = dict(
                self._rows("SELECT sentiment, count(*) FROM documents WHERE status = 'labelled' GROUP BY 1")
            )
            unlabelled = self._number("SELECT count(*) FROM documents WHERE status = 'unlabelled'")
            return Counts(
                documents=sum(sentiments.values()) + unlabelled,
                sentiments=sentiments,
                unlabelled=unlabelled,
                late=self._number("SELECT coalesce(sum(late), 0) FROM documents"),
                points=self._number("SELECT count(*) FROM points"),
                alerts=self._number("SELECT count(*) FROM alerts"),
                incidents=self._number("SELECT count(DISTINCT incident) FROM alerts"),
                dead_letters=dict(
                    self._rows("SELECT reason, count(*) FROM dead_letters GROUP BY 1 ORDER BY 2 DESC, 1")
                ),
            )

    def _insert_document(self, document: LabelledDocument) -> bool:
        published = _microseconds(document.published_at)
        sentiment = document.sentiment.label if document.sentiment else None
        topic = document.topic.label if document.topic else None
        cursor = self._connection.execute(
            "INSERT INTO documents (identity, source, published, status, late, sentiment, topic, record) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            [storable(document.identity), storable(document.source), published, document.status, document.late]
            + [sentiment, topic, _record(document)],
        )
        if not cursor.rowcount:
            return False
        number = cursor.lastrowid
        body = storable(spaced(f"{document.title}\n{document.text}"))
        self._connection.execute("INSERT INTO document_words (rowid, body) VALUES (?, ?)", [number, body])
        self._connection.executemany(
            "INSERT OR IGNORE INTO document_companies VALUES (?, ?, ?)",
            [(storable(link.company), published, number) for link in document.companies],
        )
        return True

    def _insert_point(self, point: SeriesPoint) -> bool:
        cursor = self._connection.execute(
            "INSERT INTO points VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (series, start) DO UPDATE SET "
            "revision = excluded.revision, negative = excluded.negative, neutral = excluded.neutral, "
            "positive = excluded.positive, novel_negative = excluded.novel_negative, expected = excluded.expected, "
            "surprise = excluded.surprise, record = excluded.record WHERE excluded.revision > revision",
            [storable(point.series), _microseconds(point.start), point.revision, point.kind]
            + [point.negative, point.neutral, point.positive, point.novel_negative, point.expected, point.surprise]
            + [_record(point)],
        )
        return cursor.rowcount > 0

    def _insert_alert(self, alert: Alert) -> bool:
        cursor = self._connection.execute(
            "INSERT INTO alerts (id, incident, sequence, event, kind, tier, series, at, record) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            [storable(alert.id), storable(alert.incident), alert.sequence, alert.event, alert.kind, alert.tier]
            + [storable(alert.series), _microseconds(alert.at), _record(alert)],
        )
        return cursor.rowcount > 0

    def _insert_feedback(self, feedback: Feedback) -> bool:
        cursor = self._connection.execute(
            "INSERT INTO feedback (id, incident, at, record) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
            [feedback.id, storable(feedback.incident), _microseconds(feedback.at), _record(feedback)],
        )
        return cursor.rowcount > 0

    def _insert_dead_letter(self, letter: DeadLetter) -> bool:
        cursor = self._connection.execute(
            "INSERT INTO dead_letters (id, reason, record) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
            [letter.id, letter.reason, _record(letter)],
        )
        return cursor.rowcount > 0

    def _write(self, messages: Iterable[_Message], insert: Callable[[_Message], bool]) -> int:
        with self._transaction():
            return sum(insert(message) for message in messages)

    @contextmanager
    def _transaction(self, begin: str = "BEGIN IMMEDIATE") -> Iterator[None]:
        try:
            self._connection.execute(begin)
            try:
                yield
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL):
                raise RetryableError(f"{self.path}: {error}") from error
            raise

    def _rows(self, sql: str, values: Sequence[Any] = ()) -> list[Any]:
        return self._connection.execute(sql, values).fetchall()

    def _number(self, sql: str) -> int:
        return int(self._rows(sql)[0][0])

    def _records(self, message_type: type[_Message], sql: str, values: Sequence[Any]) -> list[_Message]:
        return [decode(message_type, record.encode()) for (record,) in self._rows(sql, values)]


class _Where:
    """Collects the conditions of a WHERE clause and their values."""

    def __init__(self) -> None:
        self._conditions: list[str] = []
        self.values: list[Any] = []

    @property
    def sql(self) -> str:
        return "WHERE " + " AND ".join(self._conditions) if self._conditions else ""

    def add(self, condition: str, *values: Any) -> None:
        self._conditions.append(condition)
        self.values.extend(values)

    def add_equal(self, column: str, value: str | None) -> None:
        if value is not None:
            self.add(f"{column} = ?", storable(value))

    def add_any(self, column: str, values: Sequence[str]) -> None:
        if values:
            self.add(f"{column} IN ({', '.join('?' * len(values))})", *map(storable, values))

    def add_range(self, column: str, since: datetime | None, until: datetime | None) -> None:
        if since is not None:
            self.add(f"{column} >= ?", _microseconds(since))
        if until is not None:
            self.add(f"{column} < ?", _microseconds(until))


def _microseconds(instant: datetime) -> int:
    return (instant - EPOCH) // timedelta(microseconds=1)


def _record(message: Any) -> str:
    return storable(encode(message).decode("utf-8", "surrogatepass"))
