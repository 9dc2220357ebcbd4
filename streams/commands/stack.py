"""`tocsin stack`: Kafka, Elasticsearch and Triton on this machine, without containers, for development and tests."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from processors.errors import ConfigurationError
from streams import terminal
from streams.commands.options import Assignments, SettingsFile, settings_of

if TYPE_CHECKING:
    from rich.console import Console

    from streams.settings import ClassifierSettings
    from streams.stack.ports import Ports
    from streams.stack.stack import Stack

app = typer.Typer(
    help="Kafka, Elasticsearch and Triton on this machine, without containers, on loopback only.", no_args_is_help=True
)

Folder = Annotated[
    Path | None,
    typer.Option(
        "--folder",
        help="Where the stack keeps data and logs; one stack for each folder.",
        show_default="$XDG_STATE_HOME/tocsin/stack, else ~/.local/state/tocsin/stack; for root /var/lib/tocsin/stack",
    ),
]
PORTS_HELP = "First of a block of ports, for a stack beside another; as before, or the usual ones, if absent."


@app.command()
def up(
    servers: Annotated[
        list[str] | None, typer.Argument(metavar="[SERVER]...", help="kafka, elasticsearch, triton; all if absent.")
    ] = None,
    with_service: Annotated[
        bool, typer.Option("--with-service", help="Run the services too, and restart what ends.")
    ] = False,
    folder: Folder = None,
    ports_from: Annotated[int | None, typer.Option(metavar="N", help=PORTS_HELP)] = None,
    settings_file: SettingsFile = None,
    assignments: Assignments = None,
) -> None:
    """Fetch what is missing, start what does not run, and wait until it is ready; it goes on in the background."""
    from streams.services.runner import services_of
    from streams.stack.ports import Ports
    from streams.stack.stack import SERVERS, recorded_ports
    from streams.stack.views import print_addresses
    from streams.topics_admin import create_topics

    unknown = set(servers or ()) - set(SERVERS)
    if unknown:
        raise ConfigurationError(f"there is no server {min(unknown)!r}: choose from {', '.join(SERVERS)}")
    if with_service and servers:
        raise ConfigurationError("--with-service needs all servers: name none")
    ports = Ports.from_block(ports_from) if ports_from is not None else recorded_ports(_place(folder)) or Ports()
    console = terminal.console(err=True)
    options = _options(settings_file, assignments)
    names = services_of(settings_of(settings_file, assignments))
    stack = _stack(folder, ports, options, console, names)
    here = [f"{name}={value}" for name, value in stack.settings.items()]
    settings = settings_of(settings_file, [*(assignments or ()), *here])
    wanted = servers or SERVERS
    with console.status("starting the stack"):
        if "triton" in wanted and stack.triton.pid is None:
            _write_models(settings.classifier, stack.triton.models)
        stack.up(wanted)
        if with_service:
            create_topics(settings)
            stack.services.start()
    print_addresses(stack, terminal.console())


@app.command()
def down(folder: Folder = None) -> None:
    """Stop it; its data stay where they are."""
    console = terminal.console(err=True)
    with console.status("stopping the stack"):
        _existing(folder, console).down()


@app.command()
def status(folder: Folder = None) -> None:
    """Show what runs, where, and how much memory it takes; exit code 1 where something is not ready or nothing runs."""
    from streams.stack.views import status_table

    states = _existing(folder, terminal.console(err=True)).status()
    terminal.console(width=160).print(status_table(states))
    running = [state for state in states if state.pid is not None]
    if not running or not all(state.ready for state in running):
        raise typer.Exit(1)


@app.command()
def logs(
    name: Annotated[str | None, typer.Argument(help="kafka, elasticsearch, triton or services; all if absent.")] = None,
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, help="How many of the last lines of each.")] = 20,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what is written from now on.")] = False,
    folder: Folder = None,
) -> None:
    """Print what the parts have written."""
    from streams.stack.views import follow_logs

    parts = _existing(folder, terminal.console(err=True)).parts
    if name is not None and name not in parts:
        raise ConfigurationError(f"there is no part {name!r} of a stack: choose from {', '.join(parts)}")
    chosen = [parts[name]] if name else list(parts.values())
    for line in follow_logs({part.name: part.process for part in chosen}, lines, follow=follow):
        terminal.echo(line)


def _write_models(wanted: "ClassifierSettings", repository: Path) -> None:
    """Leaves a repository that serves the model `wanted` beside versions that were pushed, and those of other languages."""
    from models.repository import CURRENT, MODEL_NAME, read_package, write_repository
    from models.versions import versions_in
    from processors.model_input import served_name

    if (repository / MODEL_NAME / CURRENT).is_symlink():
        packaged, others = read_package(wanted.model), [read_package(folder) for folder in wanted.others]
        beside = [repository / served_name(MODEL_NAME, each.languages) / str(each.number) for each in others]
        if all(folder.is_dir() for folder in beside) and any(
            version.packaged.hash == packaged.hash for version in versions_in(repository)
        ):
            return
        raise ConfigurationError(
            f"{repository} holds pushed versions, and not every model of classifier.model and classifier.others: set "
            f"classifier.model to {repository / MODEL_NAME / CURRENT} and classifier.others to what it serves, or move that "
            "folder away to have it written anew"
        )
    write_repository(repository, wanted.model, "python", "cpu", others=wanted.others)


def _options(settings_file: Path | None, assignments: list[str] | None) -> tuple[str, ...]:
    """The same options again, for the services."""
    file = ("--settings", str(settings_file)) if settings_file else ()
    return (*file, *(word for assignment in assignments or () for word in ("--set", assignment)))


def _place(folder: Path | None) -> Path:
    from streams.stack.stack import state_folder

    return folder or state_folder(os.environ)


def _stack(
    folder: Path | None,
    ports: "Ports | None",
    options: tuple[str, ...],
    console: "Console",
    names: tuple[str, ...] | None = None,
) -> "Stack":
    from streams.stack.stack import Stack

    return Stack(
        _place(folder),
        ports,
        service_options=options,
        service_names=names,
        say=lambda line: console.print(line, soft_wrap=True),
    )


def _existing(folder: Path | None, console: "Console") -> "Stack":
    from streams.stack.stack import recorded_ports

    ports = recorded_ports(_place(folder))
    if ports is None:
        raise ConfigurationError(
            f"there is no stack in {_place(folder)}: name another with --folder; `tocsin stack up` makes one"
        )
    return _stack(folder, ports, (), console)
