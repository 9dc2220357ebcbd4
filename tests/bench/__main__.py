"""All benchmarks of the service in one run on this machine: a table, and JSON under ``runs/bench``.

Triton runs on one core with one thread and everything else on the others, wherever the shipped model is part of what is
measured; the rest has the whole machine. A part that fails says so in its row, and the others still run.

    python tests/bench [--quick] [--only NAME …] [--out DIR]
"""

import argparse
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import mkdtemp

from delay import publish_to_alarm
from others import detect, index
from report import ROOT, Figure, Report, measured
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rig import Rig
from throughput import against_a_first_attempt, against_the_bare_model, scaling, with_an_instant_model

from processors.errors import TocsinError

PARTS: dict[str, tuple[str, Callable[[Rig], Iterator[Figure]]]] = {
    "model": ("enrich and the bare model", against_the_bare_model),
    "first": ("the work as a user would first write it", against_a_first_attempt),
    "delay": ("the whole service at half load", publish_to_alarm),
    "instant": ("enrich alone", with_an_instant_model),
    "scale": ("more workers of enrich, a model that answers at once", scaling),
    "detect": ("detect", detect),
    "index": ("index", index),
}


def main() -> None:
    """Run the parts, show what is going on, print and keep what was found; exit code 1 where a part failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a small run of everything: figures not to be quoted")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), metavar="NAME", help=", ".join(PARTS))
    parser.add_argument("--out", type=Path, default=ROOT / "runs" / "bench", help="folder for the JSON")
    arguments = parser.parse_args()

    report, console = Report(arguments.quick), Console()
    folder = Path(mkdtemp(prefix="tocsin-bench-"))
    folder.chmod(0o755)  # Elasticsearch of root's runs as another user
    columns = (
        SpinnerColumn(),
        MofNCompleteColumn(),
        BarColumn(20),
        TimeElapsedColumn(),
        TextColumn("{task.description}"),
    )
    try:
        with Progress(*columns, console=Console(stderr=True)) as progress:
            task = progress.add_task("", total=len(arguments.only))
            titles = [PARTS[name][0] for name in arguments.only]
            current = ""

            def say(text: str) -> None:
                progress.update(task, description=f"{current}: {text}")

            with Rig(folder, arguments.quick, say) as rig:
                for title, name in zip(titles, arguments.only, strict=True):
                    current = title
                    say("begins")
                    report.parts.append(part := measured(title, PARTS[name][1](rig)))
                    if part.error:
                        keep_logs(folder, arguments.out / f"{name}-logs")
                    progress.advance(task)
    except KeyboardInterrupt:
        console.print("interrupted: this is what was found before")
    except TocsinError as error:
        console.print(f"the servers did not end as they should: {error}", style="red")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    console.print(report.table())
    console.print(f"kept in {report.write(arguments.out)}")
    sys.exit(any(part.error for part in report.parts))


def keep_logs(folder: Path, out: Path) -> None:
    """What servers and workers wrote, in `out`, for whoever wants to know why a part failed."""
    out.mkdir(parents=True, exist_ok=True)
    for log in folder.rglob("*.log"):
        shutil.copy(log, out / "-".join(log.relative_to(folder).parts))


if __name__ == "__main__":
    main()
