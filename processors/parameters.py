"""How a setting is declared: beside its default stand its unit and what it does.

Settings are frozen dataclasses whose fields are made by `parameter`; `streams.settings` reads them from
TOML, environment and flags, refuses unknown keys and prints them. Declared here, so that the thinking
parts own their parameters without knowing where values come from.
"""

from dataclasses import field
from typing import Any


def parameter(default: Any, description: str, *, unit: str = "") -> Any:
    """A dataclass field with `default`, a one-sentence `description` and a `unit` (empty for counts and names)."""
    metadata = {"description": description, "unit": unit}
    if isinstance(default, list | dict | set):
        raise TypeError("a default must be immutable: use a tuple or a frozen dataclass")
    return field(default=default, metadata=metadata)
