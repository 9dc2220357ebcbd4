"""The deployment's files, read as its tools read them."""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = ROOT / "compose"

_VARIABLE = re.compile(r"\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?P<rest>(?::?[-?+])[^}]*)?\}")


@cache
def example() -> Mapping[str, str]:
    """What .env.example sets."""
    lines = (COMPOSE / ".env.example").read_text().splitlines()
    pairs = (line.partition("=") for line in lines if line.strip() and not line.startswith("#"))
    return {name: value for name, _, value in pairs}


def variables(text: str) -> Iterator[tuple[str, str]]:
    """Name of each variable in `text`, with what follows it in the braces (``:?``, ``:-default``)."""
    return ((found["name"], found["rest"] or "") for found in _VARIABLE.finditer(text))


def interpolated(text: str, values: Mapping[str, str]) -> str:
    """`text` with its variables replaced; a default counts only where `values` has nothing."""

    def value(found: re.Match[str]) -> str:
        given = values.get(found["name"], "")
        rest = found["rest"] or ""
        if not given and rest.startswith(":?"):
            raise ValueError(f"{found['name']} has to be set")
        return given or rest.removeprefix(":-")

    return _VARIABLE.sub(value, text)


@cache
def deployment() -> Any:
    """docker-compose.yml with the values of .env.example."""
    return yaml.safe_load(interpolated((COMPOSE / "docker-compose.yml").read_text(), example()))


def services() -> Mapping[str, Any]:
    """The services of the deployment."""
    found: Mapping[str, Any] = deployment()["services"]
    return found
