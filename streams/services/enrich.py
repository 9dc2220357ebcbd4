"""enrich: documents in; labelled documents, mentions, wide records and ticks out. Faust reads, Triton labels.

At least once: a record is acknowledged after all that it became is safe, in order; whoever reads what enrich writes
takes the same identity once. Any doubt ends the process, and the next start begins at what was acknowledged.
"""

import asyncio
import gc
import threading
from collections.abc import Awaitable
from datetime import timedelta
from typing import Final

from processors.enrichment import Enricher
from processors.errors import RetryableError
from processors.language import language_of
from streams.services.enrich_app import EnrichApp, make_app
from streams.services.enrich_intake import Intake, Place
from streams.services.enrich_kafka import InputLog, Publisher
from streams.services.enrich_line import Line
from streams.services.enrich_metrics import EnrichMetrics
from streams.services.enrich_models import TritonModels, load_inputs
from streams.services.enrich_records import Composer
from streams.services.monitor import Monitor
from streams.services.resilience import Breaker
from streams.settings import Settings, load_master, settings_hash
from streams.topics import Topics
from streams.topics_admin import check_topics

LOOK_SECONDS: Final = 0.5
"""Between two looks at whether to stop, and at what the metrics show."""

DRAIN_SECONDS: Final = 6.0
"""For what is in hand when told to stop; what is not done by then is done again by whoever comes next."""

LEAVE_SECONDS: Final = 3.0
"""For leaving the group; after that it notices by itself."""

YOUNG_OBJECTS: Final = 50_000
"""New containers between two looks of the garbage collector; a batch makes that many, which die by themselves."""


def run(settings: Settings, monitor: Monitor, stop: threading.Event) -> None:
    """Work until `stop` is set, then finish what is in hand. See `streams.services.runner`."""
    check_topics(settings)
    service = _Enrich(settings, monitor, stop)
    gc.collect()
    gc.freeze()  # dictionaries and code stay for good: the collector need not look at them again
    gc.set_threshold(YOUNG_OBJECTS, 20, 20)
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    # No asyncio.run: after a failure nothing more may run, not even cleaning up.
    loop.run_until_complete(service.serve())


class _Enrich:
    def __init__(self, settings: Settings, monitor: Monitor, stop: threading.Event) -> None:
        self._settings, self._monitor, self._stop = settings, monitor, stop
        self._topics = Topics(settings.kafka)
        # Before the models' files, whose memory malloc would not give back piece by piece: 40 MB less.
        language_of("Was der erste Text lädt, wird jetzt geladen.", None)
        self._inputs = load_inputs(settings.classifier)
        models = [inputs.model for inputs in self._inputs]
        self._enricher = Enricher(
            load_master(settings),
            models,
            settings_hash(settings),
            timedelta(hours=settings.detection.lateness_hours),
        )
        self._metrics = EnrichMetrics(monitor.registry, models)
        self._breaker = Breaker()

    async def serve(self) -> None:
        """Start, work until told to stop, drain."""
        settings, topics, progress = self._settings, self._topics, self._monitor.progress
        models = TritonModels(
            settings.triton, settings.services, self._inputs, self._breaker, waiting=progress.waits_for
        )
        if not await self._unless_stopped(models.check()):
            return
        log, publisher = InputLog(settings.kafka, topics.group("enrich")), Publisher(settings.kafka)
        await log.start()
        await publisher.start()
        kinds = {name: kind for kind, (name, _) in topics.inputs.items()}
        tolerance = timedelta(seconds=settings.enrich.future_tolerance)
        intake = Intake(kinds, log, self._enricher, tolerance, self._metrics.hole)
        line = Line(intake, models, Composer(topics, self._enricher), publisher, self._metrics, progress.made)
        app = make_app(settings.kafka, settings.enrich, line.take)
        await app.start()
        await self._watch(app, intake, line)
        await self._drain(app, line)

    async def _watch(self, app: EnrichApp, intake: Intake, line: Line) -> None:
        """Return when told to stop. Raises what ended the line, RetryableError where Faust ended by itself."""
        progress = self._monitor.progress
        shown: set[Place] = set()
        while not self._stop.is_set():
            await asyncio.wait([line.failed], timeout=LOOK_SECONDS)
            if line.failed.done():
                line.failed.result()
            if app.crashed or app.should_stop:
                raise RetryableError(f"Faust ended by itself ({app.crash_reason!r}): starting again goes on")
            self._metrics.breaker("triton", self._breaker)
            lags = await _lags(app, intake)
            for place in shown - lags.keys():
                self._metrics.forget(place)
            shown = set(lags)
            for place, lag in lags.items():
                self._metrics.lag(place, lag)
            if line.idle and not any(lags.values()):
                progress.made()

    async def _drain(self, app: EnrichApp, line: Line) -> None:
        """Finish what is in hand, commit it, leave the group: each as far as the time allows."""
        # Not wait_for: that waits until what it cancels has ended, which may take for ever.
        await asyncio.wait([asyncio.ensure_future(line.close())], timeout=DRAIN_SECONDS)
        await asyncio.wait([asyncio.ensure_future(app.stop())], timeout=LEAVE_SECONDS)

    async def _unless_stopped(self, work: Awaitable[None]) -> bool:
        """Whether `work` was done before the service was told to stop."""
        task = asyncio.ensure_future(work)
        while not task.done() and not self._stop.is_set():
            await asyncio.wait([task], timeout=LOOK_SECONDS)
            self._metrics.breaker("triton", self._breaker)
        if not task.done():
            task.cancel()
            return False
        task.result()
        return True


async def _lags(app: EnrichApp, intake: Intake) -> dict[Place, int]:
    """How many records of each of our partitions were not read yet; none where the broker has not said."""
    lags = {}
    for partition in app.consumer.assignment():
        place = partition.topic, partition.partition
        end = app.consumer.highwater(partition)
        at = intake.next_offset(place)
        if at is None:
            at = await app.consumer.position(partition)
        if end is not None and at is not None:
            lags[place] = max(0, end - at)
    return lags
