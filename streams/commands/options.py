"""The options that every command with settings takes, and what they resolve to."""

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from processors.errors import ConfigurationError

if TYPE_CHECKING:
    from streams.settings import Resolution, Settings

SettingsFile = Annotated[
    Path | None,
    typer.Option("--settings", envvar="TOCSIN_SETTINGS", help="TOML file; `tocsin settings --toml` prints one."),
]
Assignments = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="SECTION.FIELD=VALUE", help="Override one setting; may be given more than once."),
]


def settings_of(settings_file: Path | None, assignments: list[str] | None) -> "Settings":
    """The settings in force. Raises ConfigurationError for anything unknown or out of range."""
    return resolution_of(settings_file, assignments).settings


def resolution_of(settings_file: Path | None, assignments: list[str] | None) -> "Resolution":
    """As `settings_of`, with the origin of each value."""
    from streams.settings import resolve_settings

    flags = {}
    for assignment in assignments or ():
        name, equals, value = assignment.partition("=")
        if not equals:
            raise ConfigurationError(f"--set {assignment}: write it as --set section.field=value")
        flags[name.strip()] = value.strip()
    return resolve_settings(settings_file, os.environ, flags)


def instant_of(text: str) -> datetime:
    """The instant that an option names (RFC 3339), in UTC. Raises ConfigurationError for anything else."""
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigurationError(f"{text!r} is no instant: write it as 2014-01-31T16:05:00Z") from None
    if instant.tzinfo is None:
        raise ConfigurationError(f"{text!r} has no time zone: append Z for UTC")
    return instant.astimezone(UTC)
