"""How a partition of the log is taken over: what is found of it is judged before anything is applied.

The state was saved up to some record, alerts and points were published up to that one or a later one. The records in between
are applied again, telling nothing: the detector is deterministic, and a checksum over what was published proves that it
came to the same. Settings are adopted behind them only.

Nothing is ever begun silently from zero: a state that is missing, or that log and group contradict, ends the service with
what is wrong and how to mend it, or is built again from the log where that was asked for.
"""

import logging
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from processors.detection import DetectorSettings
from processors.errors import ConfigurationError, InvariantError, PoisonError
from streams.applied import APPLIED, PUBLISHED, Adoption, Applied, Published, differences, hash_of
from streams.partition_detector import LogRecord, PartitionDetector, Place, applied_of, published_of

_LOG: Final = logging.getLogger("tocsin.detect")

Read = Callable[[int, int], Iterable[LogRecord]]
"""Gives the records of the log from an offset (included) to another (excluded)."""


@dataclass(frozen=True, slots=True)
class Found:
    """What the broker holds of one partition that was fenced.

    `log_start` and `log_end`: the first offset of the log and the one after its last. `committed`: the group's offset,
    None where there is none. `published`: the offset after the last record of which alerts or points are found, None
    where there are none. `pieces`: the state, ``_applied`` and ``_published`` included.
    """

    log_start: int
    log_end: int
    committed: int | None
    published: int | None
    pieces: Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class Start:
    """What to begin with. `stale` are the keys of an unsound state that is to be deleted before anything is applied."""

    detector: PartitionDetector
    stale: tuple[str, ...] = ()


def start(
    place: Place,
    found: Found,
    settings: DetectorSettings,
    origins: frozenset[str],
    read: Read,
    *,
    adopt: bool = False,
    rebuild: bool = False,
    beat: Callable[[], None] = lambda: None,
) -> Start:
    """Where to begin with `place`: where all is published that its log brought about, at the log's start if there is
    nothing yet. `read` gives what has to be applied again for that, and `beat` is told of every step of it.

    `adopt` accepts settings that differ from the state's, `rebuild` builds a state anew that is not sound. Raises
    ConfigurationError, naming the mend, where going on would lose, double or falsify something.
    """
    reason = unsound(found)
    restored = None
    if reason is None:
        if APPLIED not in found.pieces:
            return Start(PartitionDetector.begin(place, settings, origins))
        _check_settings(place, applied_of(found.pieces), settings, adopt)
        try:
            restored = _restored(place, found, settings, origins, read, beat)
        except InvariantError as error:
            reason = str(error)
    if restored is not None:
        if found.committed is not None and found.committed < restored.offset:
            _LOG.warning(
                "%s: the group's offset %d was set back by somebody; it is for display: going on at %d, as the state says",
                *(place, found.committed, restored.offset),
            )
        return Start(restored)
    if not rebuild:
        raise ConfigurationError(
            f"detect cannot go on with {place}: {reason}. `tocsin run detect --rebuild` builds its state again from the "
            f"{found.log_end - found.log_start:,} records that the log holds, and tells nothing twice"
        )
    return _rebuilt(place, found, settings, origins, str(reason))


def unsound(found: Found) -> str | None:
    """Why the state cannot be gone on with; None where nothing speaks against it, or nothing was ever applied."""
    if APPLIED not in found.pieces:
        if found.pieces:
            return f"its state has {len(found.pieces):,} pieces, but not the record {APPLIED} that says how far it goes"
        if found.published is not None:
            return f"its state is gone, though what the log up to offset {found.published} brought about is published"
        if found.committed:
            return f"its state is gone, though the group has committed offset {found.committed}"
        if found.log_start:
            return f"it has no state, and the log no longer begins at 0 but at {found.log_start}"
        return None
    try:
        saved, reached = applied_of(found.pieces).offset, published_of(found.pieces).offset
    except InvariantError as error:
        return str(error)
    if found.committed is not None and found.committed > reached:
        return f"it is published up to offset {reached}, but {found.committed} was committed with a later state"
    if found.log_start > saved:
        return (
            f"its state was saved at offset {saved}, but the log begins at {found.log_start}: "
            f"{found.log_start - saved:,} records that are not in the state were deleted (kafka.result_days)"
        )
    if found.log_end < reached:
        return f"it is published up to offset {reached}, but the log ends at {found.log_end}"
    return None


def _restored(
    place: Place,
    found: Found,
    settings: DetectorSettings,
    origins: frozenset[str],
    read: Read,
    beat: Callable[[], None],
) -> PartitionDetector:
    """The detector as it was when it published last, with `settings` from there on. Raises InvariantError."""
    applied, published = applied_of(found.pieces), published_of(found.pieces)
    if applied.offset == published.offset and not published.steps:
        return PartitionDetector.restore(place, settings, origins, found.pieces)
    try:
        former = applied.adopted.restored()
    except ConfigurationError:
        raise InvariantError(
            f"its state was saved at offset {applied.offset}, what follows up to {published.offset} was judged by the "
            "settings of another release, which alone can apply it again: start and stop that one once more"
        ) from None
    detector = PartitionDetector.restore(place, former, origins, found.pieces)
    detector.catch_up(read(applied.offset, published.offset), published, beat)
    if detector.is_amid and hash_of(settings) != applied.adopted.hash:
        raise ConfigurationError(
            f"{place} was left in the midst of what the record at offset {detector.offset} brings about: start detect once "
            "more with the former settings, then adopt the new ones"
        )
    detector.adopt(settings)
    return detector


def _check_settings(place: Place, applied: Applied, settings: DetectorSettings, adopt: bool) -> None:
    adopted = applied.adopted
    present = Adoption.of(settings, 0)
    if adopted.hash == present.hash or adopt:
        return
    changed = "; ".join(differences(adopted.settings, present.settings))
    raise ConfigurationError(
        f"the settings of detection changed for {place}: {changed} (hash {adopted.hash} → {present.hash}). "
        "`tocsin run detect --adopt-settings` goes on with them and records from which offset on; or set the former"
    )


def _rebuilt(place: Place, found: Found, settings: DetectorSettings, origins: frozenset[str], reason: str) -> Start:
    """A detector at the log's start, silent up to where an earlier state had published."""
    known = [found.committed or 0, found.published or 0]
    with suppress(KeyError, PoisonError):
        known.append(Published.decode(found.pieces[PUBLISHED]).offset)
    with suppress(KeyError, PoisonError):
        applied = Applied.decode(found.pieces[APPLIED])
        known += [applied.offset, applied.silent_below]
    silent_below = max(known)
    if silent_below > found.log_end:
        raise ConfigurationError(
            f"the state of {place} cannot be built again: {reason}; it had reached offset {silent_below}, but the log ends "
            f"at {found.log_end}. The log was cut off or made anew: a new log needs a new kafka.prefix"
        )
    _LOG.warning(
        "%s: building its state again from offset %d on, silently up to %d, because %s%s",
        place,
        found.log_start,
        silent_below,
        reason,
        "; what was before is lost: baselines begin there, and nothing rings until they are warm"
        * bool(found.log_start),
    )
    detector = PartitionDetector.begin(place, settings, origins, offset=found.log_start, silent_below=silent_below)
    return Start(detector, tuple(sorted(found.pieces.keys() - {PUBLISHED})))
