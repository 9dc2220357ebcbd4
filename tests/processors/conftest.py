"""What tests of the detector share."""

import pytest
from detector_events import DAYS, EARLY, NOON, Partition, history

from processors.detector import Detector


@pytest.fixture(scope="module")
def ordinary_pieces() -> tuple[dict[str, bytes], Partition]:
    """The state after two ordinary weeks of one company among three."""
    partition = Partition()
    partition.feed(history(DAYS) + history(DAYS, "GLOBEX", 4) + history(DAYS, "INITECH", 2, 0))
    partition.tick(NOON - 1)
    return partition.state(), partition


@pytest.fixture
def ordinary(ordinary_pieces: tuple[dict[str, bytes], Partition]) -> Partition:
    """A partition of one's own after two ordinary weeks."""
    pieces, before = ordinary_pieces
    partition = Partition()
    partition.detector, partition.clock = Detector.restore(EARLY, pieces), before.clock
    return partition
