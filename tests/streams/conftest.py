"""A store on the real Elasticsearch, with indices of its own."""

from collections.abc import Iterator

import pytest

from streams.elastic_store import ElasticStore
from streams.service_settings import ElasticsearchSettings


@pytest.fixture
def elastic_store(elastic_settings: ElasticsearchSettings) -> Iterator[ElasticStore]:
    """Its writes are found by the next search."""
    store = ElasticStore(elastic_settings, refresh=True)
    yield store
    store.close()
