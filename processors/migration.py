"""State of the version before, brought into today's form: what `processors.state` reads as well."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from processors.seasons import HOUR

_SURE: Final = 100  # the weight of a story that was simply labelled
_UNIT: Final = 0.75  # of weights, as long as none were counted
_QUIET_HOURS: Final = 12


def _bucket(packed: Any) -> Any:
    negative, neutral, positive, stories, negatives, revision, told, others = packed
    told = [[*entry, _SURE] for entry in told]
    return [negative, neutral, positive, stories, negatives, _SURE * negatives, revision, told, others]


def _identities(packed: Any) -> Any:
    return {key: at and [at[0], _SURE if at[1] else 0, at[2]] for key, at in packed.items()}


def _baseline(packed: Any) -> Any:
    day, exposure, _, stories, epoch, negatives, labelled, *moments = packed
    return [day, exposure, stories, epoch, labelled, negatives, _UNIT * negatives, *moments]


def _pool(packed: Any) -> Any:
    _, stories_rate, share, _, stories_rates, shares, *others = packed
    return [stories_rate, share, _UNIT, stories_rates, shares, *others, share]


def _incident(packed: Any) -> Any:
    incident, used, unusual = packed
    if incident is not None:
        *first, told, told_at, loud_at, peak, tier, listed, sequence = incident
        closes_at = loud_at + max(_QUIET_HOURS, told[0]) * HOUR
        incident = [*first, _assessment(told), told_at, loud_at, closes_at, _assessment(peak), tier, listed, sequence]
    return [incident, used, unusual]


def _assessment(packed: Any) -> Any:
    """The share was a condition alone: of one that was higher, the count's chance was told."""
    *first, by_count, by_share, is_higher = packed
    negatives, unit = packed[3], packed[8]
    share_chance = None if by_share is None else 0.0
    return [*first, by_count, by_share, max(negatives / unit, 1.0), share_chance, is_higher]


UPGRADES: Final[Mapping[str, Callable[[Any], Any]]] = {
    "baseline": _baseline,
    "bucket": _bucket,
    "identities": _identities,
    "incident": _incident,
    "pool": _pool,
}
"""By kind of piece: its content, of the version before the present one, in the form of the present one."""
