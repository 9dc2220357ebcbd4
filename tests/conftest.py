"""Fixtures shared by all tests."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import settings

from streams.elastic_client import connect
from streams.service_settings import ElasticsearchSettings
from streams.stack.elasticsearch import Elasticsearch
from streams.stack.kafka import Kafka
from streams.stack.stack import Stack
from streams.stack.triton import Triton
from tests.faults.servers import real_servers

settings.register_profile("tocsin", deadline=None)  # judge behaviour, not how busy the machine is
settings.load_profile("tocsin")

STACK_FIXTURES = {"stack", "kafka", "elasticsearch", "triton"}

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of the development data sets; skips where it is absent."""
    folder = Path(os.environ.get("TOCSIN_DATA", ROOT.parent / "shared" / "data"))
    if not (folder / "tweets-2014.jsonl.gz").exists():
        pytest.skip(f"the development data are not at {folder}: set TOCSIN_DATA")
    return folder


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What needs servers runs file by file: each worker has one set of them for all of its files."""
    for item in items:
        if STACK_FIXTURES & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.xdist_group(item.path.name))
            item.add_marker(pytest.mark.joint)


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """The real servers on ports of their own, none of them started; what a test starts goes on to the end.

    Without the tools to run them, tests are skipped here and fail in continuous integration.
    """
    missing = [tool for tool in ("java", "mvn") if shutil.which(tool) is None]
    if missing:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"the servers need {' and '.join(missing)}")
    with real_servers() as servers:
        yield servers


@pytest.fixture
def kafka(stack: Stack) -> Kafka:
    """A broker that is ready. Topics of other tests are on it: use a prefix of your own."""
    stack.up({"kafka"})
    return stack.kafka


@pytest.fixture
def elasticsearch(stack: Stack) -> Elasticsearch:
    """A node that is ready. Indices of other tests are on it: use a prefix of your own."""
    stack.up({"elasticsearch"})
    return stack.elasticsearch


@pytest.fixture
def elastic_settings(elasticsearch: Elasticsearch) -> Iterator[ElasticsearchSettings]:
    """Settings of the node with a prefix that nobody else uses; what was made under it is deleted afterwards."""
    settings = ElasticsearchSettings(servers=(elasticsearch.address,), prefix=f"test-{uuid4().hex[:8]}")
    yield settings
    with connect(settings) as client:
        for index in client.indices.get(index=f"{settings.prefix}-*", features="aliases"):
            client.indices.delete(index=index)
        for template in client.indices.get_index_template()["index_templates"]:
            if template["name"].startswith(settings.prefix):
                client.indices.delete_index_template(name=template["name"])


@pytest.fixture
def triton(stack: Stack) -> Triton:
    """A server of the shipped model that is ready."""
    stack.up({"triton"})
    return stack.triton
