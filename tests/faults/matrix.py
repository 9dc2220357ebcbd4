"""The fault matrix: its scenarios as they are declared, and where their modules are found.

A scenario is one function that does something terrible to a deployment under load. It says nothing of whether records
were lost or doubled: when it returns, the frame waits until all is done and has the ledger judge.
"""

import pkgutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Final, TypeVar

import scenarios
from reverted import MEASURES
from trial import Trial

LONGEST: Final = 600.0
"""Seconds that a case may take, judging included; a scenario that needs more says why beside its limit."""

Run = Callable[[Trial], None]
F = TypeVar("F", bound=Run)

_DECLARED: dict[str, "Scenario"] = {}


@dataclass(frozen=True, slots=True)
class Scenario:
    """One row of the matrix, or a part of one. `seeds` are its cases; `settings` those of its deployment, by
    ``section.field``; with `own_servers` it gets servers that no other case has; `quick` is one of the chosen few."""

    row: int
    name: str
    proves: str
    run: Run
    seeds: Sequence[int] = (1,)
    limit: float = LONGEST
    quick: bool = False
    own_servers: bool = False
    settings: Mapping[str, str] = field(default_factory=dict)

    def cases(self) -> list["Case"]:
        """One for each seed."""
        return [Case(self, seed) for seed in self.seeds]


@dataclass(frozen=True, slots=True)
class Case:
    """One run of a scenario: its seed decides everything that chance decides."""

    scenario: Scenario
    seed: int
    reverted: str = ""
    """The safety measure that it is to fail without."""

    @property
    def name(self) -> str:
        """Unique; also that of its files and of its prefix."""
        return f"without-{self.reverted}" if self.reverted else f"{self.scenario.name}-{self.seed}"


def scenario(
    row: int,
    proves: str,
    *,
    seeds: int = 1,
    limit: float = LONGEST,
    quick: bool = False,
    own_servers: bool = False,
    settings: Mapping[str, str] | None = None,
) -> Callable[[F], F]:
    """Declare a function as a scenario of that row; its name becomes the scenario's. `proves` is one sentence."""

    def declare(run: F) -> F:
        name = run.__name__.replace("_", "-")
        assert name not in _DECLARED, f"two scenarios are called {name}"
        _DECLARED[name] = Scenario(
            row, name, proves, run, tuple(range(1, seeds + 1)), limit, quick, own_servers, settings or {}
        )
        return run

    return declare


def declared() -> list[Scenario]:
    """Every scenario of every module in the folder ``scenarios``, by row."""
    for module in pkgutil.iter_modules(scenarios.__path__):
        import_module(f"scenarios.{module.name}")
    return sorted(_DECLARED.values(), key=lambda one: (one.row, one.name))


def counter_proofs() -> list[Case]:
    """For each safety measure, the scenario that has to fail without it."""
    scenarios = {scenario.name: scenario for scenario in declared()}
    return [Case(scenarios[measure.scenario], 1, measure.name) for measure in MEASURES.values()]
