"""`tocsin run NAME`: one service in this process."""

from typing import Annotated

import typer

from processors.errors import ConfigurationError
from streams.commands.options import Assignments, SettingsFile, settings_of


def run(
    name: Annotated[str, typer.Argument(help="enrich, detect, index or clock.", metavar="SERVICE")],
    settings_file: SettingsFile = None,
    assignments: Assignments = None,
) -> None:
    """Run one service until it is told to stop (SIGTERM); more workers of the same share its partitions."""
    from streams.services.runner import SERVICES, run_service

    if name not in SERVICES:
        raise ConfigurationError(f"there is no service {name!r}: choose one of {', '.join(SERVICES)}")
    run_service(name, settings_of(settings_file, assignments))
