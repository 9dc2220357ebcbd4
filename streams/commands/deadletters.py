"""`tocsin deadletters`: what was refused, and sending it again."""

from typing import Annotated, get_args

import typer

from processors.errors import ConfigurationError
from streams import terminal
from streams.commands.options import Assignments, SettingsFile, settings_of

app = typer.Typer(help="Refused records: why, from where, and again.", no_args_is_help=True)

Reason = Annotated[str | None, typer.Option(help="Only those refused for this reason.")]
StageOption = Annotated[
    str | None, typer.Option("--stage", help="Only those refused at this stage: enrich, detect, index or deliver.")
]


@app.command("list")
def list_letters(
    reason: Reason = None,
    stage: StageOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line, with the original.")] = False,
    settings_file: SettingsFile = None,
    assignments: Assignments = None,
) -> None:
    """Print the dead letters that are kept, oldest first."""
    with terminal.console(err=True).status("reading the dead letters"):  # from here on: the imports take a while too
        from streams.letters import read_letters
        from streams.letters_view import as_line, letters_table

        letters = read_letters(settings_of(settings_file, assignments), reason, _known(stage))
    if as_json:
        for kept in letters:
            typer.echo(terminal.escaped_json(as_line(kept).decode()))
    elif letters:
        terminal.console().print(letters_table(letters))
        terminal.console().print(f"{len(letters):,} dead letters. One in full: tocsin deadletters show ID", style="dim")
    else:
        said = [f"for the reason {reason!a}"] * bool(reason) + [f"at the stage {stage}"] * bool(stage)
        typer.echo(" ".join(["No dead letters", *said]) + ".")


@app.command()
def show(
    id: Annotated[str, typer.Argument(help="Id of the dead letter, or how it begins.")],
    original: Annotated[
        bool, typer.Option("--original", help="Nothing but the bytes that are kept, as they were.")
    ] = False,
    settings_file: SettingsFile = None,
    assignments: Assignments = None,
) -> None:
    """Print one dead letter: what was wrong, how to mend it, and what is kept of the original."""
    from streams.letters import find_letter, mend_of, original_of, read_letters
    from streams.letters_view import letter_details
    from streams.topics import Topics

    settings = settings_of(settings_file, assignments)
    kept = find_letter(read_letters(settings), id)
    if original:
        typer.get_binary_stream("stdout").write(original_of(kept.letter))
    else:
        terminal.console().print(letter_details(kept, mend_of(kept.letter, Topics(settings.kafka))))


@app.command()
def replay(
    ids: Annotated[list[str] | None, typer.Argument(help="Ids, or how they begin.", metavar="[ID]...")] = None,
    reason: Annotated[
        str | None, typer.Option(help="All that were refused for this reason and not replayed yet.")
    ] = None,
    stage: StageOption = None,
    again: Annotated[bool, typer.Option("--again", help="Also what was replayed before.")] = False,
    settings_file: SettingsFile = None,
    assignments: Assignments = None,
) -> None:
    """Send the originals to the topics that they came from again, each once, as after a mend or an update.

    What is not kept whole, did not come from such a topic or was replayed before is not sent, and said; then the exit code is
    1. A replay that was interrupted goes on where it was.
    """
    from streams.letters import find_letter, read_letters, replay_letters

    if bool(ids) == bool(reason or stage):
        raise ConfigurationError("name the dead letters to replay, or their --reason or --stage, not both")
    settings = settings_of(settings_file, assignments)
    letters = read_letters(settings, reason, _known(stage))
    due = (kept for kept in letters if again or kept.begun or not kept.replayed)
    wanted = [find_letter(letters, id) for id in ids] if ids else list(due)
    done = replay_letters(settings, wanted, again=again)
    for one in done:
        terminal.echo(f"{one.letter.id}: " + (f"sent to {one.where}" if one.where else f"not sent: {one.refusal}"))
    sent = sum(bool(one.where) for one in done)
    typer.echo(f"{sent:,} of {len(done):,} sent again")
    if sent < len(done):
        raise typer.Exit(1)


def _known(stage: str | None) -> str | None:
    """The stage as it was given. Raises ConfigurationError for one that there is not."""
    from processors.messages import Stage

    if stage is not None and stage not in get_args(Stage):
        raise ConfigurationError(f"there is no stage {stage!a}: choose from {', '.join(get_args(Stage))}")
    return stage
