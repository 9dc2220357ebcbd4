"""Texts go to the model of their language: in the pipeline, in a run that is repeated, and from the settings."""

import gzip
import json
import shutil
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from processors.errors import ConfigurationError
from processors.messages import Document, LabelledDocument
from streams.classifier import embedded_classifiers
from streams.classify import labelled
from streams.cli import app
from streams.codec import decode
from streams.observer import Watching
from streams.outputs import ALERTS, DOCUMENTS, MENTIONS, OutputFolder, Summary
from streams.pipeline import Labeller, ModelLabeller
from streams.replay import make_pipeline, recorded_labeller, with_ticks
from streams.services.enrich_models import load_inputs, served_as
from streams.settings import DEFAULT_MODEL, ClassifierSettings, Settings, load_settings
from streams.testkit import WordClassifier

sys.path.append(str(Path(__file__).parent.parent / "models"))
from another_model import another_model

START = datetime(2020, 3, 2, 14, tzinfo=UTC)
ENGLISH = WordClassifier()
CHINESE = WordClassifier(negative=frozenset({"下跌"}), languages=frozenset({"zh"}), name="characters")
TEXTS = (
    "Shares of Apple: the quarter was a loss",
    "苹果公司 $AAPL 今天 下跌",
    "La acción de Apple cae después de un trimestre muy débil",
    "$AAPL rises after a record quarter",
)


def replayed(labeller: Labeller, folder: Path) -> list[LabelledDocument]:
    documents = [
        Document(str(n), "feed", "social", START + timedelta(minutes=n), text=text) for n, text in enumerate(TEXTS)
    ]
    with OutputFolder(folder) as files:
        make_pipeline(Settings(), labeller, Watching(files, Summary())).run(with_ticks(documents))
    return [decode(LabelledDocument, line) for line in gzip.decompress((folder / DOCUMENTS).read_bytes()).splitlines()]


def test_each_text_is_labelled_by_the_model_of_its_language_and_one_without_is_kept_unlabelled(tmp_path: Path) -> None:
    found = replayed(ModelLabeller(ENGLISH, (CHINESE,)), tmp_path)
    assert [document.language for document in found] == ["en", "zh", "es", "en"]
    assert [document.sentiment and document.sentiment.label for document in found] == [
        "negative",
        "negative",
        None,
        "positive",
    ]
    assert [document.versions and document.versions.model for document in found] == [
        "words",
        "characters",
        None,
        "words",
    ]


def test_texts_without_a_document_go_the_same_way_and_one_that_no_model_reads_to_the_first() -> None:
    found = [(one.model.name, one.classification.sentiment.label) for one in labelled(TEXTS, [ENGLISH, CHINESE]) if one]
    assert found == [("words", "negative"), ("characters", "negative"), ("words", "neutral"), ("words", "positive")]
    assert labelled(["", "苹果 下跌", " \n"], [CHINESE, ENGLISH])[::2] == [None, None]


def test_a_run_of_two_models_can_be_repeated_from_its_labels_byte_for_byte(tmp_path: Path) -> None:
    replayed(ModelLabeller(ENGLISH, (CHINESE,)), tmp_path / "1")
    replayed(recorded_labeller(tmp_path / "1" / DOCUMENTS), tmp_path / "2")
    for name in (DOCUMENTS, MENTIONS, ALERTS):
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes()


def test_two_models_of_one_language_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="both read 'en'"):
        make_pipeline(Settings(), ModelLabeller(ENGLISH, (WordClassifier(name="other"),)), Watching())
    shutil.copytree(DEFAULT_MODEL, tmp_path / "same")
    twice = ClassifierSettings(others=(tmp_path / "same",))
    for load in (embedded_classifiers, load_inputs):
        with pytest.raises(ConfigurationError, match="both read 'en'.*classifier.others"):
            load(twice)


def test_models_of_other_languages_are_named_by_one_setting_and_served_beside_the_first(tmp_path: Path) -> None:
    pytest.importorskip("onnx", reason="needs the extra `train`")
    chinese = another_model(tmp_path / "zh", "2.0.0", languages=["zh"])
    settings = load_settings(None, {"TOCSIN_CLASSIFIER_OTHERS": str(chinese)}, {"classifier.threads": "1"})
    first, second = embedded_classifiers(settings.classifier)
    assert (first.model.languages, second.model.languages) == ({"en"}, {"zh"})
    for text, model in (("Boeing shares plunge", first.model), ("波音 股价 下跌", second.model)):
        done = CliRunner().invoke(app, ["explain", text, "--json", "--set", f"classifier.others={chinese}"])
        assert json.loads(done.output)["model"]["hash"] == model.hash
    inputs = load_inputs(settings.classifier)
    assert [served.model for served in served_as(settings.triton, inputs)] == ["tocsin", "tocsin-zh"]
