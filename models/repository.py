"""The model repository that Triton serves: one model for each language, in the form that a server can run.

``DIR/tocsin/config.pbtxt`` says how it is served, ``DIR/tocsin/N/`` holds its files; models for other languages stand
beside it in folders such as ``DIR/tocsin-zh``. N follows from the content hash, so
that an answer tells by its version whether it came from the model that a client knows.
"""

import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, Final, Literal

from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2 as pb

from processors.enrichment import ModelIdentity, models_by_language
from processors.errors import ConfigurationError, ModelError
from processors.model_input import model_hash, served_name, version_number

Backend = Literal["onnxruntime", "python"]
Device = Literal["gpu", "cpu"]

MODEL_NAME: Final = "tocsin"
"""What clients ask for."""

CURRENT: Final = "current"
"""The link to the promoted version, once a version was pushed (see `models.versions`)."""

PYTHON_BACKEND: Final = Path(__file__).parent / "triton_python_backend" / "model.py"

MAX_BATCH_SIZE: Final = 128
"""Most texts computed at once, which bounds the memory of a batch of the longest texts."""

PREFERRED_BATCH_SIZES: Final = (32, 64, 128)
"""A batch of such a size is not kept waiting for more."""

QUEUE_DELAY: Final = {"gpu": 2_000, "cpu": 500}
"""Longest wait for texts of the same length, in µs: a GPU gains by large batches, a CPU hardly."""

QUEUED_REQUESTS: Final = 256
"""More are refused at once, and asked again by their clients."""

QUEUE_TIMEOUT: Final = 60_000_000
"""µs after which a waiting request is dropped, unless its client gives fewer: by then nobody waits for the answer."""

INSTANCES: Final = {"gpu": 2, "cpu": 1}
"""On a GPU one copies while the other computes; on a CPU one takes all its threads."""

WARM_UP_TOKENS: Final = {"gpu": 2_048, "cpu": 1}
"""Tokens of a warm-up batch, at least one text: on a GPU as many as clients send at once, for which it prepares."""

ENGINE_CACHE: Final = Path("/tmp/tensorrt")
"""Where a server keeps what TensorRT compiled, which takes minutes."""


@dataclass(frozen=True, slots=True)
class Packaged:
    """What a repository states of a packaged model."""

    name: str
    version: str
    hash: str
    lengths: tuple[int, ...]
    outputs: tuple[tuple[str, tuple[int, ...]], ...]
    """Name and shape of each output, without the batch; -1 is the length of the text."""
    languages: tuple[str, ...] = ("en",)

    @property
    def number(self) -> int:
        """The version as Triton counts it: a positive integer that differs where the content does."""
        return version_number(self.hash)

    @property
    def identity(self) -> ModelIdentity:
        """Who labels with it."""
        return ModelIdentity(self.name, self.version, self.hash, frozenset(self.languages))


def write_repository(
    out: Path,
    model: Path,
    backend: Backend,
    device: Device,
    *,
    others: Sequence[Path] = (),
    threads: int = 0,
    fp16: bool = False,
    engine_cache: Path = ENGINE_CACHE,
) -> Packaged:
    """Write the repository `out` for the packaged model in the folder `model`; it appears whole or not at all.

    `others` are packaged models for other languages, which are served beside it (see `served_name`). `threads` of one
    instance on a CPU, 0 for one per core; `fp16` lets TensorRT compute in half precision, and it keeps its engines in
    `engine_cache`, a folder of the server's. An earlier repository at `out` is replaced. Raises ConfigurationError
    where `out` is something else, holds versions that were pushed or cannot be written, or where two models read one
    language; ModelError for a model that is damaged.
    """
    if fp16 and (backend, device) != ("onnxruntime", "gpu"):
        raise ConfigurationError("fp16 needs TensorRT: --backend onnxruntime --device gpu")
    packaged = read_package(model)
    beside = [(folder, read_package(folder)) for folder in others]
    models_by_language(each.identity for each in (packaged, *(each for _, each in beside)))
    named = [served_name(MODEL_NAME, each.languages) for _, each in beside]
    with _replaced_folder(out) as part:
        for name, (folder, each) in zip([MODEL_NAME, *named], [(model, packaged), *beside], strict=True):
            config = model_config(each, backend, device, threads, name)
            if (backend, device) == ("onnxruntime", "gpu"):
                config.optimization.CopyFrom(_tensorrt(each, engine_cache, fp16=fp16))
            version = part / name / str(each.number)
            version.mkdir(parents=True)
            (part / name / "config.pbtxt").write_text(text_format.MessageToString(config), encoding="utf-8")
            for file in ("model.onnx", "tokenizer.json", "model.json"):
                shutil.copyfile(folder / file, version / file)
            if backend == "python":
                shutil.copyfile(PYTHON_BACKEND, version / "model.py")
    return packaged


def read_package(folder: Path) -> Packaged:
    """What the packaged model in `folder` is. Raises ModelError where a file is missing or not the one described."""
    try:
        description: dict[str, Any] = json.loads((folder / "model.json").read_bytes())
        found = model_hash((folder / "model.onnx").read_bytes(), (folder / "tokenizer.json").read_bytes())
        outputs: list[tuple[str, tuple[int, ...]]]
        outputs = [(head["output"], (len(head["labels"]),)) for head in description["heads"]]
        if names := description.get("names"):
            outputs.append((names["output"], (-1, len(names["labels"]))))
        packaged = Packaged(
            description["name"],
            description["version"],
            description["hash"],
            tuple(description["lengths"]),
            tuple(outputs),
            tuple(description["languages"]),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{folder}: not a packaged model ({error!r})") from error
    if not packaged.languages:
        raise ModelError(f"{folder / 'model.json'} names no language that the model reads: train it with `languages`")
    if found != packaged.hash:
        raise ModelError(f"the files of the model in {folder} are not those that model.json names: install it again")
    return packaged


def model_config(packaged: Packaged, backend: Backend, device: Device, threads: int, name: str = MODEL_NAME) -> Any:
    """The ``inference.ModelConfig`` by which Triton serves `packaged` under the name `name`."""
    return pb.ModelConfig(
        name=name,
        backend=backend,
        max_batch_size=MAX_BATCH_SIZE,
        input=[
            pb.ModelInput(name=name, data_type=pb.TYPE_INT64, dims=[-1]) for name in ("input_ids", "attention_mask")
        ],
        output=[pb.ModelOutput(name=name, data_type=pb.TYPE_FP32, dims=dims) for name, dims in packaged.outputs],
        instance_group=[
            pb.ModelInstanceGroup(
                count=INSTANCES[device],
                kind=pb.ModelInstanceGroup.KIND_GPU if device == "gpu" else pb.ModelInstanceGroup.KIND_CPU,
            )
        ],
        dynamic_batching=_batching(device),
        model_warmup=[_warm_up(length, device) for length in packaged.lengths],
        parameters={
            name: pb.ModelParameter(string_value=value)
            for name, value in {**identities([packaged], packaged), "intra_op_thread_count": str(threads)}.items()
        },
    )


def identities(served: Sequence[Packaged], promoted: Packaged) -> dict[str, str]:
    """The parameters by which a client learns who every version is that is `served`, and which of them is `promoted`."""
    return {
        "name": promoted.name,
        "model_version": promoted.version,
        "model_hash": promoted.hash,
        **{f"version_{each.number}": f"{each.name} {each.version} {each.hash}" for each in served},
    }


def _batching(device: Device) -> Any:
    # The batcher merges requests of equal shape only: clients pad to a few lengths, so that there are such.
    return pb.ModelDynamicBatching(
        preferred_batch_size=PREFERRED_BATCH_SIZES,
        max_queue_delay_microseconds=QUEUE_DELAY[device],
        default_queue_policy=pb.ModelQueuePolicy(
            timeout_action=pb.ModelQueuePolicy.REJECT,
            default_timeout_microseconds=QUEUE_TIMEOUT,
            allow_timeout_override=True,
            max_queue_size=QUEUED_REQUESTS,
        ),
    )


def _tensorrt(packaged: Packaged, cache: Path, *, fp16: bool) -> Any:
    shortest, longest = packaged.lengths[0], packaged.lengths[-1]
    parameters = {
        "precision_mode": "FP16" if fp16 else "FP32",
        "max_workspace_size_bytes": str(1 << 30),
        "trt_engine_cache_enable": "true",
        "trt_engine_cache_path": str(cache),
        # One engine for all shapes: otherwise each new shape compiles one, for minutes.
        "trt_profile_min_shapes": _shapes(1, shortest),
        "trt_profile_opt_shapes": _shapes(64, 64),
        "trt_profile_max_shapes": _shapes(MAX_BATCH_SIZE, longest),
    }
    accelerator = pb.ModelOptimizationPolicy.ExecutionAccelerators.Accelerator(name="tensorrt", parameters=parameters)
    return pb.ModelOptimizationPolicy(
        execution_accelerators=pb.ModelOptimizationPolicy.ExecutionAccelerators(gpu_execution_accelerator=[accelerator])
    )


def _shapes(rows: int, length: int) -> str:
    return f"input_ids:{rows}x{length},attention_mask:{rows}x{length}"


def _warm_up(length: int, device: Device) -> Any:
    padding = pb.ModelWarmup.Input(data_type=pb.TYPE_INT64, dims=[length], zero_data=True)
    return pb.ModelWarmup(
        name=f"length-{length}",
        batch_size=min(MAX_BATCH_SIZE, max(1, WARM_UP_TOKENS[device] // length)),
        inputs={"input_ids": padding, "attention_mask": padding},
    )


@contextmanager
def _replaced_folder(out: Path) -> Iterator[Path]:
    """A folder beside `out` to write into, which takes the name at a clean end and is removed at any other."""
    out = out.resolve()
    if out.exists() and not _is_ours(out):
        raise ConfigurationError(
            f"--out {out} is something else: name a new folder, or one that holds a repository alone"
        )
    if (out / MODEL_NAME / CURRENT).is_symlink():
        raise ConfigurationError(
            f"--out {out} holds versions that were pushed, which would be lost: `tocsin models push` adds one to them; to begin "
            "anew, name another folder or move this one away"
        )
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(mkdtemp(prefix=f".{out.name}.", dir=out.parent))
        try:
            part = scratch / "new"
            part.mkdir()
            yield part
            if out.exists():
                out.rename(scratch / "old")
            part.rename(out)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    except OSError as error:
        raise ConfigurationError(f"cannot write the model repository {out}: {error.strerror or error}") from error


def _is_ours(folder: Path) -> bool:
    """An empty folder, or one with a repository and nothing beside."""
    if not folder.is_dir():
        return False
    models = [*folder.iterdir()]
    return not models or (
        MODEL_NAME in (model.name for model in models)
        and all(model.name.startswith(MODEL_NAME) and (model / "config.pbtxt").is_file() for model in models)
    )
