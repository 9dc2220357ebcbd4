"""Ports: free, taken, and by whom."""

import os
import socket
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.errors import ConfigurationError
from streams.stack.ports import HOST, Ports, holder_of, is_free, require_free, shorten_middle


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that this process listens on."""
    with socket.socket() as server:
        server.bind((HOST, 0))
        server.listen()
        yield server.getsockname()[1]


def test_a_block_gives_every_part_a_port_of_its_own() -> None:
    ports = Ports.from_block(20_500)
    assert sorted(ports.all()) == list(range(20_500, 20_500 + len(ports.all())))


@pytest.mark.parametrize("first", [0, 80, 65_530, -1])
def test_a_block_that_does_not_fit_is_refused(first: int) -> None:
    with pytest.raises(ConfigurationError, match="choose a number from 1024"):
        Ports.from_block(first)


def test_the_usual_ports_are_those_of_the_settings() -> None:
    from streams.settings import Settings

    ports, settings = Ports(), Settings()
    assert settings.kafka.servers == (f"{HOST}:{ports.kafka}",)
    assert settings.elasticsearch.servers == (f"http://{HOST}:{ports.elasticsearch}",)
    assert settings.triton.server == f"{HOST}:{ports.triton_grpc}"
    services = settings.services
    assert (services.enrich_port, services.detect_port) == (ports.enrich, ports.detect)
    assert (services.index_port, services.clock_port) == (ports.index, ports.clock)
    assert (services.web_port, settings.web.port) == (ports.web, ports.console)
    assert services.deliver_port == ports.deliver


def test_picked_ports_are_free() -> None:
    assert all(is_free(port) for port in Ports.picked().all())


def test_who_holds_a_port_is_named(taken: int) -> None:
    assert not is_free(taken)
    with pytest.raises(ConfigurationError) as refusal:
        require_free([taken], "Kafka")
    assert str(refusal.value).startswith(f"cannot start Kafka: port {taken} is held by ")
    assert f"(process {os.getpid()})" in str(refusal.value)
    assert "--ports-from" in str(refusal.value)


def test_a_free_port_has_no_holder(taken: int) -> None:
    free = next(port for port in range(taken + 1, taken + 200) if is_free(port))
    assert holder_of(free) is None
    require_free([free], "Kafka")


def test_a_connection_that_is_ending_does_not_take_a_port() -> None:
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind((HOST, 0))
        server.listen()
        port = server.getsockname()[1]
        client = socket.create_connection((HOST, port))
        near, _ = server.accept()
        near.close()  # the side that closes first waits
        client.close()
    assert is_free(port)


@given(st.text(max_size=300), st.integers(10, 100))
def test_a_shortened_command_keeps_how_it_begins_and_ends(text: str, length: int) -> None:
    short = shorten_middle(text, length)
    assert len(short) <= length
    assert short == text or (short[0] == text[0] and short[-1] == text[-1])
