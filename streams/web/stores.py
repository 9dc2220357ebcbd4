"""The store that the console shows: Elasticsearch, or what a run left in a folder."""

import gzip
import threading
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Final, TypeVar

from processors.errors import ConfigurationError, PoisonError
from processors.messages import Alert, DeadLetter, LabelledDocument, SeriesPoint
from streams.codec import decode
from streams.outputs import ALERTS, DEAD_LETTERS, DOCUMENTS, SERIES
from streams.settings import Settings
from streams.sqlite_store import STORE, SqliteStore
from streams.store import Store

_BATCH: Final = 2_000

Opener = Callable[[], Store]

T = TypeVar("T")


class Stores:
    """One open store for each thread that asks: a connection belongs to its thread."""

    def __init__(self, opener: Opener) -> None:
        self._opener = opener
        self._local = threading.local()

    def __call__(self) -> Store:
        """This thread's store. Raises ConfigurationError where it cannot be used, RetryableError where it is away."""
        store: Store | None = getattr(self._local, "store", None)
        if store is None:
            store = self._local.store = self._opener()
        return store


def opener_of(settings: Settings, say: Callable[[str], None]) -> Opener:
    """What opens the store that `settings` name. A replay's folder is loaded into a store beside its files first, told
    to `say`. Raises ConfigurationError for a place where there is none."""
    if settings.web.store:
        path = store_in(Path(settings.web.store), say)
        return lambda: SqliteStore(path, create=False)

    def elastic() -> Store:
        from streams.elastic_store import ElasticStore

        return ElasticStore(settings.elasticsearch)

    return elastic


def store_in(place: Path, say: Callable[[str], None]) -> Path:
    """The SQLite store at `place`: the file itself, or that of a run's folder, made of the run's files where it is not
    there yet. Raises ConfigurationError where there is neither."""
    if place.is_file():
        return place
    path = place / STORE
    if path.is_file():
        return path
    if not (place / ALERTS).is_file() or not (place / DOCUMENTS).is_file():
        raise ConfigurationError(
            f"nothing to show in {place}: name a folder that `tocsin demo` or `tocsin replay` wrote"
        )
    say(f"loading {place} into {path}, once")
    part = path.with_name(f"{STORE}.part")
    try:
        part.unlink(missing_ok=True)
        _load(place, part)
        part.rename(path)
    except OSError as error:
        raise ConfigurationError(f"cannot write {path}: {error.strerror or error}; copy the folder first") from None
    return path


def _load(folder: Path, path: Path) -> None:
    store = SqliteStore(path)
    try:
        for batch in _batches(_records(LabelledDocument, folder / DOCUMENTS), _BATCH):
            store.write_documents(batch)
        for points in _batches(_records(SeriesPoint, folder / SERIES), _BATCH):
            store.write_points(points)
        for alerts in _batches(_records(Alert, folder / ALERTS), _BATCH):
            store.write_alerts(alerts)
        for letters in _batches(_records(DeadLetter, folder / DEAD_LETTERS), _BATCH):
            store.write_dead_letters(letters)
    finally:
        store.close()


def _records(message_type: type[T], path: Path) -> Iterator[T]:
    if not path.is_file():
        return
    with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
        for number, line in enumerate(file):
            try:
                yield decode(message_type, line)
            except PoisonError as error:
                raise ConfigurationError(f"{path}, line {number}: {error}") from None


def _batches(records: Iterator[T], size: int) -> Iterator[list[T]]:
    while batch := list(islice(records, size)):
        yield batch
