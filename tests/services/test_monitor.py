"""Health, readiness and metrics, asked over HTTP."""

import json
import socket
import urllib.error
import urllib.request

import pytest
from prometheus_client import Counter

from processors.errors import ConfigurationError
from streams.services.monitor import Monitor, Progress


def _get(port: int, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_a_service_is_ready_while_it_gets_on_and_says_what_it_waits_for() -> None:
    now = 100.0
    monitor = Monitor("enrich", Progress(stall_seconds=60, clock=lambda: now))
    server = monitor.serve("127.0.0.1", 0)
    port = server.server_address[1]
    try:
        assert _get(port, "/readyz")[0] == 503, "not before its first progress"
        monitor.progress.made()
        assert _get(port, "/readyz")[0] == 200
        monitor.progress.waits_for("Triton at 127.0.0.1:8001")
        now = 161.0
        status, body = _get(port, "/readyz")
        assert status == 503
        assert json.loads(body)["waiting_for"] == "Triton at 127.0.0.1:8001"
        assert _get(port, "/healthz")[0] == 200, "healthy all the same: a restart would not help"
        assert _get(port, "/nothing")[0] == 404
    finally:
        server.shutdown()
        server.server_close()


def test_the_metrics_of_a_service_and_of_its_process_can_be_scraped() -> None:
    monitor = Monitor("index", Progress(60))
    Counter("tocsin_documents", "Documents by outcome", ["outcome"], registry=monitor.registry).labels("indexed").inc(3)
    status, content_type, body = monitor.answer("/metrics")
    assert status == 200
    assert content_type.startswith("text/plain")
    assert b'tocsin_documents_total{outcome="indexed"} 3.0' in body
    assert b"process_resident_memory_bytes" in body
    assert b'tocsin_seconds_since_progress{service="index"}' in body


def test_a_port_that_is_taken_is_a_setting_to_mend() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ConfigurationError, match=r"set services\.detect_port"):
            Monitor("detect", Progress(60)).serve("127.0.0.1", port)
