"""How a partition of the log is taken over: what is found of it is judged before anything is applied.

Nothing is ever begun silently from zero: a state that is missing, or that log and group contradict, ends the service with
what is wrong and how to mend it, or is built again from the log where that was asked for.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from processors.detection import DetectorSettings
from processors.errors import ConfigurationError, InvariantError
from streams.applied import APPLIED, Adoption, differences
from streams.partition_detector import PartitionDetector, Place, applied_of

_LOG: Final = logging.getLogger("tocsin.detect")


@dataclass(frozen=True, slots=True)
class Found:
    """What the broker holds of one partition that was fenced.

    `log_start` and `log_end`: the first offset of the log and the one after its last. `committed`: the group's offset,
    None where there is none. `published`: the offset after the last record whose alerts or points are out, None
    where there are none. `pieces`: the state, ``_applied`` included.
    """

    log_start: int
    log_end: int
    committed: int | None
    published: int | None
    pieces: Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class Start:
    """What to begin with. `stale` are the keys of a state that the first thing to do is to delete."""

    detector: PartitionDetector
    stale: tuple[str, ...] = ()


def start(
    place: Place,
    found: Found,
    settings: DetectorSettings,
    origins: frozenset[str],
    *,
    adopt: bool = False,
    rebuild: bool = False,
) -> Start:
    """Where to begin with `place`: where its state says, at the log's start if there is nothing yet.

    `adopt` accepts settings that differ from the state's, `rebuild` builds a state anew that is not sound. Raises
    ConfigurationError, naming the mend, where going on would lose, double or falsify something.
    """
    reason = unsound(found)
    restored = None
    if reason is None:
        if APPLIED not in found.pieces:
            return Start(PartitionDetector.begin(place, settings, origins))
        try:
            _check_settings(place, found, settings, adopt)
            restored = PartitionDetector.restore(place, settings, origins, found.pieces)
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
        applied = applied_of(found.pieces)
    except InvariantError as error:
        return str(error)
    if found.committed is not None and found.committed > applied.offset:
        return f"its state is applied up to offset {applied.offset}, but {found.committed} was committed with a later state"
    if found.log_start > applied.offset:
        return (
            f"its state is applied up to offset {applied.offset}, but the log begins at {found.log_start}: "
            f"{found.log_start - applied.offset:,} records were deleted unread (kafka.result_days)"
        )
    if found.log_end < applied.offset:
        return f"its state is applied up to offset {applied.offset}, but the log ends at {found.log_end}"
    return None


def _check_settings(place: Place, found: Found, settings: DetectorSettings, adopt: bool) -> None:
    adopted = applied_of(found.pieces).adopted
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
    if APPLIED in found.pieces:
        try:
            applied = applied_of(found.pieces)
            known += [applied.offset, applied.silent_below]
        except InvariantError:
            pass
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
    return Start(detector, tuple(sorted(found.pieces)))
