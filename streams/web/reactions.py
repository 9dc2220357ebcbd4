"""What people did about incidents, folded from the feedback that they gave."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from processors.messages import Feedback, FeedbackKind
from streams.web.plain import plain

JUDGEMENTS: Final[tuple[FeedbackKind, ...]] = ("useful", "false-alarm", "wrong-label", "wrong-company")


@dataclass
class Handling:
    """One incident as people left it."""

    acknowledged: Feedback | None = None
    assignee: str = ""
    judgements: list[Feedback] = field(default_factory=list)

    def record(self) -> dict[str, Any]:
        """For the page."""
        return {
            "acknowledged": plain(self.acknowledged),
            "assignee": self.assignee,
            "judgements": [plain(feedback) for feedback in self.judgements],
        }


@dataclass(frozen=True, slots=True)
class Reactions:
    """All of it: by incident, and until when which series is muted (wall-clock time)."""

    handled: Mapping[str, Handling]
    mutes: Mapping[str, datetime]

    def of(self, incident: str) -> Handling:
        """How the incident was handled."""
        return self.handled.get(incident) or Handling()

    def muted_until(self, series: str, now: datetime) -> datetime | None:
        """When the mute of `series` ends; None where it is not muted at `now`."""
        until = self.mutes.get(series)
        return until if until is not None and until > now else None


def reactions_of(feedback: Iterable[Feedback]) -> Reactions:
    """The reactions that `feedback` (oldest first) amounts to; of one person's judgements on the same thing the latest
    counts."""
    handled: defaultdict[str, Handling] = defaultdict(Handling)
    mutes: dict[str, datetime] = {}
    for one in feedback:
        handling = handled[one.incident]
        if one.kind in JUDGEMENTS:
            same = (one.by, one.document)
            handling.judgements = [other for other in handling.judgements if (other.by, other.document) != same]
            handling.judgements.append(one)
        elif one.kind == "acknowledge":
            handling.acknowledged = one
        elif one.kind == "assign":
            handling.assignee = one.assignee or ""
        elif one.kind == "mute" and one.until is not None:
            mutes[one.series] = one.until
        elif one.kind == "unmute":
            mutes.pop(one.series, None)
    return Reactions(handled, mutes)
