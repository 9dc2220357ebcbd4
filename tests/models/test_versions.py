"""Versions side by side in a repository: what is promoted, what goes back, what is refused and leaves no trace."""

from pathlib import Path
from typing import Any

import pytest
from another_model import another_model, restated
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2 as pb

from models.onnx_model import DEFAULT_MODEL
from models.repository import CURRENT, MODEL_NAME, read_package, write_repository
from models.versions import find_version, previous_in, promote, pushed, versions_in
from processors.errors import ConfigurationError, ModelError
from streams.model_inputs import load_model

SHIPPED = load_model(DEFAULT_MODEL)[0].model.version


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    write_repository(tmp_path / "models", DEFAULT_MODEL, "python", "cpu")
    return tmp_path / "models"


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("others")
    return [another_model(folder / version, version) for version in ("2.0.0", "3.0.0", "4.0.0")]


def push(repository: Path, model: Path) -> int:
    with pushed(repository, model) as packaged:
        return packaged.number


def config(repository: Path) -> Any:
    return text_format.Parse((repository / MODEL_NAME / "config.pbtxt").read_text(), pb.ModelConfig())


def standing(repository: Path) -> dict[str, str]:
    return {
        v.packaged.version: "promoted" if v.is_promoted else "previous" if v.is_previous else ""
        for v in versions_in(repository)
    }


def test_the_first_version_is_promoted_and_another_stands_beside_it(repository: Path, others: list[Path]) -> None:
    assert standing(repository) == {SHIPPED: "promoted"}
    number = push(repository, others[0])
    assert standing(repository) == {SHIPPED: "promoted", "2.0.0": ""}
    stated = config(repository)
    assert sorted(stated.version_policy.specific.versions) == sorted({number, read_package(DEFAULT_MODEL).number})
    for model in (DEFAULT_MODEL, others[0]):
        packaged = read_package(model)
        value = stated.parameters[f"version_{packaged.number}"].string_value
        assert value == f"{packaged.name} {packaged.version} {packaged.hash}"
    assert stated.parameters["model_hash"].string_value == read_package(DEFAULT_MODEL).hash


def test_whoever_follows_the_link_gets_what_is_promoted_and_goes_back_with_it(
    repository: Path, others: list[Path]
) -> None:
    push(repository, others[0])
    current = repository / MODEL_NAME / CURRENT
    assert load_model(current)[0].model.version == SHIPPED
    promote(repository, find_version(versions_in(repository), "2.0.0"))
    assert load_model(current)[0].model.hash == read_package(others[0]).hash
    assert standing(repository) == {"2.0.0": "promoted", SHIPPED: "previous"}
    assert config(repository).parameters["model_version"].string_value == "2.0.0"
    promote(repository, previous_in(versions_in(repository)))
    assert standing(repository) == {SHIPPED: "promoted", "2.0.0": "previous"}


def test_the_promoted_the_previous_and_the_newest_are_kept(repository: Path, others: list[Path]) -> None:
    push(repository, others[0])
    promote(repository, find_version(versions_in(repository), "2.0.0"))
    push(repository, others[1])
    push(repository, others[2])
    assert standing(repository) == {"2.0.0": "promoted", SHIPPED: "previous", "4.0.0": ""}
    assert len(config(repository).version_policy.specific.versions) == 3


def test_a_repository_with_pushed_versions_is_not_written_over(repository: Path, others: list[Path]) -> None:
    push(repository, others[0])
    with pytest.raises(
        ConfigurationError, match="versions that were pushed, which would be lost: `tocsin models push`"
    ):
        write_repository(repository, DEFAULT_MODEL, "python", "cpu")
    assert standing(repository) == {SHIPPED: "promoted", "2.0.0": ""}


def test_a_server_that_does_not_take_it_leaves_the_repository_as_it_was(repository: Path, others: list[Path]) -> None:
    before = (repository / MODEL_NAME / "config.pbtxt").read_bytes()
    with pytest.raises(RuntimeError), pushed(repository, others[0]):
        raise RuntimeError
    assert (repository / MODEL_NAME / "config.pbtxt").read_bytes() == before
    assert standing(repository) == {SHIPPED: "promoted"}
    assert not [path for path in (repository / MODEL_NAME).iterdir() if path.name.startswith(".")]


def test_what_cannot_stand_beside_the_promoted_one_is_refused(
    repository: Path, others: list[Path], tmp_path: Path
) -> None:
    with pytest.raises(ConfigurationError, match="already"):
        push(repository, DEFAULT_MODEL)
    shorter = restated(another_model(tmp_path / "shorter", "5.0.0"), lengths=[16, 32])
    with pytest.raises(ConfigurationError, match="other lengths, outputs or languages"):
        push(repository, shorter)
    with pytest.raises(ConfigurationError, match="other lengths, outputs or languages"):
        push(repository, restated(tmp_path / "shorter", lengths=[16, 32, 64, 128, 256], languages=["zh"]))
    (tmp_path / "shorter" / "model.onnx").write_bytes(b"")
    with pytest.raises(ModelError):
        push(repository, tmp_path / "shorter")
    with pytest.raises(ConfigurationError, match="promoted already"):
        promote(repository, versions_in(repository)[0])
    with pytest.raises(ConfigurationError, match="nothing was promoted before"):
        previous_in(versions_in(repository))
    with pytest.raises(ConfigurationError, match="no model repository"):
        versions_in(tmp_path)


def test_a_version_is_found_by_number_version_or_hash(repository: Path, others: list[Path]) -> None:
    number = push(repository, others[0])
    versions = versions_in(repository)
    packaged = read_package(others[0])
    for named in (str(number), "2.0.0", packaged.hash, packaged.hash[:10]):
        assert find_version(versions, named).packaged == packaged
    for named in ("", "9.9.9"):
        with pytest.raises(ConfigurationError, match="versions are called"):
            find_version(versions, named)
