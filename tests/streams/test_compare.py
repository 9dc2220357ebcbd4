"""Two models over the same documents: which labels turn, which incidents only one rings, what passes the gate."""

import gzip
import json
import shutil
from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sample_messages import NOON, VERSIONS, alert, labelled_document, unlabelled
from typer.testing import CliRunner

from models.onnx_model import DEFAULT_MODEL, content_hash
from processors.errors import ConfigurationError
from processors.messages import Alert, LabelledDocument, Sentiment
from streams.cli import app
from streams.codec import encode
from streams.compare import compared, lines_of
from streams.model_inputs import load_model

HOUR = timedelta(hours=1)
SENTIMENTS = {
    "negative": Sentiment("negative", 0.8, 0.1, 0.1),
    "neutral": Sentiment("neutral", 0.2, 0.7, 0.1),
    "positive": Sentiment("positive", 0.1, 0.1, 0.8),
}


def run(folder: Path, labels: Iterable[str], alerts: Iterable[Alert] = (), model: str = "a", **changes: Any) -> Path:
    """A replay of documents with `labels` in which `alerts` rang; `changes` are of what made the labels."""
    folder.mkdir()
    versions = replace(VERSIONS, model_hash=model, **changes)
    documents: list[LabelledDocument] = [
        labelled_document(str(n), text=f"text {n}", sentiment=SENTIMENTS[label], versions=versions)
        for n, label in enumerate(labels)
    ]
    documents.append(unlabelled(labelled_document("zh", title="波音公司暂停交付", text="")))
    with gzip.open(folder / "documents.jsonl.gz", "wb") as file:
        file.writelines(encode(document) + b"\n" for document in documents)
    (folder / "alerts.jsonl").write_bytes(b"".join(encode(each) + b"\n" for each in alerts))
    return folder


def incident(name: str, series: str, hours: float, **changes: Any) -> Alert:
    at = NOON + hours * HOUR
    return alert(f"alert-{name}-{hours}", incident=name, series=series, opened_at=at, at=at, **changes)


def test_labels_that_turn_are_told_the_surest_first(tmp_path: Path) -> None:
    a = run(tmp_path / "a", ["negative", "neutral", "neutral", "positive"])
    b = run(tmp_path / "b", ["positive", "neutral", "negative", "positive"], model="b")
    found = compared(a, b)
    assert (found.documents, found.flipped_share) == (4, 0.5)
    assert [(flip.before, flip.after) for flip in found.flips] == [("negative", "positive"), ("neutral", "negative")]
    assert [model[2] for model in found.models] == ["a", "b"]
    assert "  negative to positive: 1" in list(lines_of(found, 5))
    json.dumps(found.as_dict())


def test_incidents_of_the_same_series_and_about_the_same_time_are_the_same_event(tmp_path: Path) -> None:
    ours = [
        incident("one", "company:BA", 0),
        incident("one", "company:BA", 5, event="escalate", tier="flash"),
        incident("two", "company:AAPL", 0),
    ]
    theirs = [
        incident("uno", "company:BA", 20),
        incident("due", "company:AAPL", 60),
        incident("tre", "company:BA", 1, kind="volume"),
    ]
    a, b = run(tmp_path / "a", ["neutral"], ours), run(tmp_path / "b", ["neutral"], theirs, model="b")
    found = compared(a, b)
    assert found.incidents == (2, 3)
    assert [each.series for each in found.only[0]] == ["company:AAPL"]
    assert [(each.series, each.kind) for each in found.only[1]] == [
        ("company:BA", "volume"),
        ("company:AAPL", "sentiment"),
    ]
    assert found.alarms_share == pytest.approx(3 / 4)
    assert compared(b, b).alarms_share == 0


def test_runs_of_other_documents_or_of_two_models_are_not_compared(tmp_path: Path) -> None:
    a, b = run(tmp_path / "a", ["neutral"]), run(tmp_path / "b", ["neutral", "neutral"], model="b")
    with pytest.raises(ConfigurationError, match="1 stand in one alone"):
        compared(a, b)
    other = run(tmp_path / "other", ["neutral"], model="b", settings_hash="other")
    with pytest.raises(ConfigurationError, match="other settings"):
        compared(a, other)
    with pytest.raises(ConfigurationError, match="no documents"):
        compared(a, tmp_path)


def test_the_gate_closes_beyond_the_stated_share(tmp_path: Path) -> None:
    a = run(tmp_path / "a", ["neutral"] * 10, [incident("one", "company:BA", 0)])
    b = run(tmp_path / "b", ["negative"] + ["neutral"] * 9, [incident("uno", "company:BA", 0)], model="b")
    invoke = CliRunner().invoke
    assert invoke(app, ["models", "compare", str(a), str(b), "--most-flips", "0.1"]).exit_code == 0
    closed = invoke(app, ["models", "compare", str(a), str(b), "--json"])
    assert closed.exit_code == 1
    record = json.loads(closed.output)
    assert (record["passed"], record["sentiments_turned"], record["most_flips"]) == (False, 1, 0.05)


def test_runs_in_which_nothing_rings_say_that_alarms_were_not_compared(tmp_path: Path) -> None:
    a, b = run(tmp_path / "a", ["neutral"]), run(tmp_path / "b", ["neutral"], model="b")
    assert any("neither rang" in line for line in lines_of(compared(a, b), 0))
    rang = run(tmp_path / "rang", ["neutral"], [incident("one", "company:BA", 0)], model="c")
    assert not any("neither rang" in line for line in lines_of(compared(a, rang), 0))


def sees_black(folder: Path) -> Path:
    """The shipped model with another opinion: everything is a good deal more negative."""
    onnx = pytest.importorskip("onnx", reason="needs the extra `train`")
    shutil.copytree(DEFAULT_MODEL, folder)
    network = onnx.load(folder / "model.onnx")
    (bias,) = (each for each in network.graph.initializer if each.name == "network.heads.sentiment.bias")
    changed = onnx.numpy_helper.to_array(bias) + [6, 0, 0]
    bias.CopyFrom(onnx.numpy_helper.from_array(changed.astype("float32"), bias.name))
    onnx.save(network, folder / "model.onnx")
    described = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    described |= {"version": "2.0.0", "hash": content_hash(folder)}
    (folder / "model.json").write_text(json.dumps(described), encoding="utf-8")
    return folder


def test_two_packaged_models_are_asked_about_the_same_documents(tmp_path: Path) -> None:
    texts = [
        "Boeing profit beats estimates, shares soar",
        "Boeing plunges after fraud arrest",
        "Boeing to hold its annual meeting",
    ]
    lines = [
        {"id": str(n), "source": "wire", "kind": "news", "published_at": "2025-03-01T14:30:00Z", "text": text}
        for n, text in enumerate(texts)
    ]
    (tmp_path / "on.jsonl").write_text("\n".join(map(json.dumps, lines)))
    models = [str(DEFAULT_MODEL), str(sees_black(tmp_path / "other"))]
    result = CliRunner().invoke(app, ["models", "compare", *models, "--on", str(tmp_path / "on.jsonl"), "--json"])
    assert result.exit_code == 1, result.output
    record = json.loads(result.stdout)
    assert [model["version"] for model in record["models"]] == [load_model(DEFAULT_MODEL)[0].model.version, "2.0.0"]
    assert record["models"][0]["hash"] != record["models"][1]["hash"]
    assert record["documents"] == 3
    assert {(flip["before"], flip["after"]) for flip in record["flips"]} == {
        ("neutral", "negative"),
        ("positive", "negative"),
    }
