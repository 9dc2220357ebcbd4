"""What tests share: the shipped model's split of the development data, and a tiny world to train in."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tiny import tiny_config, write_encoder, write_rows

from models.config import DEFAULT_CONFIG, TrainingConfig, load_config
from models.datasets import Example
from models.splits import divide


@pytest.fixture(scope="session")
def divided(data_dir: Path) -> tuple[list[Example], list[Example]]:
    """(learnt, held out) of the default configuration."""
    return divide(load_config(DEFAULT_CONFIG), data_dir)


@pytest.fixture(scope="session")
def encoder_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_encoder(tmp_path_factory.mktemp("encoder"))


@pytest.fixture(scope="session")
def data_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_rows(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="session")
def config(encoder_folder: Path) -> TrainingConfig:
    return tiny_config(encoder_folder)


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """Threads that wait for one another cost a network this small more than they gain."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
