"""The Elasticsearch client as Tocsin uses it: one try a call, and its errors as ours."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from elastic_transport import TransportError
from elasticsearch import ApiError, Elasticsearch, UnsupportedProductError

from processors.errors import ConfigurationError, RetryableError
from streams.service_settings import ElasticsearchSettings


def connect(settings: ElasticsearchSettings) -> Elasticsearch:
    """A client of the cluster that `settings` name; asks nothing yet. Whoever calls it waits and tries again.

    Raises ConfigurationError for an address that is none.
    """
    options: dict[str, Any] = {"request_timeout": settings.timeout, "max_retries": 0, "retry_on_timeout": False}
    if settings.username:
        options["basic_auth"] = (settings.username, settings.password)
    if settings.ca_file:
        options["ca_certs"] = settings.ca_file
    try:
        return Elasticsearch(list(settings.servers), **options)
    except (ValueError, OSError) as error:
        raise ConfigurationError(f"cannot use elasticsearch.servers {', '.join(settings.servers)}: {error}") from None


@contextmanager
def answers() -> Iterator[None]:
    """Around a call that has nothing wrong of its own: what fails is the cluster, or the way to it.

    Raises RetryableError; ConfigurationError where what answers is no Elasticsearch, or refuses the call as such.
    """
    try:
        yield
    except UnsupportedProductError as error:
        raise no_elasticsearch(error) from None
    except (TransportError, ApiError) as error:
        if isinstance(error, ApiError) and error.status_code == 400:
            raise ConfigurationError(f"a call is refused, check elasticsearch.prefix: {in_words(error)}") from error
        raise RetryableError(in_words(error)) from error


def no_elasticsearch(error: UnsupportedProductError) -> ConfigurationError:
    """Something else listens at the address."""
    return ConfigurationError(f"what answers is no Elasticsearch 8: set elasticsearch.servers ({error})")


def in_words(error: Exception) -> str:
    """What a failed call says of itself, for a person."""
    if isinstance(error, ApiError):
        return f"Elasticsearch answers {error.status_code}: {described(error.body)}"
    return f"Elasticsearch does not answer ({type(error).__name__}: {error}): start it, or set elasticsearch.servers"


def described(body: object) -> str:
    """The type and reason of an error that the server told, with its innermost cause."""
    error = body.get("error", body) if isinstance(body, dict) else body
    if not isinstance(error, dict):
        return str(error)[:500]
    cause = error
    while isinstance(inner := cause.get("caused_by"), dict):
        cause = inner
    words = f"{error.get('type')}: {error.get('reason')}"
    return words[:500] if cause is error else f"{words[:500]} ({str(cause.get('reason'))[:500]})"
