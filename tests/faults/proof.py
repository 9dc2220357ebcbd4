"""What is proven of a run when it is over: the ledger's verdict, alerts against a replay of the log, both against the files."""

import gzip
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from deployment import Deployment
from ledger import Verdict, judge
from witness import Witness

Bucket = tuple[str, str]
Counts = tuple[int, ...]

IN_ORDER: Final = {"detection.ahead_seconds": "0"}
"""By this setting nothing is judged before the clock has passed it: what a feed sent in order rings as a replay of its file."""


@dataclass(frozen=True, slots=True)
class Alarms:
    """Alerts up to where the clock came, of the service and of a replay of the files, and how many are alike to the byte."""

    served: int
    replayed: int
    alike: int


@dataclass
class Proof:
    """How much was judged, and the verdict: input records, documents by status, alerts, incidents by kind, buckets, and
    alerts beside those of the files."""

    verdict: Verdict
    records: int
    statuses: Counter[str]
    alerts: int
    incidents: Counter[str]
    buckets: int
    alarms: Alarms


def prove(
    deployment: Deployment, witness: Witness, files: Sequence[Path], folder: Path, labels: Path | None = None
) -> Proof:
    """Judge a deployment that was fed `files` and is done; everything that is wrong is among the verdict's faults.

    The files are replayed by the model itself, or with the classifications in `labels`, documents of an earlier replay.
    """
    records, documents = witness.inputs(), list(witness.indexed("documents"))
    verdict = judge(records, documents, witness.letters())
    verdict.faults += alert_faults(deployment, witness, folder)
    replay_files(deployment, witness, files, folder, labels)
    faults, buckets = bucket_faults(witness, folder)
    verdict.faults += faults + index_faults(witness)
    alarms, faults = alarms_beside_files(deployment, witness, folder)
    verdict.faults += faults
    alerts = [json.loads(value) for values in witness.by_partition("alerts").values() for value in values]
    return Proof(
        verdict,
        records=len(records),
        statuses=Counter("late" if d.source["late"] else d.source["status"] for d in documents),
        alerts=len(alerts),
        incidents=Counter(alert["kind"] for alert in alerts if alert["event"] == "open"),
        buckets=buckets,
        alarms=alarms,
    )


def alert_faults(deployment: Deployment, witness: Witness, folder: Path) -> list[str]:
    """Alerts and closed buckets must equal, byte for byte and in the order of each partition, a replay of the exported
    log."""
    deployment.command("export", "--out", str(folder / "log"), seconds=3600)
    deployment.command("replay", "--mentions", str(folder / "log"), "--out", str(folder / "relived"), seconds=3600)
    faults = []
    for topic, ending in (("alerts", ".jsonl"), ("series", ".jsonl.gz")):
        told = witness.by_partition(topic)
        files = (folder / "relived").glob(f"{topic}-*{ending}")
        relived = {int(file.name.removeprefix(f"{topic}-").removesuffix(ending)): file.name for file in files}
        for partition in sorted(told.keys() | relived.keys()):
            again = lines_of(folder / "relived", relived.get(partition, "nothing"))
            heard = told.get(partition, [])
            if heard != again:
                pairs = enumerate(zip(heard, again, strict=False))
                at = next((n for n, (a, b) in pairs if a != b), min(len(heard), len(again)))
                counts = f"{len(heard)} told, {len(again)} relived"
                faults.append(f"{topic}/{partition}: {counts}, different from number {at}")
    return faults


def replay_files(
    deployment: Deployment, witness: Witness, files: Sequence[Path], folder: Path, labels: Path | None
) -> None:
    """Replay the files themselves, companies pooled by partition as in the service."""
    known = ("--classifications", str(labels)) if labels else ()
    pools = ("--partitions", str(len(witness.ends("mentions"))))
    deployment.command("replay", *map(str, files), *known, *pools, "--out", str(folder / "files"), seconds=7200)


def alarms_beside_files(deployment: Deployment, witness: Witness, folder: Path) -> tuple[Alarms, list[str]]:
    """Alerts beside those of a replay of the files. Where nothing was judged before its time they must be the same, to
    the byte."""
    end = witness.clock()
    served = told_before(end, (value for values in witness.by_partition("alerts").values() for value in values))
    replayed = told_before(end, lines_of(folder / "files", "alerts.jsonl"))
    alarms = Alarms(served.total(), replayed.total(), (served & replayed).total())
    if not IN_ORDER.items() <= deployment.settings.items() or served == replayed:
        return alarms, []
    different = sorted((served - replayed) | (replayed - served))
    return alarms, [f"{alarms}: the first that differs is {different[0].decode()[:500]}"]


def told_before(end: datetime, alerts: Iterable[bytes]) -> Counter[bytes]:
    """The alerts of before an instant; the last documents of a feed still wait for a later tick."""
    return Counter(alert for alert in alerts if datetime.fromisoformat(json.loads(alert)["at"]) < end)


def bucket_faults(witness: Witness, folder: Path) -> tuple[list[str], int]:
    """The counts of every closed bucket must equal those of a replay of the files; and how many there are."""
    lived = latest_counts(json.loads(value) for values in witness.by_partition("series").values() for value in values)
    replayed = latest_counts(map(json.loads, lines_of(folder / "files", "series.jsonl.gz")))
    open_from = min(max((start for _, start in counts), default="") for counts in (lived, replayed))
    closed = [bucket for bucket in sorted(lived.keys() | replayed.keys()) if bucket[1] < open_from]
    faults = [
        f"bucket {bucket}: {lived.get(bucket)} lived, {replayed.get(bucket)} replayed"
        for bucket in closed
        if lived.get(bucket) != replayed.get(bucket)
    ]
    return faults, len(closed)


def index_faults(witness: Witness) -> list[str]:
    """Alerts and closed buckets must be in the index as they are on their topics."""
    faults = []
    told = {json.loads(value)["id"] for values in witness.by_partition("alerts").values() for value in values}
    held = [document.id for document in witness.indexed("alerts")]
    if sorted(held) != sorted(told):
        faults.append(f"{len(told)} alerts told, {len(held)} in the index")
    lived = latest_counts(json.loads(value) for values in witness.by_partition("series").values() for value in values)
    stored = latest_counts(document.source for document in witness.indexed("series"))
    if lived != stored:
        faults.append(
            f"{len(lived)} buckets told, {len(stored)} in the index, {len(lived.items() ^ stored.items())} differ"
        )
    return faults


def latest_counts(points: Iterable[Any]) -> dict[Bucket, Counts]:
    """What each bucket counted, in its latest revision.

    A bucket that counted nothing is as good as none: whether it is told depends on when a late document came, which is no
    matter of what was read.
    """
    latest: dict[Bucket, tuple[int, Counts]] = {}
    for point in points:
        counts = tuple(point[name] for name in ("negative", "neutral", "positive", "stories", "novel_negative"))
        bucket = (point["series"], point["start"])
        if bucket not in latest or point["revision"] >= latest[bucket][0]:
            latest[bucket] = (point["revision"], counts)
    return {bucket: counts for bucket, (_, counts) in latest.items() if any(counts)}


def lines_of(folder: Path, name: str) -> list[bytes]:
    """The lines of a file; none where there is no such file."""
    path = folder / name
    if not path.exists():
        return []
    content = path.read_bytes()
    return (gzip.decompress(content) if path.suffix == ".gz" else content).splitlines()
