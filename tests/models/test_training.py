"""The whole way from labelled rows to a packaged model, with a tiny random encoder."""

import json
import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra `train`")

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from models import train as training_stages
from models.config import DataSource, Encoder, Head, Optimiser, TrainingConfig
from models.onnx_model import OnnxModel, content_hash, row_dependence
from models.train import train
from processors.errors import ConfigurationError

pytestmark = pytest.mark.train


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Threads that wait for one another cost a network this small more than they gain."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


NEGATIVE = "falls drops cut loss lawsuit plunges".split()
POSITIVE = "rises soars beats profit record upgrade".split()
TOPICS = {"oil": "crude barrel opec".split(), "bank": "lender deposit branch".split()}
NAMES = [f"{a}{b}" for a in ("acme", "orbit", "delta", "zeno", "kappa") for b in ("corp", "soft", "works", "labs")]


@pytest.fixture(scope="module")
def encoder_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT of 20,000 random weights whose tokenizer knows the words of the test."""
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("encoder")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *NEGATIVE, *POSITIVE, *TOPICS["oil"], *TOPICS["bank"], *NAMES]
    tokenizer = Tokenizer(models.WordLevel({word: n for n, word in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]").save_pretrained(folder)
    torch.manual_seed(0)
    settings = BertConfig(
        vocab_size=len(words), hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64
    )
    BertModel(settings).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def data_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    draw = random.Random(0)
    with (folder / "mood.csv").open("w") as mood, (folder / "subject.csv").open("w") as subject:
        mood.write("text,label\n")
        subject.write("text,label\n")
        for _ in range(400):
            bad = draw.random() < 0.5
            words = [*draw.sample(NAMES, 3), *draw.sample(NEGATIVE if bad else POSITIVE, draw.randint(2, 4))]
            mood.write(f"{' '.join(draw.sample(words, len(words)))},{'bad' if bad else 'good'}\n")
            topic = draw.choice(list(TOPICS))
            words = [*draw.sample(NAMES, 3), *draw.sample(TOPICS[topic], 2)]
            subject.write(f"{' '.join(draw.sample(words, len(words)))},{topic}\n")
    return folder


@pytest.fixture(scope="module")
def config(encoder_folder: Path) -> TrainingConfig:
    return TrainingConfig(
        name="tiny",
        version="0",
        heads=(Head(name="mood", labels=("bad", "good")), Head(name="subject", labels=("oil", "bank"))),
        data=(DataSource(file="mood.csv", head="mood"), DataSource(file="subject.csv", head="subject")),
        encoder=Encoder(path=str(encoder_folder), max_length=32),
        optimiser=Optimiser(
            epochs=4,
            learning_rate=5e-3,
            head_learning_rate=5e-3,
            consistency=1.0,
            average_decay=0.9,
            label_smoothing=0.05,
        ),
    )


@pytest.fixture(scope="module")
def run(config: TrainingConfig, data_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("run")
    train(config, data_folder, out)
    return out


def test_both_heads_learn_what_the_words_say(run: Path) -> None:
    measures = json.loads((run / "package" / "validation.json").read_text())
    assert measures["heads"]["mood"]["accuracy"] > 0.9
    assert measures["heads"]["subject"]["accuracy"] > 0.9


def test_the_package_agrees_with_the_network_it_was_made_from(run: Path) -> None:
    measures = json.loads((run / "package" / "validation.json").read_text())
    for head in measures["heads"].values():
        assert head["accuracy"] == pytest.approx(head["full_precision"]["accuracy"], abs=0.02)


def test_the_package_states_the_hash_of_its_files(run: Path) -> None:
    description = json.loads((run / "package" / "model.json").read_text())
    assert description["hash"] == content_hash(run / "package")
    assert description["hash"] in (run / "package" / "MODEL_CARD.md").read_text()


def test_labels_of_the_package_do_not_depend_on_neighbours(run: Path) -> None:
    texts = [" ".join(random.Random(n).choices(NAMES + NEGATIVE, k=1 + n % 40)) for n in range(64)]
    found = row_dependence(OnnxModel(run / "package"), texts)
    assert found["changed_labels"] == 0
    assert found["largest_difference"] < 1e-3


def test_a_killed_run_resumes_and_ends_with_the_same_weights(
    config: TrainingConfig, data_folder: Path, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from models import training

    saved = training.save_atomically

    def save_and_die(state: dict[str, object], path: Path) -> None:
        saved(state, path)
        raise KeyboardInterrupt

    monkeypatch.setattr(training, "save_atomically", save_and_die)
    with pytest.raises(KeyboardInterrupt):
        train(config, data_folder, tmp_path)
    monkeypatch.setattr(training, "save_atomically", saved)
    train(config, data_folder, tmp_path)
    texts = ["acmecorp plunges loss", "orbitsoft soars record profit"]
    resumed, whole = (OnnxModel(folder / "package").predict(texts)["mood"] for folder in (tmp_path, run))
    assert np.allclose(resumed, whole, atol=1e-4)


def test_a_finished_run_is_not_trained_again(
    config: TrainingConfig, data_folder: Path, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training_stages, "fine_tune", lambda *_: pytest.fail("trained again"))
    train(config, data_folder, run)


def test_a_folder_with_the_run_of_another_configuration_is_refused(
    config: TrainingConfig, data_folder: Path, run: Path
) -> None:
    with pytest.raises(ConfigurationError, match="holds the run of another configuration"):
        train(replace(config, seed=2), data_folder, run)


def test_an_encoder_that_is_not_there_is_named(config: TrainingConfig, data_folder: Path, tmp_path: Path) -> None:
    absent = replace(config, encoder=Encoder(path=str(tmp_path / "absent")))
    with pytest.raises(ConfigurationError, match="absent' cannot be loaded"):
        train(absent, data_folder, tmp_path / "run")


def test_a_run_goes_on_from_the_weights_of_the_run_it_starts_from(
    config: TrainingConfig, data_folder: Path, run: Path, tmp_path: Path
) -> None:
    still = replace(config.optimiser, epochs=1, learning_rate=0.0, head_learning_rate=0.0)
    train(replace(config, start=str(run), optimiser=still), data_folder, tmp_path)
    texts = ["acmecorp plunges loss", "orbitsoft soars record profit"]
    first, second = (OnnxModel(folder / "package").predict(texts)["subject"] for folder in (run, tmp_path))
    assert np.allclose(np.log(first[:, 0] / first[:, 1]), np.log(second[:, 0] / second[:, 1]), atol=1e-3)


def test_a_run_to_start_from_that_is_not_there_is_named(
    config: TrainingConfig, data_folder: Path, tmp_path: Path
) -> None:
    with pytest.raises(ConfigurationError, match=r"absent/network\.safetensors: not the weights of a run"):
        train(replace(config, start=str(tmp_path / "absent")), data_folder, tmp_path / "run")
