"""How settings are shown: as a table for reading, and as a TOML file to start from."""

import json
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from rich.box import SIMPLE_HEAD
from rich.table import Table

from streams.settings import Resolution, declarations, value_of


def settings_table(resolution: Resolution) -> Table:
    """Every setting with its value, default, unit, description, and where the value came from."""
    table = Table(box=SIMPLE_HEAD)
    table.add_column("setting", no_wrap=True)
    table.add_column("value", overflow="fold")
    table.add_column("unit", no_wrap=True)
    table.add_column("what it does")
    table.add_column("from", overflow="fold")
    for path, declaration in declarations().items():
        value = _shown(path, value_of(resolution.settings, path))
        source = resolution.sources.get(path)
        origin = f"{source} (default {_toml(declaration.default)})" if source else "default"
        style = "bold" if source else ""
        table.add_row(path, value, declaration.unit, declaration.description, origin, style=style)
    return table


def settings_toml(resolution: Resolution) -> str:
    """A TOML file that gives these settings: what is at its default stands as a comment, so that defaults can move."""
    lines = ["# Settings of Tocsin. Lines that begin with # show the defaults.\n"]
    section = ""
    for path, declaration in declarations().items():
        table, _, name = path.rpartition(".")
        if table != section:
            lines.append(f"\n[{table}]\n")
            section = table
        unit = f" ({declaration.unit})" if declaration.unit else ""
        allowed = f"; one of {', '.join(get_args(declaration.type))}" if get_origin(declaration.type) is Literal else ""
        comment = "" if path in resolution.sources else "# "
        lines.append(f"# {declaration.description}{unit}{allowed}\n")
        lines.append(f"{comment}{name} = {_shown(path, value_of(resolution.settings, path))}\n")
    return "".join(lines)


def _shown(path: str, value: Any) -> str:
    """The value as TOML; of a password only that there is one."""
    return '"***"' if path.endswith(".password") and value else _toml(value)


def _toml(value: Any) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(map(_toml, value))}]"
    return json.dumps(str(value) if isinstance(value, Path) else value, ensure_ascii=False)
