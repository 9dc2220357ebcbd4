"""The report of the benchmarks: floors and aims, parts that fail, and that the first attempt runs the shipped model."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from others import number_in
from report import Figure, Report, measured

from streams.settings import DEFAULT_MODEL


@pytest.mark.parametrize(
    ("value", "at_most", "verdict"),
    [(95, False, "aim"), (90, False, "floor"), (80, False, "missed"), (80, True, "aim")],
)
def test_a_figure_says_what_it_reaches(value: float, at_most: bool, verdict: str) -> None:
    assert Figure("f", value, "/s", floor=85, aim=95, at_most=at_most).verdict == verdict


def test_a_figure_without_wishes_says_nothing() -> None:
    assert Figure("f", 1, "/s").verdict == ""


def test_a_part_that_fails_keeps_what_it_had_and_tells_why(tmp_path: Path) -> None:
    def half() -> Iterator[Figure]:
        yield Figure("first", 1, "/s")
        raise RuntimeError("the broker is gone")

    report = Report(quick=True, parts=[measured("half", half()), measured("whole", [Figure("second", 2, "/s")])])
    kept = json.loads(report.write(tmp_path).read_text(encoding="utf-8"))
    failed, sound = kept["parts"]
    assert failed["error"].startswith("the broker is gone")
    assert [figure["value"] for figure in failed["figures"]] == [1]
    assert sound["error"] is None
    assert kept["machine"]["cores"] >= 1


def test_a_number_is_read_from_what_a_bench_prints() -> None:
    assert number_in("12,345 records in 2 s: 6,172 a second, 7,000 a second of cpu", r"([\d,]+) a second,") == 6172
    with pytest.raises(ValueError, match="found no"):
        number_in("nothing here", r"([\d,]+) a second")


@pytest.mark.train
def test_the_rebuilt_network_answers_as_the_shipped_file_does() -> None:
    pytest.importorskip("torch")
    from shipped_network import check_equal

    assert check_equal(DEFAULT_MODEL, ["Apple cuts its outlook", "$T rallies http after a beat " * 8]) < 1e-5
