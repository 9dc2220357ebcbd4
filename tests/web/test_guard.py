"""Who may ask, from where, and what a browser is told about what it gets."""

import base64
from pathlib import Path

import pytest
from web_console import Caller, settings_for

from processors.errors import ConfigurationError
from streams.sqlite_store import SqliteStore
from streams.web.app import application
from streams.web.context import Context
from streams.web.server import WebServer
from streams.web.stores import Stores


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def test_every_answer_forbids_what_the_pages_do_not_need(console: Caller) -> None:
    for path in ("/", "/assets/main.js", "/v1/now", "/v1/none", "/none"):
        answer = console(path)
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy and "script-src 'self'" in policy and "unsafe" not in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert console("/v1/now").headers["Cache-Control"] == "no-store"


def test_names_of_elsewhere_are_not_answered(console: Caller) -> None:
    assert console("/v1/now", Host="evil.example").status == 421
    assert console("/v1/now", Host="localhost:1").status == 200
    assert console("/v1/now", Host="").status in (400, 421)


def test_only_the_consoles_own_pages_change_anything(console: Caller) -> None:
    said = {"incident": "incident-77", "kind": "useful"}
    assert console("/v1/feedback", said, Origin="http://evil.example").status == 403
    assert console("/v1/feedback", said, Origin="null").status == 403
    assert console("/v1/feedback", said, Origin=console.address.rstrip("/")).status == 201
    assert console("/v1/feedback", said, Content_Type="text/plain").status == 422, "what a form could send is none"


def test_assets_lead_nowhere_else(console: Caller) -> None:
    for path in ("/assets/../app.py", "/assets/%2e%2e/app.py", "/assets/..%2fapp.py", "/assets//etc/passwd"):
        assert console(path).status == 404


def test_with_a_password_nothing_is_shown_without_it_and_its_bearer_is_who_acts(store_path: Path) -> None:
    settings = settings_for(store_path, host="127.0.0.1", password="s3cret-日本")
    context = Context(settings, Stores(lambda: SqliteStore(store_path, create=False)))
    with WebServer(application(context), settings.web, or_next=True) as server:
        ask = Caller(server.address)
        for path in ("/", "/v1/now", "/assets/main.js", "/openapi.json"):
            refused = ask(path)
            assert refused.status == 401 and refused.headers["WWW-Authenticate"].startswith("Basic")
        for wrong in (
            "Basic",
            "Basic !!!",
            "Bearer secret",
            basic("ann", "secret"),
            basic("ann", ""),
        ):
            assert ask("/v1/now", Authorization=wrong).status == 401
        allowed = basic("Ann", "s3cret-日本")
        assert ask("/v1/now", Authorization=allowed, Host="tocsin.example").status == 200
        said = {"incident": "incident-77", "kind": "acknowledge", "by": "somebody else"}
        assert ask("/v1/feedback", said, Authorization=allowed).json["by"] == "Ann"
        assert ask("/v1/names", Authorization=allowed).json["user"] == "Ann"
        key = "Bearer s3cret-日本".encode().decode("latin-1")
        assert ask("/v1/names", Authorization=key).json["user"] == "", "a program that brings it has no name"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1"])
def test_no_network_gets_in_without_a_password(store_path: Path, host: str) -> None:
    settings = settings_for(store_path, host=host)
    with pytest.raises(ConfigurationError, match=r"web\.password"):
        WebServer(application(Context(settings, Stores(lambda: SqliteStore(store_path)))), settings.web)


def test_a_port_that_is_taken_is_named_or_the_next_one_is_taken(store_path: Path, console: Caller) -> None:
    port = int(console.address.rstrip("/").rpartition(":")[2])
    settings = settings_for(store_path, port=port)
    app = application(Context(settings, Stores(lambda: SqliteStore(store_path))))
    with pytest.raises(ConfigurationError, match=rf"127\.0\.0\.1:{port}.*set web\.port"):
        WebServer(app, settings.web)
    with WebServer(app, settings.web, or_next=True) as server:
        assert server.moved and server.port > port
        assert Caller(server.address)("/v1/status").status == 200
