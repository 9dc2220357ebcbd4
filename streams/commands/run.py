"""`tocsin run NAME`: one service in this process."""

from pathlib import Path
from typing import Annotated

import typer

from processors.errors import ConfigurationError
from streams.commands.options import Assignments, SettingsFile, settings_of


def run(
    name: Annotated[
        str, typer.Argument(help="enrich, detect, index, clock, collect, web or deliver.", metavar="SERVICE")
    ],
    adopt_settings: Annotated[
        bool, typer.Option("--adopt-settings", help="detect: go on though settings of detection changed; recorded.")
    ] = False,
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="detect: build a state that is missing or wrong again from the log.")
    ] = False,
    from_: Annotated[
        Path | None,
        typer.Option("--from", metavar="DIR", help="web: what `tocsin demo` or `tocsin replay` left in a folder."),
    ] = None,
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
    if from_ is not None:
        if name != "web":
            raise ConfigurationError(f"{name} has no --from: it is web's")
        flags.append(f"web.store={from_}")
    run_service(name, settings_of(settings_file, [*(assignments or ()), *flags]))
