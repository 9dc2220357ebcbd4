"""A store on the real Elasticsearch, with indices of its own."""

from collections.abc import Iterator
from uuid import uuid4

import pytest

from streams.elastic_client import connect
from streams.elastic_store import ElasticStore
from streams.service_settings import ElasticsearchSettings
from streams.stack.elasticsearch import Elasticsearch


@pytest.fixture
def elastic_settings(elasticsearch: Elasticsearch) -> Iterator[ElasticsearchSettings]:
    """Settings of the real server with a new prefix; what was made under it is deleted afterwards."""
    settings = ElasticsearchSettings(servers=(elasticsearch.address,), prefix=f"test-{uuid4().hex[:8]}")
    yield settings
    client = connect(settings)
    for index in client.indices.get(index=f"{settings.prefix}-*", features="aliases"):
        client.indices.delete(index=index)
    for template in client.indices.get_index_template(name=f"{settings.prefix}-*")["index_templates"]:
        client.indices.delete_index_template(name=template["name"])
    client.close()


@pytest.fixture
def elastic_store(elastic_settings: ElasticsearchSettings) -> Iterator[ElasticStore]:
    """Its writes are found by the next search."""
    store = ElasticStore(elastic_settings, refresh=True)
    yield store
    store.close()
