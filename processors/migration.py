"""State of the version before, brought into today's form: what `processors.state` reads as well."""

from collections.abc import Callable, Mapping
from typing import Any, Final

_SURE: Final = 100  # the weight of a story that was simply labelled
_UNIT: Final = 0.75  # of weights, as long as none were counted


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
        incident = [*incident]
        for place in (5, 8):  # what was told last, and the loudest
            incident[place] = _assessment(incident[place])
    return [incident, used, unusual]


def _assessment(packed: Any) -> Any:
    hours, start, end, negatives, stories, mean, shape, alpha, beta, per_year, by_count, by_share = packed
    asked = by_share is not None
    share = 0.0 if asked else None
    return [
        hours, start, end, negatives, negatives, stories, mean, shape, 1.0, alpha, beta, per_year, by_count, share, asked
    ]  # fmt: skip


UPGRADES: Final[Mapping[str, Callable[[Any], Any]]] = {
    "baseline": _baseline,
    "bucket": _bucket,
    "identities": _identities,
    "incident": _incident,
    "pool": _pool,
}
"""By kind of piece: its content, of the version before the present one, in the form of the present one."""
