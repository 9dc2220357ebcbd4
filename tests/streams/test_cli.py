"""The command line: help at once, one line for each error, exit codes that scripts can trust."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from sample_messages import alert
from typer.testing import CliRunner

from processors.errors import ConfigurationError, TocsinError
from streams import cli
from streams.codec import encode
from streams.outputs import ALERTS, DEAD_LETTERS
from streams.settings import declarations, load_settings
from streams.testkit import WordClassifier

TOCSIN = [sys.executable, "-c", "from streams.cli import main; main()"]


def run(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TOCSIN_")}
    return subprocess.run(
        [*TOCSIN, *map(str, arguments)], capture_output=True, text=True, env=kept | environment, timeout=60, check=False
    )


@pytest.fixture
def words(monkeypatch: pytest.MonkeyPatch) -> None:
    """A classifier that anyone can predict, instead of the shipped model."""
    monkeypatch.setattr("streams.classifier.EmbeddedClassifier", lambda folder, threads: WordClassifier())


def test_help_names_every_command() -> None:
    result = run("--help")
    assert result.returncode == 0
    assert all(command in result.stdout for command in ("settings", "schema", "classify", "replay", "demo", "alerts"))


def test_help_comes_at_once_because_nothing_heavy_is_loaded() -> None:
    loaded = subprocess.run(
        [sys.executable, "-c", "import sys, streams.cli; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert {"numpy", "scipy", "pydantic", "onnxruntime", "torch", "models"} & set(loaded) == set()


NOT_TO_BE_ASKED = {
    "kafka.servers": "127.0.0.1:1",
    "services.enrich_port": "1",
    "services.detect_port": "1",
    "services.index_port": "1",
    "services.clock_port": "1",
    "services.web_port": "1",
    "services.collect_port": "1",
    "services.deliver_port": "1",
}
HEAVY = {
    "numpy",
    "scipy",
    "onnxruntime",
    "tokenizers",
    "faust",
    "aiokafka",
    "grpc",
    "elasticsearch",
    "py3langid",
    "torch",
}


@pytest.mark.parametrize("command", ["status", "alerts tail", "deadletters list", "topics list", "settings", "schema"])
def test_a_command_loads_nothing_heavy_that_it_does_not_need(command: str) -> None:
    """It ends for want of a broker, when all that it uses has been loaded."""
    options = [f"--set={name}={value}" for name, value in NOT_TO_BE_ASKED.items() if command != "schema"]
    loaded = subprocess.run(
        [sys.executable, "-X", "importtime", *TOCSIN[1:], *command.split(), *options],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    ).stderr
    names = {line.rpartition("|")[2].strip().partition(".")[0] for line in loaded.splitlines() if "|" in line}
    assert {"typer", "streams"} <= names
    assert names & HEAVY == set()


def test_doctor_tells_of_a_model_server_that_is_away_in_its_table_alone() -> None:
    away = [f"--set={name}={value}" for name, value in NOT_TO_BE_ASKED.items()]
    result = run("doctor", "--set=triton.server=127.0.0.1:1", "--set=elasticsearch.servers=http://127.0.0.1:1", *away)
    assert "no answer from 127.0.0.1:1 within" in result.stdout
    assert result.stderr.splitlines()[-1].endswith("to mend")
    assert "documents wait" not in result.stderr


def test_a_wrong_setting_is_one_line_on_stderr_and_exit_code_2() -> None:
    result = run("settings", "--set", "classifier.thread=2")
    assert result.returncode == 2
    assert result.stdout == ""
    assert result.stderr == "tocsin: --set: there is no setting classifier.thread: did you mean classifier.threads?\n"


def test_any_other_error_raised_on_purpose_is_one_line_and_exit_code_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> None:
        raise TocsinError("the bell is cracked: cast a new one")

    monkeypatch.setattr("streams.schema.schema_of", fail)
    monkeypatch.setattr(sys, "argv", ["tocsin", "schema"])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 1
    assert capsys.readouterr().err == "tocsin: the bell is cracked: cast a new one\n"


def test_an_interrupt_ends_with_130_and_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("streams.schema.schema_of", interrupt)
    result = CliRunner().invoke(cli.app, ["schema"])
    assert result.exit_code == 130
    assert "Traceback" not in result.output


def test_settings_shows_every_setting_and_where_a_value_came_from(tmp_path: Path) -> None:
    file = tmp_path / "ours.toml"
    file.write_text("[classifier]\nthreads = 2\n")
    result = run("settings", "--set", "evidence.terms=3", TOCSIN_SETTINGS=str(file), TOCSIN_STORIES_GAP_HOURS="12")
    assert result.returncode == 0
    assert [path for path in declarations() if path not in result.stdout] == []
    for origin in ("--set (default", "environment TOCSIN_STORIES_GAP_HOURS", "(default 0)"):
        assert origin in " ".join(result.stdout.split()), origin


def test_settings_prints_a_file_that_gives_the_same_settings(tmp_path: Path) -> None:
    printed = tmp_path / "printed.toml"
    printed.write_text(run("settings", "--toml", "--set", "evidence.terms=3").stdout)
    assert load_settings(printed, {}, {}) == load_settings(None, {}, {"evidence.terms": "3"})


def test_schema_prints_one_topic_or_all() -> None:
    assert json.loads(run("schema", "alerts").stdout)["$id"] == "urn:tocsin:schema:alerts:1"
    assert {"news", "social", "documents", "mentions", "alerts"} <= json.loads(run("schema").stdout).keys()


@pytest.mark.usefixtures("words")
def test_classify_adds_columns_to_a_file_or_to_standard_output(tmp_path: Path) -> None:
    source, target = tmp_path / "in.csv", tmp_path / "out.csv"
    source.write_text("n,text\n1,profit falls\n2,sales beats\n")
    result = CliRunner().invoke(cli.app, ["classify", str(source), "--text-column", "text", "--output", str(target)])
    assert result.exit_code == 0
    with target.open(newline="") as file:
        assert [(row["n"], row["sentiment"]) for row in csv.DictReader(file)] == [("1", "negative"), ("2", "positive")]
    printed = CliRunner().invoke(cli.app, ["classify", str(source), "--text-column", "text"])
    assert printed.stdout == target.read_text()


@pytest.mark.parametrize("content", ["n,body\n1,x\n", "n,text\n1,profit falls\n2\n"])
@pytest.mark.usefixtures("words")
def test_a_classify_that_fails_leaves_the_former_output_as_it_was_and_nothing_beside_it(
    tmp_path: Path, content: str
) -> None:
    source, target = tmp_path / "in.csv", tmp_path / "out.csv"
    source.write_text(content)
    target.write_text("of last week\n")
    result = CliRunner().invoke(cli.app, ["classify", str(source), "--text-column", "text", "--output", str(target)])
    assert isinstance(result.exception, ConfigurationError)
    assert target.read_text() == "of last week\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.csv", "out.csv"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["classify", "none.csv", "--text-column", "text"], "none.csv"),
        (["classify", "in.csv", "--text-column", "text", "--output", "in.csv"], "is the input"),
        (["classify", "in.csv", "--text-column", "body"], "no column 'body'"),
        (["classify", "in.csv", "--text-column", "text", "--output", "no/such/folder.csv"], "cannot write"),
        (["replay", "none.jsonl", "--out", "out"], "none.jsonl"),
        (["replay", "in.csv", "--out", "out", "--as-of", "yesterday"], "2014-01-31T16:05:00Z"),
        (["replay", "in.csv", "--out", "out", "--as-of", "2014-01-31T16:05:00"], "time zone"),
        (["replay", "in.csv", "--out", "out", "--classifications", "none.gz"], "none.gz"),
        (["alerts", "show", "x", "--in", "nowhere"], "nowhere"),
        (["settings", "--set", "evidence.terms"], "section.field=value"),
        (["settings", "--settings", "none.toml"], "none.toml"),
        (["schema", "alert"], "alerts"),
    ],
)
@pytest.mark.usefixtures("words")
def test_a_wrong_argument_is_told_with_exit_code_2_and_harms_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str], told: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("in.csv").write_text("text\nprofit falls\n")
    monkeypatch.setattr(sys, "argv", ["tocsin", *arguments])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith("tocsin: ")
    assert told in error
    assert Path("in.csv").read_text() == "text\nprofit falls\n"


def test_a_replay_of_what_holds_no_document_says_why_and_fails_with_its_results_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    table, out = tmp_path / "three.csv", tmp_path / "out"
    table.write_text("title,text\nA,shares fall\n")
    monkeypatch.setattr("streams.replay.embedded_classifiers", lambda _: [WordClassifier()])
    monkeypatch.setattr("sys.argv", ["tocsin", "replay", str(table), "--out", str(out)])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 1
    told = capsys.readouterr()
    assert "0 documents, 0 duplicates, 2 refused; 0 incidents" in told.out
    assert f"tocsin: no line is a document: {table.name}:1: invalid-json: " in told.err
    assert len((out / DEAD_LETTERS).read_text().splitlines()) == 2


def test_alerts_of_a_run_are_listed_and_shown_by_the_beginning_of_their_id(tmp_path: Path) -> None:
    (tmp_path / ALERTS).write_bytes(encode(alert(id="alert-00aa")) + b"\n" + encode(alert(id="alert-77bb")) + b"\n")
    listed = CliRunner().invoke(cli.app, ["alerts", "list", "--events", "--in", str(tmp_path)])
    assert "00aa" in listed.stdout
    assert "77bb" in listed.stdout
    flash = encode(alert(id="alert-99cc", incident="incident-99", tier="flash", series="source:wire", kind="no-data"))
    with (tmp_path / ALERTS).open("ab") as file:
        file.write(flash + b"\n")
    for wanted in (["--tier", "flash"], ["--kind", "no-data"], ["--series", "source:wire"]):
        chosen = CliRunner().invoke(cli.app, ["alerts", "list", "--in", str(tmp_path), *wanted])
        assert (
            "99cc" in chosen.stdout and "77bb" not in chosen.stdout and "1 incident; 1 alert of them" in chosen.stdout
        ), wanted
    none = CliRunner().invoke(cli.app, ["alerts", "list", "--in", str(tmp_path), "--series", "company:XX"])
    assert "None of the 3 alerts in " in none.stdout
    for wanted in (["--tier", "loud"], ["--kind", "bell"]):
        refused = CliRunner().invoke(cli.app, ["alerts", "list", "--in", str(tmp_path), *wanted])
        assert isinstance(refused.exception, ConfigurationError) and "choose one of" in str(refused.exception)
    shown = CliRunner().invoke(cli.app, ["alerts", "show", "77", "--in", str(tmp_path)])
    assert "alert-77bb" in shown.stdout
    assert "14 new negative stories" in shown.stdout
