"""An alarm's reason in plain English."""

import math
from typing import Final

from processors.messages import Alert

_EVENTS: Final = {
    "open": "",
    "escalate": "louder now: ",
    "update": "still rising: ",
    "revise": "revised, as documents came late or proved to be one story: ",
    "close": "over; at its height ",
}


def reason_of(alert: Alert, name: str) -> str:
    """The alarm's reason in plain English, one line: a pure function of the alert's numbers (not of `id` and `reason`).

    `name` is what people call the series: a company's name, a topic, a source.
    """
    if alert.kind == "no-data":
        return f"{name}: {_silence(alert)}"
    event = "told from here on by another incident; at its height " if alert.continued_by else _EVENTS[alert.event]
    parts = [event + "; ".join(_findings(alert)), f"by chance {how_often(alert.chance_per_year)}"]
    if alert.terms:
        parts.append("leading words: " + ", ".join(term.term for term in alert.terms))
    if alert.coordinated:
        parts.append("part of it is one text pushed by many accounts, which did not count")
    if alert.silent_below and alert.event != "close":
        parts.append(f"with less than {alert.silent_below:g} it would have kept silent")
    first, *others = parts
    return f"{name}: {'. '.join([first, *(other[0].upper() + other[1:] for other in others)])}."


def how_often(per_year: float) -> str:
    """How often chance alone rings so loudly: ``about 4 times a year``, ``about once in 40 years``; two digits."""
    if per_year >= 1.5:
        return f"about {_rounded(per_year)} times a year"
    if per_year > 0.75:
        return "about once a year"
    if per_year <= 1e-6:
        return "less than once in a million years"
    years = 1 / per_year
    return f"about once in {_rounded(years) if years >= 2 else f'{years:.1f}'} years"


def _findings(alert: Alert) -> list[str]:
    found = []
    if alert.count is not None:
        stories = "story" if alert.count.observed == 1 else "stories"
        found.append(
            f"{_number(alert.count.observed)} new {alert.polarity} {stories} in {_hours(alert.window_hours)} "
            f"where {_number(alert.count.expected)} {_are(alert.count.expected)} usual "
            f"(95 % interval {_number(alert.count.expected_low)}–{_number(alert.count.expected_high)})"
        )
    if alert.kind == "volume":
        found.append(
            f"the share of {alert.polarity} stories is not unusual" if alert.share else "shares were not tested"
        )
    elif alert.share is not None and alert.share.total:
        found.append(
            f"{_percent(alert.share.observed, alert.share.total)} of {alert.share.total} stories "
            f"are {alert.polarity}, usually {_percent(alert.share.expected, alert.share.total)}"
        )
    return found


def _silence(alert: Alert) -> str:
    hours = _hours(alert.window_hours)
    if alert.event == "close":
        return f"heard again after {hours} without a document."
    due = "" if alert.count is None else f"; by its usual rate {_number(alert.count.expected)} stories were due"
    return f"nothing for {hours}{due}. By chance {how_often(alert.chance_per_year)}."


def _rounded(number: float) -> str:
    return f"{round(number, 1 - math.floor(math.log10(number))):,.0f}"


def _number(number: float) -> str:
    if number >= 10 or number == int(number):
        return f"{number:,.0f}"
    return f"{number:.1f}" if number >= 0.05 else "fewer than 0.1"


def _are(number: float) -> str:
    return "is" if _number(number) == "1" else "are"


def _percent(part: float, whole: float) -> str:
    return f"{100 * part / whole:.0f} %"


def _hours(hours: float) -> str:
    if hours >= 48 and hours % 24 == 0:
        return f"{hours / 24:.0f} days"
    return "1 hour" if hours == 1 else f"{round(hours, 1):g} hours"
