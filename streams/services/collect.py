"""`tocsin run collect`: documents of declared sources into the input topics: from feeds, files, and programs that push.

One process collects; others stand by, and one of them goes on where it stood, within ten seconds of its end. What is sent,
and what is kept of it so that nothing is sent twice and nothing left out, says `streams.collect.sender`.

What is collected is of the present, and time on the topics is the clock's: run `tocsin run clock` beside it.
"""

import logging
import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from time import monotonic
from typing import Any, Final

from processors.errors import ConfigurationError, TocsinError
from streams.collect.declared import Source, load_sources
from streams.collect.fetch import Limits
from streams.collect.ledger import Ledger
from streams.collect.look import Looked, look
from streams.collect.metrics import CollectMetrics
from streams.collect.poller import Poller
from streams.collect.push import Intake, Pressure, push_application
from streams.collect.sender import Outlets, Sender, restored
from streams.collect.tail import read_on
from streams.feed_lease import feed_runs
from streams.kafka_clients import admin, broker_errors
from streams.lag import lags
from streams.lease import SESSION_SECONDS, Lease
from streams.services.monitor import Monitor
from streams.settings import Settings
from streams.topics import Topics
from streams.topics_admin import check_topics
from streams.web.server import WebServer, check_open_to

LOOK_SECONDS: Final = 0.5
"""Between two looks at files, at whether to stop, at what changed of the state."""

LAG_SECONDS: Final = 5.0
LEAVE_SECONDS: Final = 3.0
"""For what is under way when told to stop; the next start reads back what Kafka has of it."""

log = logging.getLogger(__name__)


def run(settings: Settings, monitor: Monitor, stop: threading.Event) -> None:
    """Collect until `stop` is set. Raises ConfigurationError for sources that are none, or beside a feed of history;
    RetryableError where Kafka fails: the next start reads what became of what was under way."""
    sources = declared(settings)
    if any(source.push for source in sources):
        check_open_to(settings.push)
    check_topics(settings)
    if feed_runs(settings):
        raise ConfigurationError(
            f"a feed is writing history to the prefix {settings.kafka.prefix}: collect into another kafka.prefix"
        )
    metrics = CollectMetrics(monitor.registry)
    with Lease(settings, "collect") as lease:
        if not lease.stand_by(stop, monitor.progress.made):
            return
        metrics.begin(sources)
        ledger = restored(settings, sources)
        with Sender(settings, ledger) as sender:
            sender.checkpoint(LEAVE_SECONDS)
            _Collector(settings, sources, ledger, sender, metrics).run(lease, monitor, stop)


def declared(settings: Settings) -> tuple[Source, ...]:
    """The sources that `settings` name. Raises ConfigurationError where they name none, or what is wrong with the file."""
    if not settings.collect.sources:
        raise ConfigurationError("no sources: set collect.sources to a TOML file that declares them")
    return load_sources(Path(settings.collect.sources))


def limits_of(settings: Settings) -> Limits:
    """How a feed is looked at."""
    contact = settings.collect.contact
    agent = f"Tocsin/{version('tocsin')}" + (f" ({contact})" if contact else "")
    return Limits(settings.collect.feed_bytes, settings.collect.feed_seconds, agent)


class _Collector:
    """The one process that collects."""

    def __init__(
        self, settings: Settings, sources: Sequence[Source], ledger: Ledger, sender: Sender, metrics: CollectMetrics
    ) -> None:
        self._settings, self._ledger, self._sender, self._metrics = settings, ledger, sender, metrics
        self._outlets = Outlets(settings)
        self._pressure = Pressure()
        self._feeds = [source for source in sources if source.way == "feed"]
        self._files = [source for source in sources if source.way == "file"]
        self._pushed = {source.name: source for source in sources if source.push}
        self._stop = threading.Event()

    def run(self, lease: Lease, monitor: Monitor, stop: threading.Event) -> None:
        """Until `stop` is set. Raises RetryableError where a record or the lease is lost."""
        with ExitStack() as closing:
            closing.callback(self._stop.set)
            if self._pushed:
                closing.enter_context(WebServer(self._push(), self._settings.push))
            for work in (self._poller().run, self._read_files, self._watch_lag):
                threading.Thread(target=work, args=(self._stop,), daemon=True).start()
            kept = monotonic()
            while not stop.wait(LOOK_SECONDS):
                frozen = monotonic() - kept > SESSION_SECONDS
                lease.keep()
                if frozen or not lease.held:
                    raise lease.loss
                kept = monotonic()
                self._ledger.check()
                self._sender.checkpoint()
                self._metrics.under_way.set(self._ledger.under_way)
                if self._sender.has_room:
                    monitor.progress.made()
                else:
                    monitor.progress.waits_for("Kafka, to acknowledge what was sent")
        self._sender.checkpoint(LEAVE_SECONDS)  # once all is sent that was under way
        self._sender.checkpoint(1.0)  # and acknowledged

    def _may_take(self) -> bool:
        return not self._pressure.why and self._sender.has_room

    def _poller(self) -> Poller:
        limits = limits_of(self._settings)
        cursors: Mapping[str, Mapping[str, Any]] = {s.name: self._ledger.cursor(s.name) for s in self._feeds}

        def looking(source: Source) -> Looked:
            return look(source, self._ledger, self._sender, self._outlets, limits)

        return Poller(
            self._feeds,
            cursors,
            looking,
            self._metrics.looked,
            workers=self._settings.collect.workers,
            host_interval=self._settings.collect.host_interval,
            may_take=self._may_take,
        )

    def _push(self) -> Any:
        intake = Intake(self._pushed, self._ledger, self._sender, self._outlets)
        return push_application(self._settings.push, intake, self._sender, self._pressure, self._metrics)

    def _read_files(self, stop: threading.Event) -> None:
        """Look at each file in turn, and on while there is more."""
        while True:
            more = False
            for source in self._files:
                if stop.is_set():
                    return
                if self._may_take():
                    more |= self._read_file(source)
            if not more and stop.wait(LOOK_SECONDS):
                return

    def _read_file(self, source: Source) -> bool:
        """Whether there was anything to read."""
        try:
            batch = read_on(source, self._outlets, self._ledger.cursor(source.name), datetime.now(UTC))
            if batch is None:
                return False
            if batch.lost:
                log.warning("%s: what was being read is gone or was emptied; reading %s", source.name, source.path)
                self._metrics.stumbled(source, "lost-place")
            new = self._sender.deliver(source.name, batch.records)
        except OSError as error:
            self._metrics.stumbled(source, "unreadable")
            log.warning("%s: cannot read %s: %s", source.name, source.path, error.strerror or error)
            return False
        except TocsinError:
            return False  # Kafka gave something up: the service ends
        self._ledger.move(source.name, batch.cursor)
        refused = sum(record.topic == self._outlets.letters for record in new)
        self._metrics.read_lines(source, len(new) - refused, refused, batch.behind)
        return True

    def _watch_lag(self, stop: threading.Event) -> None:
        """Take nothing more while enrich has too much to do."""
        while True:
            self._look_at_lag()
            if stop.wait(LAG_SECONDS):
                return

    def _look_at_lag(self) -> None:
        try:
            with admin(self._settings.kafka) as client, broker_errors(self._settings.kafka, "reading the lag"):
                waiting = sum(lag.lag for lag in lags(client, Topics(self._settings.kafka)) if lag.service == "enrich")
        except TocsinError as error:
            log.info("how much waits is not known: %s", error)
            return
        most = self._settings.collect.most_waiting
        self._pressure.why = f"{waiting:,} records wait for enrich, {most:,} at most" if waiting > most else ""
        self._metrics.held_back.set(bool(self._pressure.why))
