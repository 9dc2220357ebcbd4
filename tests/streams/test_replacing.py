"""A file is replaced by a whole one or not at all."""

import os
from pathlib import Path

import pytest

from streams.replacing import replaced


def test_the_former_stays_until_the_clean_end(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("former")
    with replaced(path) as part:
        part.write_text("new")
        assert path.read_text() == "former"
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_after_a_failure_the_former_stands_and_the_part_is_gone(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("former")
    with pytest.raises(KeyboardInterrupt), replaced(path) as part:
        part.write_text("half")
        raise KeyboardInterrupt
    assert path.read_text() == "former"
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_stays_one_and_a_pipe_is_written_as_it_is(tmp_path: Path) -> None:
    real, link, pipe = tmp_path / "real", tmp_path / "link", tmp_path / "pipe"
    real.write_text("former")
    link.symlink_to(real)
    with replaced(link) as part:
        part.write_text("new")
    assert link.is_symlink()
    assert real.read_text() == "new"
    os.mkfifo(pipe)
    with replaced(pipe) as place:
        assert place == pipe
    assert pipe.is_fifo()
