"""What Prometheus would have scraped of services over some time, and what its own promtool says of rules on that.

The exposition is the services' own, text by text: of monitors in this process, of workers elsewhere, of servers. Only the
clock is a scenario's, so that six hours need no six hours.
"""

import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import isnan
from typing import Any, Final

import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.compose.compose_files import COMPOSE
from tests.compose.promtool import promtool

BEGIN: Final = 1_772_000_000
"""Seconds since 1970 at which a timeline begins."""

Target = Callable[[], str]
"""Gives the text of ``/metrics``, or raises OSError where nobody answers."""

Key = tuple[str, tuple[tuple[str, str], ...]]


@dataclass
class Timeline:
    """Scrapes `targets`, by job and instance, every `step` seconds of its own clock `now`."""

    targets: dict[tuple[str, str], Target]
    step: int = 15
    now: float = BEGIN
    samples: dict[Key, dict[int, float]] = field(default_factory=dict)
    ticks: int = 0

    def go_on(self, seconds: float, each: Callable[[], object] = lambda: None) -> None:
        """So many seconds pass; `each` happens before every scrape."""
        for _ in range(round(seconds / self.step)):
            each()
            for (job, instance), target in self.targets.items():
                own = {"job": job, "instance": instance}
                try:
                    text = target()
                except OSError:
                    self._add("up", own, 0.0)
                    continue
                self._add("up", own, 1.0)
                for family in text_string_to_metric_families(text):
                    for sample in family.samples:
                        self._add(sample.name, {**sample.labels, **own}, sample.value)
            self.ticks += 1
            self.now += self.step

    def firing(self, *rules: str) -> dict[str, bool]:
        """For each of the `rules`, whether it fired at any moment of the timeline."""
        when = f"[{self.ticks * self.step + 1}s:{self.step}s]"
        answers = {}
        for rule in rules:
            fired = f'max_over_time(count(ALERTS{{alertname="{rule}",alertstate="firing"}}){when}) > bool 0'
            answers[rule] = self._holds([(fired, self._end)])
        return answers

    def silent(self) -> str:
        """What promtool says against no rule having fired at any moment; empty where none has."""
        when = f"[{self.ticks * self.step + 1}s:{self.step}s]"
        expression = f'max_over_time(ALERTS{{alertstate="firing"}}{when})'
        return self._complaint([{"expr": expression, "eval_time": self._end, "exp_samples": []}])

    @property
    def _end(self) -> str:
        return f"{(self.ticks - 1) * self.step}s"

    def _holds(self, expressions: Sequence[tuple[str, str]]) -> bool:
        asked = [
            {"expr": expression, "eval_time": at, "exp_samples": [{"labels": "{}", "value": 1}]}
            for expression, at in expressions
        ]
        return not self._complaint(asked)

    def _complaint(self, asked: Sequence[Mapping[str, Any]]) -> str:
        series = [
            {
                "series": _named(*key),
                "values": " ".join(_value(values.get(tick), started) for tick, started in self._over(values)),
            }
            for key, values in self.samples.items()
        ]
        test = {
            "rule_files": [str(COMPOSE / "prometheus" / "rules.yml")],
            "evaluation_interval": f"{self.step}s",
            "tests": [
                {
                    "interval": f"{self.step}s",
                    "start_timestamp": BEGIN,
                    "input_series": series,
                    "promql_expr_test": list(asked),
                }
            ],
        }
        done = subprocess.run(
            [promtool(), "test", "rules", "/dev/stdin"],
            input=yaml.safe_dump(test),
            capture_output=True,
            text=True,
            check=False,
        )
        return "" if done.returncode == 0 else done.stdout + done.stderr

    def _over(self, values: Mapping[int, float]) -> list[tuple[int, bool]]:
        first = min(values)
        return [(tick, tick > first) for tick in range(self.ticks)]

    def _add(self, name: str, labels: Mapping[str, str], value: float) -> None:
        self.samples.setdefault((name, tuple(sorted(labels.items()))), {})[self.ticks] = value


def _named(name: str, labels: tuple[tuple[str, str], ...]) -> str:
    inside = ",".join(f'{label}="{_escaped(value)}"' for label, value in labels)
    return f"{name}{{{inside}}}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _value(value: float | None, started: bool) -> str:
    if value is None:
        return "stale" if started else "_"
    return "NaN" if isnan(value) else repr(float(value)).replace("inf", "Inf")
