"""Sentences from parts: a small grammar of templates, read from ``texts.toml``."""

import re
import tomllib
from collections.abc import Callable, Mapping
from functools import cache
from importlib.resources import files
from random import Random
from typing import Any, Final

_SLOT: Final = re.compile(r"\{([a-z0-9_]+)\}")
_MONTHS: Final = ("January", "February", "March", "April", "May", "June", "July", "August", "November", "December")

_NUMBERS: Final[Mapping[str, Callable[[Random], str]]] = {
    "smallpct": lambda rng: f"{rng.uniform(0.1, 1.4):.1f}%",
    "pct": lambda rng: f"{min(9.8, 0.8 + rng.lognormvariate(0.7, 0.6)):.1f}%",
    "bigpct": lambda rng: f"{rng.uniform(10.5, 29):.0f}%",
    "smallcount": lambda rng: str(rng.randint(4, 9)),
    "count": lambda rng: str(rng.randint(11, 970)),
    "price": lambda rng: str(round(rng.lognormvariate(4.6, 0.7))),
    "price2": lambda rng: str(round(rng.lognormvariate(4.6, 0.7))),
    "cents": lambda rng: f"{rng.uniform(0.12, 1.9):.2f}",
    "usd": lambda rng: rng.choice((f"${rng.randint(12, 940)} million", f"${rng.uniform(1.1, 9.6):.1f} billion")),
    "month": lambda rng: rng.choice(_MONTHS),
}


class Writer:
    """Writes texts by drawing from the parts with `rng`: equal seeds write equal texts."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._parts = _parts()

    def write(self, symbol: str, context: Mapping[str, str]) -> str:
        """One text for `symbol` (a dotted path of ``texts.toml``) with every slot filled, its first letter a capital.

        A slot is looked up in `context`, then among the numbers, then among the shared parts. Raises KeyError for
        a symbol or slot that does not exist.
        """
        text = self.fill(self.template(symbol), context)
        return text[:1].upper() + text[1:]

    def template(self, symbol: str) -> str:
        """One of the templates for `symbol`, as it stands."""
        return self._rng.choice(self._parts[symbol])

    def sentences(self, symbol: str, context: Mapping[str, str], count: int) -> list[str]:
        """`count` texts for `symbol` from different templates, or as many as there are."""
        templates = self._parts[symbol]
        chosen = self._rng.sample(templates, min(count, len(templates)))
        return [text[:1].upper() + text[1:] for text in (self.fill(template, context) for template in chosen)]

    def fill(self, template: str, context: Mapping[str, str]) -> str:
        """`template` with every slot filled, slots of slots too."""

        def value(match: re.Match[str]) -> str:
            name = match.group(1)
            if name in context:
                return context[name]
            if name in _NUMBERS:
                return _NUMBERS[name](self._rng)
            return self.fill(self._rng.choice(self._parts[_qualified(name, self._parts)]), context)

        return _SLOT.sub(value, template)


def _qualified(slot: str, parts: Mapping[str, Any]) -> str:
    for prefix in ("parts", "wide", "chinese"):
        if f"{prefix}.{slot}" in parts:
            return f"{prefix}.{slot}"
    raise KeyError(slot)


@cache
def _parts() -> Mapping[str, list[str]]:
    """Every list of ``texts.toml`` by its dotted path; a single string is a list of one."""
    flat: dict[str, list[str]] = {}

    def collect(table: Mapping[str, Any], path: str) -> None:
        for name, value in table.items():
            if isinstance(value, dict):
                collect(value, f"{path}{name}.")
            else:
                flat[f"{path}{name}"] = [value] if isinstance(value, str) else value

    collect(tomllib.loads(files("streams.demo").joinpath("texts.toml").read_text("utf-8")), "")
    return flat
