"""What a detector knows about one window of one series at one moment: what an alarm's decision is told from."""

from typing import NamedTuple

from processors.baseline import Expectation, Prior
from processors.counts import Told
from processors.incidents import Assessment


class Account(NamedTuple):
    """`listed` are the novel stories of the window that lean towards the polarity, those of campaigns too, in order;
    `exposure` are its weighted hours. `expected` is what was believed of the series, of which `known_stories` (decayed)
    are its own, and `prior` what it leans on. `told` is what the open incident's latest event said, None where none is
    open; `warm`: whether anything rings yet."""

    listed: tuple[Told, ...]
    exposure: float
    expected: Expectation
    known_stories: float
    prior: Prior
    told: Assessment | None
    warm: bool
