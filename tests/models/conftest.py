"""The shipped model's split of the development data, made once for all tests."""

from pathlib import Path

import pytest

from models.config import DEFAULT_CONFIG, load_config
from models.datasets import Example
from models.splits import divide


@pytest.fixture(scope="session")
def divided(data_dir: Path) -> tuple[list[Example], list[Example]]:
    """(learnt, held out) of the default configuration."""
    return divide(load_config(DEFAULT_CONFIG), data_dir)
