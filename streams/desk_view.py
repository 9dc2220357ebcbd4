"""`tocsin desk simulate`: what desks would have rung, day by day, beside what chance alone would ring at most."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from streams.alert_view import TIER_STYLES, event_reason, subject
from streams.desks import Rung
from streams.names import Names
from streams.terminal import visible

_WIDTH: Final = 40
_LISTED: Final = 5
_FAINT: Final = "dim"


def rung_view(rung: Rung, since: datetime, until: datetime, names: Names) -> RenderableType:
    """What one desk would have rung in [since, until)."""
    desk, days = rung.desk, max((until - since) / timedelta(days=1), 1.0)
    a_day = len(rung.alerts) / days
    head = Text.assemble(
        (visible(desk.name), "bold"),
        f": {len(rung.alerts):,} of {rung.watched:,} incidents in {days:,.0f} days, {a_day:.2g} a day",
        (f"; {rung.held} of them held until quiet hours end" if rung.held else "", _FAINT),
    )
    bound = Text(
        f"{desk.size:,} series (the topics of a company as one) share {desk.budget:g} false alarms a day: by chance at most "
        f"{desk.budget * days:,.1f} of these. "
        f"What chance rings at most {desk.threshold:.3g} times a year in one series passes, from tier {desk.least} on.",
        style=_FAINT,
    )
    return Group(head, Padding(Group(bound, *_days(rung), *_loudest(rung, names)), (0, 0, 1, 2)))


def _days(rung: Rung) -> Iterator[Text]:
    most = max(rung.by_day.values(), default=1)
    for day, count in sorted(rung.by_day.items()):
        bar = "█" * max(1, round(_WIDTH * count / max(most, _WIDTH)))
        yield Text.assemble(f"{day:%a %d %b %Y}  ", (bar, "cyan"), f" {count}")


def _loudest(rung: Rung, names: Names) -> Iterator[Text]:
    loudest = sorted(rung.alerts, key=lambda alert: (alert.chance_per_year, alert.id))[:_LISTED]
    for alert in loudest:
        tier = (f"{alert.tier:<6} ", TIER_STYLES[alert.tier])
        what = f" {event_reason(alert)}"
        yield Text.assemble(
            (f"{alert.at:%d %b %H:%M} ", _FAINT), tier, subject(alert, names), what, overflow="ellipsis"
        )
