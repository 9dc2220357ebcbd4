"""Safety measures that can be reverted in a running service, to see that the matrix notices."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Measure:
    """What is reverted in which service, and the scenario that has to fail then."""

    service: str
    scenario: str
    tells: str
    revert: Callable[[], None]


MEASURES: Final[dict[str, Measure]] = {}
