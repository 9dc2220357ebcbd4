"""One alert as a list shows it: its numbers, without most of its evidence. The page makes sentences of them."""

from math import log10
from typing import Any, Final

from processors.messages import Alert
from streams.web.plain import plain

_HEADLINE: Final = 240
_TERMS: Final = 4

_FIELDS: Final = (
    "id incident continued_by sequence event kind tier series series_kind company topic sector source polarity at "
    "opened_at window_end window_hours count share chance_per_year rung silent_below coordinated"
).split()


def brief_of(alert: Alert) -> dict[str, Any]:
    """`alert` with its leading terms and the first line of its first piece of evidence."""
    record: dict[str, Any] = plain({name: getattr(alert, name) for name in _FIELDS})
    record["terms"] = [term.term for term in alert.terms[:_TERMS]]
    record["documents"] = len(alert.evidence)
    if alert.evidence:
        first = alert.evidence[0]
        record["headline"] = first.excerpt.strip().partition("\n")[0][:_HEADLINE]
        record["headline_source"] = first.source
    return record


def surprise_of(alert: Alert) -> float:
    """−log10 of the chance of what it counted, as `SeriesPoint.surprise`; 0 where it counted nothing."""
    return -log10(max(alert.count.chance, 1e-300)) if alert.count else 0.0
