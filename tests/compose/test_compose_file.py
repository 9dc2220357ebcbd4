"""docker-compose.yml: the specification's schema, and everything that it names exists. Docker itself is not run."""

import json
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from compose_files import COMPOSE, ROOT, deployment, example, interpolated, services, variables
from typer.testing import CliRunner

from streams.cli import app
from streams.services.monitor import Monitor, Progress
from streams.services.runner import SERVICES, addresses_of
from streams.settings import Settings, declarations, load_settings
from streams.stack.install import ELASTICSEARCH_VERSION, KAFKA_VERSION

TEXT = (COMPOSE / "docker-compose.yml").read_text()

CALLS = {"deliver"}
"""What calls others outside without being called."""

OURS = [name for name, service in services().items() if service["image"].startswith("tocsin:")]


def test_it_is_what_the_compose_specification_allows() -> None:
    carrier = find_spec("check_jsonschema")
    assert carrier and carrier.origin
    schema = Path(carrier.origin).parent / "builtin_schemas" / "vendor" / "compose-spec.json"
    jsonschema.validate(deployment(), json.loads(schema.read_text()))


def test_every_variable_is_explained_in_the_example_and_none_is_left_over() -> None:
    used = {name for name, _ in variables(TEXT)}
    assert set(example()) - used == {"COMPOSE_PROFILES"}, "read by docker compose itself"
    assert not used - set(example())


def test_secrets_have_no_default_and_are_asked_for() -> None:
    secrets = {name for name, value in example().items() if value.startswith("change-me")}
    assert secrets == {"ELASTIC_PASSWORD", "KIBANA_PASSWORD", "INDEX_PASSWORD", "KIBANA_KEY", "GRAFANA_PASSWORD"} | {
        "CONSOLE_PASSWORD",
        "PUSH_KEY",
    }
    assert all(rest.startswith(":?") for name, rest in variables(TEXT) if name in secrets)
    with pytest.raises(ValueError, match="INDEX_PASSWORD has to be set"):
        interpolated(TEXT, {**example(), "INDEX_PASSWORD": ""})


@pytest.mark.parametrize("name", OURS)
def test_every_setting_of_ours_exists_and_takes_its_value(name: str) -> None:
    given = services()[name].get("environment", {})
    assert all(variable.startswith("TOCSIN_") for variable in given)
    settings = load_settings(None, {variable: str(value) for variable, value in given.items()}, {})
    if given:
        assert settings.services.host == "0.0.0.0", "others have to reach its metrics"
        assert settings.kafka.servers == ("kafka:9092",)


def test_addresses_are_those_of_the_services_and_their_ports() -> None:
    def settings(name: str) -> Settings:
        given = services()[name]["environment"]
        return load_settings(None, {variable: str(value) for variable, value in given.items()}, {})

    assert settings("enrich").triton.server == "triton:8001"
    assert all(
        network["aliases"] == ["triton"]
        for server in ("triton-gpu", "triton-cpu")
        for network in services()[server]["networks"].values()
    )
    found = addresses_of(settings("web"))
    ports = {name: declarations()[f"services.{name}_port"].default for name in found}
    assert found == {
        name: (name, f"{'0.0.0.0' if name == 'web' else name}:{ports[name]}")
        for name in ("enrich", "detect", "index", "clock", "web", "deliver")
    }
    assert settings("index").elasticsearch.servers == ("https://elasticsearch:9200",)
    kafka = services()["kafka"]["environment"]
    assert "INTERNAL://kafka:9092" in kafka["KAFKA_ADVERTISED_LISTENERS"]
    assert services()["kafka"]["ports"] == [f"127.0.0.1:{example()['KAFKA_PORT']}:9094"]
    assert f"EXTERNAL://localhost:{example()['KAFKA_PORT']}" in kafka["KAFKA_ADVERTISED_LISTENERS"]


@pytest.mark.parametrize("name", OURS)
def test_every_command_of_ours_exists(name: str) -> None:
    command = services()[name]["command"]
    if command[0] == "run":
        assert command[1] in SERVICES
        assert len(command) == 2
    elif command[0] == "topics":
        assert CliRunner().invoke(app, [*command, "--help"]).exit_code == 0


@pytest.mark.parametrize("device", ["gpu", "cpu"])
def test_what_the_job_writes_is_what_triton_serves(device: str, tmp_path: Path) -> None:
    job, server = services()[f"repository-{device}"], services()[f"triton-{device}"]
    (out,) = [word.removeprefix("--out=") for word in job["command"] if word.startswith("--out=")]
    assert f"--model-repository={out}" in server["command"]
    assert job["volumes"] == server["volumes"] == ["models:/models"]
    assert job["profiles"] == server["profiles"] == [device]
    here = [word.replace(out, str(tmp_path / "repository")) for word in job["command"]]
    assert CliRunner().invoke(app, here).exit_code == 0
    config = (tmp_path / "repository" / "tocsin" / "config.pbtxt").read_text()
    cache = re.search(r'key: "trt_engine_cache_path"\s+value: "(.*)"', config)
    assert (cache and cache[1]) == ("/models/tensorrt" if device == "gpu" else None), "engines outlive the container"


@pytest.mark.parametrize("name", SERVICES)
def test_the_health_check_of_a_service_asks_its_own_port_and_sees_it_end(name: str) -> None:
    test = services()[name]["healthcheck"]["test"]
    assert test[:3] == ["CMD", "python", "-c"]
    port = declarations()[f"services.{name}_port"].default
    assert f":{port}/" in test[3]
    server = Monitor(name, Progress(60)).serve("127.0.0.1", 0)
    code = test[3].replace(f":{port}/", f":{server.server_address[1]}/")
    try:
        assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    finally:
        server.shutdown()
        server.server_close()
    assert subprocess.run([sys.executable, "-c", code], check=False, stderr=subprocess.DEVNULL).returncode != 0


def test_whatever_stays_up_has_a_health_check_and_comes_back() -> None:
    jobs = {
        dependency
        for service in services().values()
        for dependency, how in service.get("depends_on", {}).items()
        if how["condition"] == "service_completed_successfully"
    } | {"dashboards"}
    for name, service in services().items():
        if name in jobs:
            assert service["restart"].startswith("on-failure"), name
        else:
            assert service["restart"] == "unless-stopped", name
            assert service["healthcheck"]["interval"], name


def test_nothing_waits_for_what_is_not_there() -> None:
    for name, service in services().items():
        for dependency, how in service.get("depends_on", {}).items():
            assert dependency in services(), name
            if how["condition"] == "service_healthy":
                assert "healthcheck" in services()[dependency], name
            others = set(services()[dependency].get("profiles", ())) - set(service.get("profiles", ()))
            assert not others or how.get("required") is False, f"{name} must do without {dependency}"


def _needs(name: str) -> set[str]:
    needed = set(services()[name].get("depends_on", {}))
    return needed.union(*(_needs(other) for other in needed)) if needed else set()


@pytest.mark.parametrize("name", ["clock", "enrich", "detect"])
def test_the_bell_rings_without_the_search_index(name: str) -> None:
    assert not _needs(name) & {"elasticsearch", "certificates", "accounts", "kibana", "index"}


def test_every_image_is_pinned_and_the_servers_are_those_that_the_tests_run() -> None:
    for name, service in services().items():
        tag = service["image"].rpartition(":")[2]
        assert re.search(r"\d+\.\d+", tag), f"{name}: {service['image']}"
    assert services()["kafka"]["image"] == f"apache/kafka:{KAFKA_VERSION}"
    elastic = {service["image"].rpartition(":")[2] for service in services().values() if "elastic" in service["image"]}
    assert elastic == {ELASTICSEARCH_VERSION}


def test_ports_are_open_to_this_machine_only_and_the_networks_inside_lead_nowhere() -> None:
    for name, service in services().items():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ())), name
        reaches_out = "outside" in service.get("networks", ())
        assert reaches_out == (bool(service.get("ports")) or name in CALLS), name
    inside = {name: network for name, network in deployment()["networks"].items() if name != "outside"}
    assert all(network["internal"] for network in inside.values())
    used = {network for service in services().values() for network in service.get("networks", ())}
    assert used == set(deployment()["networks"])


def test_every_volume_is_declared_and_every_file_exists() -> None:
    named = set()
    for service in services().values():
        for mount in service.get("volumes", ()):
            source, target, *mode = mount.split(":")
            assert target.startswith("/")
            if source.startswith("."):
                assert (COMPOSE / source).is_dir(), mount
                assert mode == ["ro"], mount
            else:
                named.add(source)
    assert named == set(deployment()["volumes"])
    for script in (service["entrypoint"][1] for service in services().values() if "entrypoint" in service):
        assert (COMPOSE / "setup" / Path(script).name).is_file()


def test_everything_has_limits_and_logs_that_do_not_fill_the_disk() -> None:
    for name, service in services().items():
        limits = service["deploy"]["resources"]["limits"]
        assert float(limits["cpus"]) > 0, name
        assert re.fullmatch(r"\d+[mg]", limits["memory"]), name
        assert service["logging"]["options"]["max-size"], name


@pytest.mark.parametrize("name", OURS)
def test_our_processes_have_no_rights_and_write_nowhere(name: str) -> None:
    service = services()[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    build = service["build"]
    assert (COMPOSE / build["context"]).resolve() == ROOT
    assert (ROOT / build["dockerfile"]).is_file()


def test_the_broker_takes_our_largest_record_and_makes_no_topic_by_itself() -> None:
    kafka: dict[str, Any] = services()["kafka"]["environment"]
    local = dict(
        line.split("=", 1)
        for line in (COMPOSE / "local" / "kafka-server.properties").read_text().splitlines()
        if "=" in line and not line.startswith("#")
    )
    for name in ("message.max.bytes", "auto.create.topics.enable", "transaction.state.log.min.isr"):
        assert str(kafka[f"KAFKA_{name.replace('.', '_').upper()}"]) == local[name]
