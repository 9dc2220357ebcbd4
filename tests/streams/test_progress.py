"""Progress tells what is going on from the first byte."""

from datetime import UTC, datetime
from pathlib import Path

from streams.pipeline import ModelLabeller
from streams.progress import ReplayProgress
from streams.replay import replay_documents
from streams.settings import Settings
from streams.testkit import WordClassifier


def test_a_replay_tells_every_byte_it_reads_before_it_begins(tmp_path: Path) -> None:
    source = tmp_path / "in.jsonl"
    source.write_bytes(b"null\n" * 1000)
    steps: list[int] = []

    class Telling(ReplayProgress):
        def reading(self, size: int) -> None:
            super().reading(size)
            steps.append(size)

        def progress(self, done: int, total: int | None) -> None:
            super().progress(done, total)
            steps.append(0)

    with Telling([source]) as bar:
        labeller = ModelLabeller(WordClassifier())
        now = datetime.now(UTC)
        replay_documents([source], tmp_path / "out", Settings(), labeller, now=now, observer=bar, reading=bar.reading)

    assert sum(steps) == source.stat().st_size
    assert steps[0] > 0
    assert steps[-1] == 0
