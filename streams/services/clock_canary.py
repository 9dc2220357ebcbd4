"""The canary: a document that goes through everything, to show that the bell would ring."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from processors.clock import bucket_start
from processors.identity import format_instant
from processors.messages import Canary, Document
from streams.topics import CANARY_SOURCE

TEXT: Final = (
    "This is a test of the alarm bell. Nothing happened and prices did not move today. "
    "Nobody has to do anything about this message."
)
"""English, so that the model labels it; it names no company."""

MISSED: Final = 3
"""So many intervals without a canary that came back mean that the bell may not work."""


def canary_document(now: datetime, interval: timedelta) -> Document:
    """The canary of the interval that `now` falls into: two clocks send the same, which counts once."""
    at = bucket_start(now, interval)
    return Document(id=format_instant(at), source=CANARY_SOURCE, kind="social", published_at=at, text=TEXT)


@dataclass(slots=True)
class CanaryWatch:
    """Which canary was sent last, which came back. Instants in UTC, `began` that of the clock."""

    interval: timedelta
    began: datetime
    sent: str = ""
    returned_at: datetime | None = None
    round_trip: float | None = None

    def due(self, now: datetime) -> Document | None:
        """The canary to send now, None where that of this interval was sent."""
        document = canary_document(now, self.interval)
        return document if document.id != self.sent else None

    def returned(self, canary: Canary, at: datetime) -> None:
        """A canary came back at `at`; of two, the later counts."""
        if self.returned_at is None or canary.published_at > self.returned_at:
            self.returned_at = canary.published_at
            self.round_trip = (at - canary.published_at).total_seconds()

    def seconds(self, now: datetime) -> float:
        """The age of the latest canary that came back; before there was one, since the clock began."""
        return (now - (self.returned_at or self.began)).total_seconds()

    def missing(self, now: datetime) -> bool:
        """Whether none came back for three intervals."""
        return self.seconds(now) > MISSED * self.interval.total_seconds()
