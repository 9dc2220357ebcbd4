"""The frame of the matrix: scenarios are declared in full, points of crashing exist, results are kept and told."""

import json
from pathlib import Path

import pytest
from crash_points import POINTS, found
from fault_report import write_report
from matrix import LONGEST, declared
from results import Result, Store
from reverted import MEASURES


def test_every_scenario_says_what_it_proves_and_takes_ten_minutes_at_most_or_a_burst_of_ten_minutes() -> None:
    scenarios = declared()
    assert len({scenario.name for scenario in scenarios}) == len(scenarios)
    for scenario in scenarios:
        assert scenario.proves.endswith(".")
        assert 1 <= scenario.row <= 20
        assert scenario.limit <= LONGEST or scenario.name == "burst"
        assert len(set(scenario.seeds)) == len(scenario.seeds) > 0
    assert any(scenario.quick for scenario in scenarios)


@pytest.mark.parametrize("name", POINTS)
def test_the_function_of_every_crash_point_exists(name: str) -> None:
    owner, attribute = found(POINTS[name])
    assert callable(getattr(owner, attribute))


def test_every_reverted_measure_names_a_scenario_that_has_to_fail() -> None:
    names = {scenario.name for scenario in declared()}
    assert {measure.scenario for measure in MEASURES.values()} <= names


def _result(case: str, **changes: object) -> Result:
    name, _, seed = case.rpartition("-")
    result = Result(case, name, 1, int(seed), "It holds.", "abc", "2026-01-01T00:00:00+00:00", quick=False)
    for field, value in changes.items():
        setattr(result, field, value)
    return result


def test_a_result_is_found_again_under_its_commit_only(tmp_path: Path) -> None:
    result = _result("kills-1", recoveries=[("enrich", "kill", 2.5)], records=7)
    store = Store("abc", quick=False, root=tmp_path)
    store.keep(result)
    assert store.get("kills-1") == result
    assert store.get("kills-2") is None
    assert Store("def", quick=False, root=tmp_path).get("kills-1") is None
    assert Store("abc", quick=True, root=tmp_path).get("kills-1") is None


def test_the_report_shows_what_failed_and_how_long_recoveries_took(tmp_path: Path) -> None:
    store = Store("abc", quick=False, root=tmp_path)
    store.keep(_result("kills-1", recoveries=[("enrich", "kill", 2.5), ("index", "kill", 8.0)], hits={"kill": 2}))
    store.keep(_result("kills-2", faults=["a <record> is lost"]))
    page = write_report(store).read_text()
    assert "1 of 2" in page
    assert "a &lt;record&gt; is lost" in page
    assert page.count("<circle") == 2
    assert "http" not in page, "complete in itself"
    [row] = json.loads((store.folder / "report.json").read_text())["scenarios"]
    assert (row["cases"], row["passed"], row["recovery_seconds"]) == (2, 1, {"median": 5.25, "longest": 8.0})
    assert row["faults"] == ["kills-2: a <record> is lost"]
