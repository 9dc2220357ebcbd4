"""`tocsin doctor`: what is wrong with a machine or a configuration, and how to mend it."""

import typer

from processors.errors import ConfigurationError
from streams import terminal
from streams.commands.options import Assignments, SettingsFile, settings_of


def doctor(settings_file: SettingsFile = None, assignments: Assignments = None) -> None:
    """Check this machine, the settings and everything that they lead to; exit code 1 where Tocsin could not work."""
    from streams.doctor.deployment import examine_deployment
    from streams.doctor.finding import Finding, findings_table
    from streams.doctor.machine import examine_machine

    with terminal.console(err=True).status("examining"):
        findings = list(examine_machine())
        try:
            settings = settings_of(settings_file, assignments)
        except ConfigurationError as error:
            findings.append(Finding("fail", "settings", str(error), "nothing that they name was looked at"))
        else:
            findings += [Finding("ok", "settings", "every one is known and in range"), *examine_deployment(settings)]
    terminal.console(width=160).print(findings_table(findings))
    failed = sum(finding.level == "fail" for finding in findings)
    if failed:
        typer.echo(f"{failed} to mend", err=True)
        raise typer.Exit(1)
