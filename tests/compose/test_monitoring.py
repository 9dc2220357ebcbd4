"""Prometheus' rules and Grafana's dashboard ask for what the services show; nothing of either is run here."""

import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.request import urlopen

import promql_parser
import pytest
import yaml
from compose_files import COMPOSE, services
from metrics_in_code import PROCESS, declared

from streams.services.runner import SERVICES
from streams.settings import declarations
from streams.stack.triton import Triton

PROMETHEUS = yaml.safe_load((COMPOSE / "prometheus" / "prometheus.yml").read_text())
GROUPS = yaml.safe_load((COMPOSE / "prometheus" / "rules.yml").read_text())["groups"]
RULES = [rule for group in GROUPS for rule in group["rules"]]
DASHBOARD = json.loads((COMPOSE / "grafana" / "dashboards" / "tocsin.json").read_text())
TARGETS = [(panel["title"], target) for panel in DASHBOARD["panels"] for target in panel.get("targets", ())]

JOBS = {job["job_name"] for job in PROMETHEUS["scrape_configs"]}

EXPRESSIONS = [(rule["alert"], rule["expr"]) for rule in RULES] + [(title, t["expr"]) for title, t in TARGETS]


def _parts(expression: Any) -> Iterator[Any]:
    yield expression
    for name in ("expr", "lhs", "rhs", "vector_selector"):
        if (inner := getattr(expression, name, None)) is not None:
            yield from _parts(inner)
    for argument in getattr(expression, "args", ()):
        yield from _parts(argument)


def _parsed(text: str) -> Any:
    return promql_parser.parse(text.replace("$__rate_interval", "1m"))


def _selectors(text: str) -> list[Any]:
    return [part for part in _parts(_parsed(text)) if isinstance(part, promql_parser.VectorSelector)]


def _labels(metric: str) -> frozenset[str]:
    return declared().get(metric, frozenset()) | {"job", "instance"}


@pytest.mark.parametrize(("where", "text"), EXPRESSIONS, ids=[name for name, _ in EXPRESSIONS])
def test_every_expression_asks_for_metrics_and_labels_that_there_are(where: str, text: str) -> None:
    selectors = _selectors(text)
    assert selectors, where
    for selector in selectors:
        known = selector.name in declared() or selector.name in PROCESS | {"up"} or selector.name.startswith("nv_")
        assert known, f"{where}: no service shows {selector.name}"
        for matcher in selector.matchers.matchers:
            assert matcher.name in _labels(selector.name), f"{where}: {selector.name} has no label {matcher.name}"
            if matcher.name == "job":
                assert set(matcher.value.split("|")) <= JOBS, where
    for part in _parts(_parsed(text)):
        if isinstance(part, promql_parser.AggregateExpr) and part.modifier is not None:
            there = frozenset().union(*(_labels(s.name) for s in _selectors(part.expr.prettify())))
            assert set(part.modifier.labels) <= there, f"{where}: no {set(part.modifier.labels) - there} to group by"


def test_tritons_metrics_are_those_of_the_real_server(triton: Triton) -> None:
    with urlopen(triton.metrics_address, timeout=10) as answer:
        shown = set(re.findall(r"^# TYPE (\S+)", answer.read().decode(), re.MULTILINE))
    asked = {s.name for _, text in EXPRESSIONS for s in _selectors(text) if s.name.startswith("nv_")}
    assert asked
    assert asked <= shown


def test_each_service_is_scraped_on_its_own_port() -> None:
    found = {}
    for job in PROMETHEUS["scrape_configs"]:
        for where in job.get("dns_sd_configs", ()):
            assert where["type"] == "A"
            found[job["job_name"]] = (where["names"], where["port"])
    assert found == {
        **{name: ([name], declarations()[f"services.{name}_port"].default) for name in SERVICES},
        "triton": (["triton"], 8002),
    }
    for name in (*SERVICES, "triton-gpu", "triton-cpu", "prometheus", "grafana"):
        assert "monitoring" in services()[name]["networks"]


def test_the_rules_are_the_file_that_prometheus_reads() -> None:
    assert PROMETHEUS["rule_files"] == ["rules.yml"]
    assert "./prometheus:/etc/prometheus:ro" in services()["prometheus"]["volumes"]
    assert "--config.file=/etc/prometheus/prometheus.yml" in services()["prometheus"]["command"]


def test_every_rule_says_how_bad_it_is_and_what_is_the_matter() -> None:
    assert len({rule["alert"] for rule in RULES}) == len(RULES)
    for rule in RULES:
        assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
        assert rule["labels"] in ({"severity": "page"}, {"severity": "ticket"})
        assert re.fullmatch(r"\d+[smh]", rule.get("for", "1m"))
        assert set(rule["annotations"]) <= {"summary", "description", "runbook"}
        assert rule["annotations"]["summary"]


def test_every_rule_has_its_entry_in_the_runbook_and_every_entry_its_rule() -> None:
    runbook = (COMPOSE / "prometheus" / "RUNBOOK.md").read_text()
    entries = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", runbook, re.MULTILINE | re.DOTALL))
    assert entries.keys() == {rule["alert"] for rule in RULES}
    for rule in RULES:
        assert rule["annotations"]["runbook"] == f"RUNBOOK.md#{rule['alert'].lower()}"
        assert "**Means.**" in entries[rule["alert"]]
        assert "**Do.**" in entries[rule["alert"]]


def test_what_a_summary_shows_is_left_by_its_expression() -> None:
    for rule in RULES:
        told = set(re.findall(r"\$labels\.(\w+)", " ".join(rule["annotations"].values())))
        expression = _parsed(rule["expr"])
        kept = frozenset().union(*(_labels(s.name) for s in _selectors(rule["expr"])))
        for part in _parts(expression):
            if isinstance(part, promql_parser.AggregateExpr):
                kept &= set(part.modifier.labels) if part.modifier is not None else set()
        assert told <= kept, rule["alert"]


def test_a_broken_bell_is_told_at_once_and_by_whoever_is_awake() -> None:
    pages = {rule["alert"] for rule in RULES if rule["labels"]["severity"] == "page"}
    assert {"BellBroken", "BellUnwatched", "TimeStandsStill", "ServiceDown", "ServiceStuck", "BreakerOpen"} <= pages
    interval = declarations()["clock.canary_seconds"].default
    (broken,) = [rule for rule in RULES if rule["alert"] == "BellBroken"]
    assert broken["expr"] == f"min(tocsin_canary_seconds) > {3 * interval:.0f}", "three canaries are missing"


def test_the_dashboard_reads_the_datasource_that_is_provisioned() -> None:
    folder = COMPOSE / "grafana" / "provisioning"
    (source,) = yaml.safe_load((folder / "datasources" / "prometheus.yml").read_text())["datasources"]
    assert source["url"] == "http://prometheus:9090"
    used = {target["datasource"]["uid"] for _, target in TARGETS} | {
        panel["datasource"]["uid"] for panel in DASHBOARD["panels"] if "datasource" in panel
    }
    assert used == {source["uid"]}
    (provider,) = yaml.safe_load((folder / "dashboards" / "tocsin.yml").read_text())["providers"]
    mounts = services()["grafana"]["volumes"]
    assert f"./grafana/dashboards:{provider['options']['path']}:ro" in mounts
    assert "./grafana/provisioning:/etc/grafana/provisioning:ro" in mounts
    home = services()["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert home == f"{provider['options']['path']}/tocsin.json"


def test_the_dashboards_panels_have_names_and_places_of_their_own() -> None:
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        taken |= cells
    for title in {title for title, _ in TARGETS}:
        ids = [target["refId"] for name, target in TARGETS if name == title]
        assert len(set(ids)) == len(ids)


def test_a_metric_that_somebody_would_miss_is_on_the_dashboard() -> None:
    asked = {s.name for _, target in TARGETS for s in _selectors(target["expr"])}
    families = {re.sub(r"_(total|created|bucket|count|sum|info)$", "", name) for name in declared()}
    shown = {re.sub(r"_(total|created|bucket|count|sum|info)$", "", name) for name in asked}
    rules = {s.name for rule in RULES for s in _selectors(rule["expr"])}
    alarmed = {re.sub(r"_(total|created|bucket|count|sum|info)$", "", name) for name in rules}
    left_out = {
        "tocsin_ticks",
        "tocsin_restore_seconds",
        "tocsin_source_silence_seconds",
        "tocsin_state_bytes",
        "tocsin_state_former_pieces",  # looked at in an upgrade
    }
    assert families - shown - alarmed == left_out
