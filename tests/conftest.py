"""Fixtures shared by all tests."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("tocsin", deadline=None)  # judge behaviour, not how busy the machine is
settings.load_profile("tocsin")

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of the development data sets; skips where it is absent."""
    folder = Path(os.environ.get("TOCSIN_DATA", ROOT.parent / "shared" / "data"))
    if not (folder / "tweets-2014.jsonl.gz").exists():
        pytest.skip(f"the development data are not at {folder}: set TOCSIN_DATA")
    return folder
