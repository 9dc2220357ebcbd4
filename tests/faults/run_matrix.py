"""The fault matrix, unattended: every case on the real servers, judged by the ledgers, reported on one page.

    PYTHONPATH=. python tests/faults/run_matrix.py [--quick] [--only NAME,…] [--list]

A case whose result is kept for this commit is not run again; `--only` runs what it names in any case. It ends with 0 if
everything is as it has to be.
"""

import argparse
import random
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Final, Self

from deployment import Deployment
from fault_report import write_report
from faulty_servers import faulty_servers, go_wrong
from matrix import Case, counter_proofs, declared
from results import Result, Store, commit, machine_load
from reverted import MEASURES
from trial import FEW_PARTITIONS, Trial
from witness import Witness

from streams.stack.stack import Stack

MANY: Final = 500
"""Records under which something has to ring."""


def main() -> int:
    """Run what is asked for and not known yet; 1 if anything of it is wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a chosen few with little work, for every change")
    parser.add_argument("--only", help="scenarios or cases, with commas between")
    parser.add_argument("--list", action="store_true", help="what there is")
    arguments = parser.parse_args()
    cases = chosen(arguments.quick, arguments.only)
    if not cases:
        parser.error(f"no scenario is called {arguments.only}")
    if arguments.list:
        for case in cases:
            print(f"{case.scenario.row:3} {case.name:32} {case.scenario.proves}")
        return 0
    store = Store(commit(), quick=arguments.quick)
    with Servers(store.folder / "servers") as servers:
        for number, case in enumerate(cases, start=1):
            result = None if arguments.only else store.get(case.name)
            known = result is not None
            if result is None:
                say(f"{case.name}: {case.scenario.proves}")
                little = arguments.quick or bool(case.reverted)
                result = run_case(case, servers, store.folder / "cases" / case.name, quick=little)
                store.keep(result)
            say(f"{number}/{len(cases)} {result.line()}{' (known)' if known else ''}")
            write_report(store)
    results = [result for case in cases if (result := store.get(case.name))]
    failed = [result.case for result in results if not result.passed]
    print(f"{len(results) - len(failed)} of {len(results)} passed; the report is {store.folder / 'report.html'}")
    return 1 if failed else 0


def chosen(quick: bool, only: str | None) -> list[Case]:
    """The cases to run, in the order of the matrix, counter-proofs last: all, those of `only`, or of each of the quick
    scenarios the first."""
    cases = [case for scenario in declared() for case in scenario.cases()]
    if only:
        names = set(only.split(","))
        named = [case for case in cases if names & {case.name, case.scenario.name}]
        return named + [case for case in counter_proofs() if case.name in names]
    if quick:
        return [case for case in cases if case.scenario.quick and case.seed == 1]
    return cases + counter_proofs()


class Servers:
    """Those that cases share, started when they are needed; made anew after a case that failed or had its own."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._stack: Stack | None = None
        self._held = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.drop()

    def get(self) -> Stack:
        """All of them, ready and in order."""
        if self._stack is None:
            say("starting Kafka, Elasticsearch and Triton")
            self._stack = self._held.enter_context(faulty_servers(self._logs))
        go_wrong(self._stack, "")
        self._stack.up()
        return self._stack

    def drop(self) -> None:
        """End them."""
        self._stack = None
        self._held.close()


def run_case(case: Case, servers: Servers, folder: Path, *, quick: bool) -> Result:
    """Run one case and judge it; whatever goes wrong is among the faults of its result."""
    scenario = case.scenario
    result = Result(
        case.name, scenario.name, scenario.row, case.seed, scenario.proves, commit(), now(), quick, case.reverted
    )
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    if scenario.own_servers:
        servers.drop()
    began = time.monotonic()
    trial: Trial | None = None
    try:
        stack = servers.get()
        own = {"kafka.prefix": case.name, "elasticsearch.prefix": case.name}
        settings = {**stack.settings, **FEW_PARTITIONS, **own, **scenario.settings}
        witness = Witness(stack.kafka.address, case.name, stack.elasticsearch.address, case.name)
        with limited(scenario.limit), Deployment(folder, settings) as deployment:
            if case.reverted:
                revert(case.reverted, deployment, stack)
            deployment.command("topics", "create")
            trial = Trial(stack, deployment, witness, case.seed, quick, say, random.Random(f"{case.name}"))
            scenario.run(trial)
            judge(trial, result)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is this case's, and the next one goes on
        result.faults.append(f"{type(error).__name__}: {error}")
        (folder / "traceback.txt").write_text(traceback.format_exc())
    if trial is not None:
        result.hits = dict(trial.done)
        result.recoveries = [(r.service, r.fault, round(r.seconds, 2)) for r in trial.recoveries]
        result.ended_by_themselves = dict(trial.deployment.restarts)
        result.notes = trial.notes
    result.seconds = round(time.monotonic() - began, 1)
    result.load = machine_load()
    if (result.faults and not case.reverted) or scenario.own_servers:
        servers.drop()
    else:
        shutil.rmtree(folder)
    return result


def revert(name: str, deployment: Deployment, stack: Stack) -> None:
    """Take a safety measure away from what is about to run."""
    measure = MEASURES[name]
    if measure.service == "model":
        go_wrong(stack, "neighbours")
    else:
        deployment.reverted[measure.service] = (f"revert:{name}",)


def judge(trial: Trial, result: Result) -> None:
    """The ledgers' verdict."""
    judged = trial.judge()
    result.faults += judged.verdict.faults
    result.records, result.indexed = judged.records, judged.verdict.indexed
    result.duplicates, result.dead_letters = judged.verdict.duplicates, dict(judged.verdict.dead)
    result.alerts, result.offsets = judged.alerts, judged.offsets
    if result.records > MANY and not result.alerts:
        result.faults.append(f"nothing rang over {result.records:,} records: that alerts are right was not seen")
    if judged.delays:
        result.longest_alarm_delay = round(max(delay.seconds for delay in judged.delays), 2)


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Raises TimeoutError in the block when its time is over."""

    def over(number: int, frame: FrameType | None) -> None:
        raise TimeoutError(f"not done after {seconds:.0f} s")

    before = signal.signal(signal.SIGALRM, over)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def now() -> str:
    """In UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def say(line: str) -> None:
    """Progress."""
    print(f"{time.strftime('%H:%M:%S')} {line}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
