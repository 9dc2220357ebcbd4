"""Settings: later sources win, whatever is unknown or out of range is refused with a mend."""

import os
import re
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from processors.errors import ConfigurationError
from streams.settings import (
    ENVIRONMENT_PREFIX,
    PLATFORM_VARIABLES,
    Settings,
    declarations,
    load_master,
    load_settings,
    resolve_settings,
    settings_hash,
    value_of,
)
from streams.settings_view import settings_toml


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "tocsin.toml"
    path.write_text("# ours\n[classifier]\nthreads = 2\nbatch_size = 64\n\n[detection]\nwindows_hours = [1, 6]\n")
    return path


def test_without_any_source_everything_is_at_its_default() -> None:
    assert load_settings(None, {}, {}) == Settings()


def test_flags_win_over_the_environment_and_that_over_the_file(file: Path) -> None:
    environment = {"TOCSIN_CLASSIFIER_THREADS": "3", "TOCSIN_CLASSIFIER_BATCH_SIZE": "128", "HOME": "/root"}
    resolution = resolve_settings(file, environment, {"classifier.threads": "4"})
    assert resolution.settings.classifier.threads == 4
    assert resolution.settings.classifier.batch_size == 128
    assert resolution.settings.detection.windows_hours == (1, 6)
    assert resolution.sources == {
        "classifier.threads": "--set",
        "classifier.batch_size": "environment TOCSIN_CLASSIFIER_BATCH_SIZE",
        "detection.windows_hours": f"{file}:7",
    }


def test_lists_and_paths_are_read_from_text(tmp_path: Path) -> None:
    flags = {"detection.windows_hours": "1, 12,24", "classifier.model": str(tmp_path)}
    settings = load_settings(None, {}, flags)
    assert settings.detection.windows_hours == (1, 12, 24)
    assert settings.classifier.model == tmp_path


@pytest.mark.parametrize(
    ("toml", "told"),
    [
        ("[classifier]\n\nthread = 2", [":3", "classifier.thread", "did you mean classifier.threads?"]),
        ("[clasifier]\nthreads = 2", [":2", "did you mean classifier.threads?"]),
        ("[nonsense]", [":1", "no setting nonsense", "tocsin settings"]),
        ("classifier = 2", [":1", "no setting classifier"]),
        ("classifier.threads = 'two'", ["classifier.threads", "valid integer", "'two'"]),
        ("[classifier]\nthreads = -1", [":2", "greater than or equal to 0", "-1", "threads of one request"]),
        ("[classifier]\nbatch_size = 1_000_000", ["less than or equal to 8192"]),
        ("[detection]\nquiet_hours = '12'", ["valid integer (unit: h)"]),
        ("[detection]\npolarity = 'bad'", ["'negative', 'neutral' or 'positive'"]),
        ("[detection]\nleave_chance = nan", ["finite"]),
        ("[classifier\n", ["TOML", "line 1"]),
    ],
)
def test_a_wrong_file_is_refused_with_place_and_mend(tmp_path: Path, toml: str, told: list[str]) -> None:
    path = tmp_path / "tocsin.toml"
    path.write_text(toml)
    with pytest.raises(ConfigurationError) as refusal:
        load_settings(path, {}, {})
    assert [word for word in [str(path), *told] if word not in str(refusal.value)] == []


def test_a_file_that_is_not_there_or_no_text_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"nowhere\.toml: No such file"):
        load_settings(tmp_path / "nowhere.toml", {}, {})
    (tmp_path / "latin.toml").write_bytes(b"# B\xf6rse\n")
    with pytest.raises(ConfigurationError, match="byte 3 is no UTF-8"):
        load_settings(tmp_path / "latin.toml", {}, {})


@pytest.mark.parametrize(
    ("environment", "flags", "told"),
    [
        ({"TOCSIN_CLASSIFIER_THREAD": "2"}, {}, ["environment", "did you mean TOCSIN_CLASSIFIER_THREADS?"]),
        ({"TOCSIN_CLASSIFIER_THREADS": "two"}, {}, ["environment TOCSIN_CLASSIFIER_THREADS", "integer", "'two'"]),
        ({}, {"classifer.threads": "2"}, ["--set", "did you mean classifier.threads?"]),
        ({}, {"classifier.threads": "257"}, ["--set: classifier.threads", "less than or equal to 256"]),
        ({}, {"detection.windows_hours": "1,x"}, ["detection.windows_hours", "integer"]),
        ({}, {"detection.leave_chance": "inf"}, ["finite"]),
    ],
)
def test_a_wrong_variable_or_flag_is_refused_with_a_mend(
    environment: dict[str, str], flags: dict[str, str], told: list[str]
) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        load_settings(None, environment, flags)
    assert [word for word in told if word not in str(refusal.value)] == []


def test_everything_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    file = tmp_path / "tocsin.toml"
    file.write_text('[kafka]\nsevers = ["a:1"]\nprefix = 3\n')
    with pytest.raises(ConfigurationError) as refusal:
        load_settings(file, {"TOCSIN_CLASSIFIER_THREADS": "many"}, {"detekt.session": "1"})
    problems = str(refusal.value).splitlines()
    assert len(problems) == 4
    assert f"{file}:2: there is no setting kafka.severs: did you mean kafka.servers?" in problems


def test_variables_of_others_and_of_the_tests_are_let_alone() -> None:
    assert load_settings(None, {"PATH": "/bin", "TOCSIN_DATA": "/data", "TOCSIN_SETTINGS": "x.toml"}, {}) == Settings()


PLATFORM = {
    "TOCSIN_SERVICE_HOST": "10.0.0.11",
    "TOCSIN_SERVICE_PORT": "8080",
    "TOCSIN_SERVICE_PORT_CONSOLE": "8080",
    "TOCSIN_PORT": "tcp://10.0.0.11:8080",
    "TOCSIN_PORT_8080_TCP": "tcp://10.0.0.11:8080",
    "TOCSIN_PORT_8080_TCP_PROTO": "tcp",
    "TOCSIN_PORT_8080_TCP_PORT": "8080",
    "TOCSIN_PORT_8080_TCP_ADDR": "10.0.0.11",
}


def test_what_a_platform_tells_of_a_service_called_tocsin_is_let_alone_and_hides_no_setting() -> None:
    assert load_settings(None, PLATFORM, {}) == Settings()
    assert not [d for d in declarations().values() if PLATFORM_VARIABLES.fullmatch(d.variable)]


@pytest.mark.parametrize("name", ["TOCSIN_PORTS", "TOCSIN_SERVICE", "TOCSIN_PORT_8080", "TOCSIN_HOST"])
def test_what_only_resembles_it_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match=f"no setting {name}"):
        load_settings(None, {name: "8080"}, {})


def test_every_setting_has_one_variable_a_description_and_a_default_that_its_own_rules_allow() -> None:
    all_declarations = list(declarations().values())
    assert len({declaration.variable for declaration in all_declarations}) == len(all_declarations)
    for declaration in all_declarations:
        assert re.fullmatch(ENVIRONMENT_PREFIX + "[A-Z_]+", declaration.variable)
        assert len(declaration.description) > 15, declaration.path
        default = declaration.default
        text = ",".join(map(str, default)) if isinstance(default, tuple) else str(default)
        assert value_of(load_settings(None, {declaration.variable: text}, {}), declaration.path) == default


def test_the_printed_toml_loads_back_to_the_same_settings(tmp_path: Path, file: Path) -> None:
    flags = {"classifier.model": '/models/"ours" \\ ü', "stories.similarity": "0.25", "detection.polarity": "positive"}
    resolution = resolve_settings(file, {}, flags)
    printed = tmp_path / "printed.toml"
    printed.write_text(settings_toml(resolution), encoding="utf-8")
    assert load_settings(printed, {}, {}) == resolution.settings


def test_the_printed_toml_shows_every_setting_and_its_default_when_the_comments_are_taken_off() -> None:
    printed = settings_toml(resolve_settings(None, {}, {}))
    uncommented = re.sub(r"^# (?=[a-z_]+ = )", "", printed, flags=re.MULTILINE)
    tables = tomllib.loads(uncommented)
    assert {f"{table}.{name}" for table, values in tables.items() for name in values} == set(declarations())


def test_the_hash_changes_with_what_judges_and_only_with_that() -> None:
    usual = Settings()
    assert settings_hash(usual) == settings_hash(load_settings(None, {}, {}))
    assert settings_hash(load_settings(None, {}, {"classifier.threads": "2"})) == settings_hash(usual)
    for path in ("detection.quiet_hours", "stories.gap_hours", "campaigns.least_authors", "evidence.terms"):
        assert settings_hash(load_settings(None, {}, {path: "7"})) != settings_hash(usual), path


def test_the_shipped_company_master_is_read_and_a_missing_one_named(tmp_path: Path) -> None:
    assert load_master(Settings()).hash
    elsewhere = replace(Settings(), companies=replace(Settings().companies, master=tmp_path / "none.json"))
    with pytest.raises(ConfigurationError, match=r"none\.json.*companies\.master"):
        load_master(elsewhere)


def test_the_settings_of_this_very_environment_are_sound() -> None:
    load_settings(None, os.environ, {})
