"""`tocsin deadletters`: what was refused, and sending it again."""

from typing import Annotated

import typer

from processors.errors import ConfigurationError
from streams import terminal
from streams.commands.options import Assignments, SettingsFile, settings_of

app = typer.Typer(help="Refused records: why, from where, and again.", no_args_is_help=True)

Reason = Annotated[str | None, typer.Option(help="Only those refused for this reason.")]


@app.command("list")
def list_letters(
    reason: Reason = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line, with the original.")] = False,
    settings_file: SettingsFile = None,
    assignments: Assignments = None,
) -> None:
    """Print the dead letters that are kept, oldest first."""
    with terminal.console(err=True).status("reading the dead letters"):  # from here on: the imports take a while too
        from streams.letters import read_letters
        from streams.letters_view import as_line, letters_table

        letters = read_letters(settings_of(settings_file, assignments), reason)
    if as_json:
        for kept in letters:
            typer.echo(terminal.escaped_json(as_line(kept).decode()))
    elif letters:
        terminal.console().print(letters_table(letters))
        terminal.console().print(f"{len(letters):,} dead letters. One in full: tocsin deadletters show ID", style="dim")
    else:
        typer.echo("No dead letters" + (f" for the reason {reason!a}." if reason else "."))


@app.command()
def show(
    id: Annotated[str, typer.Argument(help="Id of the dead letter, or how it begins.")],
    settings_file: SettingsFile = None,
    assignments: Assignments = None,
) -> None:
    """Print one dead letter with what is kept of the original."""
    from streams.letters import find_letter, read_letters
    from streams.letters_view import letter_details

    kept = find_letter(read_letters(settings_of(settings_file, assignments)), id)
    terminal.console().print(letter_details(kept))


@app.command()
def replay(
    ids: Annotated[list[str] | None, typer.Argument(help="Ids, or how they begin.", metavar="[ID]...")] = None,
    reason: Annotated[
        str | None, typer.Option(help="All that were refused for this reason and not replayed yet.")
    ] = None,
    settings_file: SettingsFile = None,
    assignments: Assignments = None,
) -> None:
    """Send the originals to the input topics that they came from again, as after a mend or an update.

    What is not kept whole, or did not come from an input topic, is not sent, and said; then the exit code is 1.
    """
    from streams.letters import find_letter, read_letters, replay_letters

    if bool(ids) == bool(reason):
        raise ConfigurationError("name the dead letters to replay, or their --reason, not both")
    settings = settings_of(settings_file, assignments)
    letters = read_letters(settings, reason)
    wanted = [find_letter(letters, id) for id in ids] if ids else [kept for kept in letters if not kept.replayed]
    done = replay_letters(settings, wanted)
    for one in done:
        terminal.echo(f"{one.letter.id}: " + (f"sent to {one.where}" if one.where else f"not sent: {one.refusal}"))
    sent = sum(bool(one.where) for one in done)
    typer.echo(f"{sent:,} of {len(done):,} sent again")
    if sent < len(done):
        raise typer.Exit(1)
