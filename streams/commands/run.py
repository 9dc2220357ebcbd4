"""`tocsin run NAME`: one service in this process."""

from typing import Annotated

import typer

from processors.errors import ConfigurationError
from streams.commands.options import Assignments, SettingsFile, settings_of


def run(
    name: Annotated[str, typer.Argument(help="enrich, detect, index or clock.", metavar="SERVICE")],
    adopt_settings: Annotated[
        bool, typer.Option("--adopt-settings", help="detect: go on though settings of detection changed; recorded.")
    ] = False,
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="detect: build a state that is missing or wrong again from the log.")
    ] = False,
    settings_file: SettingsFile = None,
    assignments: Assignments = None,
) -> None:
    """Run one service until it is told to stop (SIGTERM); more workers of the same share its partitions."""
    from streams.services.runner import SERVICES, run_service

    if name not in SERVICES:
        raise ConfigurationError(f"there is no service {name!r}: choose one of {', '.join(SERVICES)}")
    chosen = {"adopt_settings": adopt_settings, "rebuild": rebuild}
    flags = [f"detect.{flag}=true" for flag, given in chosen.items() if given]
    if flags and name != "detect":
        raise ConfigurationError(f"{name} has no --adopt-settings and no --rebuild: they are detect's")
    run_service(name, settings_of(settings_file, [*(assignments or ()), *flags]))
