"""The shipped model under another name: the same answers, another content."""

import json
import shutil
from pathlib import Path

from models.onnx_model import DEFAULT_MODEL, content_hash


def another_model(folder: Path, version: str, **changes: object) -> Path:
    """A packaged model in `folder` that says the same as the shipped one and has another version and hash, and `changes` in
    its description."""
    import onnx

    shutil.copytree(DEFAULT_MODEL, folder)
    network = onnx.load(folder / "model.onnx")
    network.metadata_props.add(key="version", value=version)
    onnx.save(network, folder / "model.onnx")
    return restated(folder, version=version, **changes)


def restated(folder: Path, **changes: object) -> Path:
    """The model in `folder` with a description that fits its files, and `changes` in it."""
    description = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    description |= {"hash": content_hash(folder), **changes}
    (folder / "model.json").write_text(json.dumps(description), encoding="utf-8")
    return folder
