"""The detector of one partition: mentions or wide records and ticks go in; alerts and closed buckets come out."""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple, Self

from processors.clock import Clock
from processors.detection import DetectorSettings
from processors.messages import Alert, Mention, SeriesPoint, Tick, WideRecord


class Outcomes(NamedTuple):
    """What one event brought about. `changed` names the pieces of state that must be written with it."""

    alerts: tuple[Alert, ...] = ()
    points: tuple[SeriesPoint, ...] = ()
    changed: frozenset[str] = frozenset()


class Detector:
    """All series of one partition.

    A partition of the mentions carries companies, each with its own identities, stories and series; the wide
    partition carries topics, sectors, sources and the market, with identities and stories in common.
    What is reported of one company does not depend on which others share its partition, except through what is
    pooled over the partition: the priors that young and thin series lean on, the feed's own silence (a gap is
    not a zero), the warm-up and the present model.

    Deterministic: equal events in equal order give equal outcomes and equal state, also when the state was
    serialised and restored in between.
    """

    def __init__(self, settings: DetectorSettings) -> None:
        """An empty detector: it rings when it has seen `warm_up_days` of history."""
        raise NotImplementedError

    def apply(self, event: Mention | WideRecord | Tick, clock: Clock) -> Outcomes:
        """Count one event. `clock` is the state of time after it; only ticks make time-driven work due.

        A document that is late, or whose identity its owner knows already, changes nothing. An alert's `at` is
        the later of the clock and the document that rang.

        Raises PoisonError for a record that cannot be processed (``unknown-time-zone``, ``bad-signature``). After
        any exception the state is as before.
        """
        raise NotImplementedError

    def pieces(self, keys: Iterable[str] | None = None) -> Iterator[tuple[str, bytes | None]]:
        """The state as (key, JSON) pieces of at most 64 KiB, all of them or those of `keys`; None is a tombstone.

        Floats are written so that they read back exactly (unlike in messages).
        """
        raise NotImplementedError

    @classmethod
    def restore(cls, settings: DetectorSettings, pieces: Mapping[str, bytes]) -> Self:
        """The detector whose `pieces()` these are. Raises InvariantError naming a piece that does not fit."""
        raise NotImplementedError
