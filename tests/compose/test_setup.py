"""The jobs that prepare Elasticsearch and Kibana, run against stand-ins that write down what they are asked."""

import base64
import json
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from compose_files import COMPOSE, services

pytestmark = pytest.mark.skipif(
    any(shutil.which(tool) is None for tool in ("bash", "curl", "unzip")), reason="needs bash, curl and unzip"
)

SETUP = COMPOSE / "setup"


@dataclass
class Asked:
    """The requests that a stand-in got; the first `failures` of them it answered 503."""

    address: str
    failures: int = 0
    requests: list[tuple[str, str, str, bytes]] = field(default_factory=list)


@pytest.fixture
def server() -> Iterator[Asked]:
    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            account = base64.b64decode(self.headers["Authorization"].removeprefix("Basic ")).decode()
            asked.requests.append((self.command, self.path, account, body))
            self.send_response(503 if len(asked.requests) <= asked.failures else 200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        do_PUT = do_POST = _answer

        def log_message(self, format: str, *args: object) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    asked = Asked(f"http://127.0.0.1:{http.server_address[1]}")
    threading.Thread(target=http.serve_forever, daemon=True).start()
    yield asked
    http.shutdown()
    http.server_close()


def _run(script: str, environment: Mapping[str, str], cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = ["bash", str(SETUP / script)]
    inherited = {"PATH": os.environ["PATH"]} | dict(environment)
    return subprocess.run(command, env=inherited, cwd=cwd, capture_output=True, text=True, timeout=60, check=False)


PASSWORDS = {"ELASTIC_PASSWORD": "super-1", "KIBANA_PASSWORD": 'ki"ba\\na', "INDEX_PASSWORD": "write-1"}


def test_the_accounts_are_those_that_kibana_and_index_use(server: Asked) -> None:
    done = _run("accounts.sh", {"ELASTICSEARCH": server.address, "CA_FILE": "/nowhere", **PASSWORDS})
    assert done.returncode == 0, done.stderr
    assert {account for _, _, account, _ in server.requests} == {"elastic:super-1"}
    asked = {(method, path): json.loads(body) for method, path, _, body in server.requests}
    kibana = services()["kibana"]["environment"]["ELASTICSEARCH_USERNAME"]
    index = services()["index"]["environment"]["TOCSIN_ELASTICSEARCH_USERNAME"]
    assert asked["POST", f"/_security/user/{kibana}/_password"] == {"password": 'ki"ba\\na'}
    user = asked["PUT", f"/_security/user/{index}"]
    assert user == {"password": "write-1", "roles": ["tocsin"]}
    role = asked["PUT", "/_security/role/tocsin"]
    assert role["indices"] == [{"names": ["tocsin-*"], "privileges": ["all"]}], "ours, and nobody else's"
    assert len(server.requests) == 3


def test_no_password_is_among_the_arguments_of_a_process() -> None:
    for script in ("accounts.sh", "dashboards.sh"):
        assert "--user" not in (SETUP / script).read_text()


def test_a_node_that_is_not_ready_yet_is_asked_again(server: Asked) -> None:
    server.failures = 1
    done = _run("accounts.sh", {"ELASTICSEARCH": server.address, "CA_FILE": "/nowhere", **PASSWORDS})
    assert done.returncode == 0, done.stderr
    assert len(server.requests) == 4


def test_the_dashboards_are_imported_from_the_folder_that_is_mounted(server: Asked, tmp_path: Path) -> None:
    mounts = services()["dashboards"]["volumes"]
    assert "./kibana:/kibana:ro" in mounts
    script = (SETUP / "dashboards.sh").read_text()
    assert "/kibana/tocsin.ndjson" in script
    here = tmp_path / "dashboards.sh"
    here.write_text(script.replace("@/kibana/", f"@{COMPOSE / 'kibana'}/"))
    done = _run(str(here), {"KIBANA": server.address, "ELASTIC_PASSWORD": 'su"per'})
    assert done.returncode == 0, done.stderr
    ((method, path, account, body),) = server.requests
    assert (method, path, account) == ("POST", "/api/saved_objects/_import?overwrite=true", 'elastic:su"per')
    assert (COMPOSE / "kibana" / "tocsin.ndjson").read_bytes() in body


def test_each_script_gets_the_variables_that_it_reads() -> None:
    for job, needed in {
        "accounts": {"ELASTICSEARCH", "CA_FILE", *PASSWORDS},
        "dashboards": {"KIBANA", "ELASTIC_PASSWORD"},
    }.items():
        assert set(services()[job]["environment"]) == needed
        assert all(name in (SETUP / f"{job}.sh").read_text() for name in needed)


CERTUTIL = """#!/usr/bin/env python3
import sys, zipfile
from pathlib import Path
out = sys.argv[sys.argv.index("--out") + 1]
name = "ca" if sys.argv[1] == "ca" else sys.argv[sys.argv.index("--name") + 1]
with Path("calls").open("a") as calls:
    print(name, file=calls)
with zipfile.ZipFile(out, "w") as archive:
    archive.writestr(f"{name}/{name}.crt", "certificate")
    archive.writestr(f"{name}/{name}.key", "key")
"""


def test_certificates_are_made_once_and_keys_stay_with_their_owners(tmp_path: Path) -> None:
    certs = tmp_path / "config" / "certs"
    certs.mkdir(parents=True)
    stand_ins = tmp_path / "bin"
    stand_ins.mkdir()
    for name, text in (("elasticsearch-certutil", CERTUTIL), ("chown", "#!/bin/sh\n")):
        (stand_ins / name).write_text(text)
        (stand_ins / name).chmod(0o755)
    path = {"PATH": f"{stand_ins}:{os.environ['PATH']}"}
    (certs / "elasticsearch").mkdir()  # of a start that was broken off
    for _ in range(2):
        done = _run("certificates.sh", path, tmp_path)
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "calls").read_text().split() == ["ca", "elasticsearch"]
    modes = {path.name: path.stat().st_mode & 0o777 for path in certs.rglob("*") if path.is_file()}
    assert modes == {"ca.crt": 0o644, "ca.key": 0o600, "elasticsearch.crt": 0o644, "elasticsearch.key": 0o640}
    used = str(services()["elasticsearch"]["environment"])
    assert all(f"certs/{path.relative_to(certs)}" in used for path in certs.rglob("*") if path.name in used)
    assert services()["index"]["environment"]["TOCSIN_ELASTICSEARCH_CA_FILE"] == "/certificates/ca/ca.crt"
