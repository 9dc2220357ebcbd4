"""The repository that Triton loads, judged by tritonclient's own protobuf and by the ONNX file it serves."""

import json
import shutil
from pathlib import Path
from typing import Any

import onnx
import pytest
from another_model import another_model
from google.protobuf import text_format
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto
from tritonclient.grpc import model_config_pb2 as pb
from typer.testing import CliRunner

from models.onnx_model import DEFAULT_MODEL
from models.repository import MODEL_NAME, Packaged, read_package, write_repository
from processors.errors import ConfigurationError, ModelError
from streams.cli import app
from streams.model_inputs import load_model

DESCRIPTION = json.loads((DEFAULT_MODEL / "model.json").read_text())

FORMS = [("onnxruntime", "gpu"), ("onnxruntime", "cpu"), ("python", "gpu"), ("python", "cpu")]

ONNX_TYPES = {TensorProto.INT64: pb.TYPE_INT64, TensorProto.FLOAT: pb.TYPE_FP32}


def _config(folder: Path) -> Any:
    return text_format.Parse((folder / MODEL_NAME / "config.pbtxt").read_text(), pb.ModelConfig())


def _signature(config: Any) -> Any:
    return [(entry.name, entry.data_type, list(entry.dims)) for entry in (*config.input, *config.output)]


@pytest.fixture(params=FORMS, ids="-".join)
def written(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    backend, device = request.param
    write_repository(tmp_path / "models", DEFAULT_MODEL, backend, device)
    return backend, device, _config(tmp_path / "models"), tmp_path / "models"


def test_inputs_and_outputs_are_those_of_the_onnx_file(written: Any) -> None:
    *_, config, folder = written
    graph = onnx.load(next(folder.glob("*/*/model.onnx")), load_external_data=False).graph
    in_file = []
    for value in (*graph.input, *graph.output):
        tensor = value.type.tensor_type
        dims = [dim.dim_value if dim.HasField("dim_value") else -1 for dim in tensor.shape.dim]
        assert dims[0] == -1, "the batch is the first axis, which Triton adds by itself"
        in_file.append((value.name, ONNX_TYPES[tensor.elem_type], dims[1:]))
    assert _signature(config) == in_file


def test_models_of_other_languages_stand_beside_the_first_under_the_names_that_clients_ask_for(tmp_path: Path) -> None:
    chinese = another_model(tmp_path / "zh", "2.0.0", languages=["zh"])
    for _ in range(2):  # what is there may be replaced
        write_repository(tmp_path / "models", DEFAULT_MODEL, "python", "cpu", others=[chinese])
    assert sorted(path.name for path in (tmp_path / "models").iterdir()) == ["tocsin", "tocsin-zh"]
    config = text_format.Parse((tmp_path / "models" / "tocsin-zh" / "config.pbtxt").read_text(), pb.ModelConfig())
    assert config.name == "tocsin-zh"
    assert config.parameters["model_hash"].string_value == read_package(chinese).hash
    assert (tmp_path / "models" / "tocsin-zh" / str(read_package(chinese).number) / "model.onnx").is_file()
    english = another_model(tmp_path / "en", "3.0.0", languages=["de", "en"])
    for others, language in (([chinese, chinese], "zh"), ([english], "en")):
        with pytest.raises(ConfigurationError, match=f"both read '{language}': each language has one model"):
            write_repository(tmp_path / "models", DEFAULT_MODEL, "python", "cpu", others=others)


def test_a_model_that_reads_no_language_is_not_served(tmp_path: Path) -> None:
    silent = another_model(tmp_path / "silent", "2.0.0", languages=[])
    with pytest.raises(ModelError, match=r"silent.model.json names no language"):
        write_repository(tmp_path / "models", DEFAULT_MODEL, "python", "cpu", others=[silent])
    with pytest.raises(ModelError, match="names no language"):
        load_model(silent)


def test_every_form_has_one_name_and_one_signature(written: Any) -> None:
    *_, config, _ = written
    assert config.name == "tocsin"
    assert _signature(config) == [
        ("input_ids", pb.TYPE_INT64, [-1]),
        ("attention_mask", pb.TYPE_INT64, [-1]),
        ("p_sentiment", pb.TYPE_FP32, [3]),
        ("p_topic", pb.TYPE_FP32, [20]),
        ("p_company", pb.TYPE_FP32, [-1, 3]),
    ]


def test_each_length_that_clients_pad_to_is_warmed_up(written: Any) -> None:
    *_, config, _ = written
    lengths = [{tuple(entry.dims) for entry in warm_up.inputs.values()} for warm_up in config.model_warmup]
    assert lengths == [{(length,)} for length in DESCRIPTION["lengths"]]
    for warm_up in config.model_warmup:
        assert set(warm_up.inputs) == {"input_ids", "attention_mask"}
        assert 1 <= warm_up.batch_size <= config.max_batch_size


def test_texts_of_several_requests_are_computed_together_within_bounds(written: Any) -> None:
    _, device, config, _ = written
    batching = config.dynamic_batching
    assert config.max_batch_size >= 2048 // DESCRIPTION["lengths"][0], "the largest batch that a client sends"
    assert max(batching.preferred_batch_size) <= config.max_batch_size
    assert 0 < batching.max_queue_delay_microseconds <= 5_000
    policy = batching.default_queue_policy
    assert policy.max_queue_size > 0
    assert policy.default_timeout_microseconds > 0
    assert policy.allow_timeout_override, "a client that waits for less says so"
    kind = pb.ModelInstanceGroup.KIND_GPU if device == "gpu" else pb.ModelInstanceGroup.KIND_CPU
    assert [group.kind for group in config.instance_group] == [kind]


def test_a_client_learns_which_model_it_asks(written: Any) -> None:
    *_, config, folder = written
    stated = {name: parameter.string_value for name, parameter in config.parameters.items()}
    assert stated["name"] == DESCRIPTION["name"]
    assert stated["model_version"] == DESCRIPTION["version"]
    assert stated["model_hash"] == DESCRIPTION["hash"]
    number = read_package(DEFAULT_MODEL).number
    assert stated[f"version_{number}"] == " ".join(DESCRIPTION[key] for key in ("name", "version", "hash"))
    versions = [path.name for path in (folder / MODEL_NAME).iterdir() if path.is_dir()]
    assert versions == [str(read_package(DEFAULT_MODEL).number)]


def test_each_backend_finds_its_files(written: Any) -> None:
    backend, _, config, folder = written
    assert config.backend == backend
    files = {path.name for path in folder.glob("*/*/*")}
    packaged = {"model.onnx", "tokenizer.json", "model.json"}
    assert files == (packaged | {"model.py"} if backend == "python" else packaged)


def test_a_gpu_compiles_one_engine_for_all_lengths_in_full_precision_unless_told_otherwise(tmp_path: Path) -> None:
    for fp16, mode in ((False, "FP32"), (True, "FP16")):
        write_repository(tmp_path / mode, DEFAULT_MODEL, "onnxruntime", "gpu", fp16=fp16, engine_cache=Path("/kept"))
        config = _config(tmp_path / mode)
        (accelerator,) = config.optimization.execution_accelerators.gpu_execution_accelerator
        assert accelerator.name == "tensorrt"
        assert accelerator.parameters["precision_mode"] == mode
        assert accelerator.parameters["trt_engine_cache_path"] == "/kept"
        assert accelerator.parameters["trt_profile_min_shapes"] == "input_ids:1x16,attention_mask:1x16"
        assert accelerator.parameters["trt_profile_max_shapes"] == "input_ids:128x256,attention_mask:128x256"


@pytest.mark.parametrize(("backend", "device"), FORMS[1:])
def test_half_precision_is_refused_where_there_is_no_tensorrt(tmp_path: Path, backend: Any, device: Any) -> None:
    with pytest.raises(ConfigurationError, match="fp16 needs TensorRT"):
        write_repository(tmp_path / "models", DEFAULT_MODEL, backend, device, fp16=True)
    assert not (tmp_path / "models").exists()


@given(st.text("0123456789abcdef", min_size=64, max_size=64))
def test_a_version_is_a_positive_integer_that_follows_the_content(digest: str) -> None:
    number = Packaged("name", "1.0.0", digest, (16,), ()).number
    assert 0 < number < 2**31
    other = "f" + digest[1:] if digest[0] == "0" else "0" + digest[1:]
    assert Packaged("name", "1.0.0", other, (16,), ()).number != number


def test_a_new_repository_takes_the_place_of_the_old(tmp_path: Path) -> None:
    out = tmp_path / "models"
    write_repository(out, DEFAULT_MODEL, "python", "cpu")
    write_repository(out, DEFAULT_MODEL, "onnxruntime", "cpu")
    assert not list(out.glob("*/*/model.py"))
    assert [path.name for path in tmp_path.iterdir()] == ["models"], "nothing is left beside"


def test_a_failed_write_leaves_the_old_repository_and_nothing_beside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "models"
    write_repository(out, DEFAULT_MODEL, "python", "cpu")
    before = (out / MODEL_NAME / "config.pbtxt").read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shutil, "copyfile", full)
    with pytest.raises(ConfigurationError, match="No space left"):
        write_repository(out, DEFAULT_MODEL, "onnxruntime", "cpu")
    assert (out / MODEL_NAME / "config.pbtxt").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["models"]


@pytest.mark.parametrize("name", ["notes.txt", "tocsin/README.md"])
def test_a_folder_that_holds_something_else_is_never_replaced(tmp_path: Path, name: str) -> None:
    kept = tmp_path / name
    kept.parent.mkdir(exist_ok=True)
    kept.write_text("mine")
    with pytest.raises(ConfigurationError, match="is something else"):
        write_repository(tmp_path, DEFAULT_MODEL, "python", "cpu")
    assert kept.read_text() == "mine"


def test_a_damaged_model_is_not_served(tmp_path: Path) -> None:
    model = tmp_path / "model"
    shutil.copytree(DEFAULT_MODEL, model)
    with (model / "model.onnx").open("ab") as file:
        file.write(b"\0")
    with pytest.raises(ModelError, match="not those that model.json names"):
        write_repository(tmp_path / "models", model, "python", "cpu")
    with pytest.raises(ModelError, match="not a packaged model"):
        write_repository(tmp_path / "models", tmp_path, "python", "cpu")


def test_the_command_writes_what_a_deployment_serves_unless_told_otherwise(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["models", "repository", "--out", str(tmp_path / "models")])
    assert done.exit_code == 0, done.output
    config = _config(tmp_path / "models")
    assert config.backend == "onnxruntime"
    assert config.instance_group[0].kind == pb.ModelInstanceGroup.KIND_GPU
    assert DESCRIPTION["version"] in done.output
