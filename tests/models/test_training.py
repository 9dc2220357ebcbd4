"""The whole way from labelled rows to a packaged model, with a tiny random encoder."""

import json
import random
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra `train`")

from safetensors.torch import load_file
from tiny import NAMES, NEGATIVE, WORDS, write_encoder

from models import train as training_stages
from models import training
from models.batching import IGNORED, EncodedSet
from models.config import Encoder, Head, TrainingConfig
from models.datasets import Example
from models.evaluate import softmax
from models.network import Network, load_encoder
from models.objective import class_weights
from models.onnx_model import OnnxModel, content_hash, row_dependence
from models.train import train
from models.training import fine_tune, predict
from processors.errors import ConfigurationError

pytestmark = [pytest.mark.train, pytest.mark.usefixtures("one_thread")]


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


@pytest.mark.parametrize(("seconds", "saves"), [(training.CHECKPOINT_SECONDS, 1), (0.0, 33)])
def test_a_killed_run_resumes_and_ends_with_the_same_weights(
    config: TrainingConfig,
    data_folder: Path,
    run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    seconds: float,
    saves: int,
) -> None:
    """Killed after the first epoch, and in the middle of the second, where a checkpoint is written after every step."""
    saved, left = training.save_atomically, saves

    def save_and_die(state: dict[str, Any], path: Path) -> None:
        nonlocal left
        saved(state, path)
        left -= 1
        if not left:
            raise KeyboardInterrupt

    monkeypatch.setattr(training, "CHECKPOINT_SECONDS", seconds)
    monkeypatch.setattr(training, "save_atomically", save_and_die)
    with pytest.raises(KeyboardInterrupt):
        train(config, data_folder, tmp_path)
    place = torch.load(tmp_path / training.CHECKPOINT, weights_only=True)["place"]
    assert place["epoch"] == 1
    assert (place["batch"] > 0) == (saves > 1)
    monkeypatch.setattr(training, "save_atomically", saved)
    train(config, data_folder, tmp_path)
    first, second = (load_file(folder / "network.safetensors") for folder in (tmp_path, run))
    assert all(torch.allclose(first[name], second[name], atol=1e-5) for name in second)


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


def still(config: TrainingConfig, **changes: Any) -> TrainingConfig:
    """`config` with so few texts that only what its code does can be seen, and with `changes` of how it learns."""
    optimiser = replace(config.optimiser, epochs=1, consistency=0.0, average_decay=0.0, **changes)
    return replace(config, optimiser=optimiser, split=replace(config.split, most=64))


def test_training_ends_when_the_held_out_fold_gains_nothing_more_and_keeps_the_best_epoch(
    config: TrainingConfig, data_folder: Path, tmp_path: Path
) -> None:
    patient = replace(config, optimiser=replace(config.optimiser, epochs=50, patience=2))
    train(patient, data_folder, tmp_path)
    taken = json.loads((tmp_path / "training.json").read_text())
    assert taken["epochs"] == taken["kept_epoch"] + 2 < 50
    state = torch.load(tmp_path / training.CHECKPOINT, weights_only=True)
    kept = load_file(tmp_path / "network.safetensors")
    assert all(torch.equal(value, kept[name]) for name, value in state["best"].items())
    assert not all(torch.equal(value, kept[name]) for name, value in state["average"].items())


def test_gradients_of_several_batches_make_one_step(config: TrainingConfig, data_folder: Path, tmp_path: Path) -> None:
    train(still(config, batch_size=8, accumulation=3), data_folder, tmp_path)
    assert json.loads((tmp_path / "training.json").read_text())["steps"] == 3  # of 64 texts: 24, 24 and 16


def test_rare_labels_weigh_more_where_the_head_is_balanced() -> None:
    head = Head(name="mood", labels=("bad", "good"))
    targets = [0, 1, 1, 1, IGNORED]
    assert class_weights(head, targets) is None
    assert class_weights(replace(head, balance=1.0), targets).tolist() == pytest.approx([2, 2 / 3])  # type: ignore[union-attr]
    weighted = class_weights(replace(head, class_weights={"bad": 3.0}), targets)
    assert weighted.tolist() == pytest.approx([2, 2 / 3])  # type: ignore[union-attr]


def test_a_label_that_weighs_much_is_given_more_often(
    config: TrainingConfig, data_folder: Path, tmp_path: Path
) -> None:
    """Half the moods are turned at random, so that every text is in doubt."""
    draw = random.Random(0)
    rows = [line.rsplit(",", 1)[0] for line in (data_folder / "mood.csv").read_text().splitlines()[1:]]
    labelled = [f"{text},{draw.choice(['bad', 'good'])}" for text in rows]
    (tmp_path / "mood.csv").write_text("\n".join(["text,label", *labelled]))
    shares = []
    for name, factor in (("plain", 1.0), ("weighted", 6.0)):
        head = replace(config.heads[0], class_weights={"bad": factor})
        own = replace(config, heads=(head,), data=config.data[:1], optimiser=replace(config.optimiser, epochs=1))
        train(own, tmp_path, tmp_path / name)
        said = OnnxModel(tmp_path / name / "package").predict(rows)["mood"]
        shares.append(float((said.argmax(1) == 0).mean()))
    assert shares[1] > max(0.9, shares[0])


@pytest.mark.parametrize("frozen", [1, 2, -1])
def test_what_is_frozen_stays_as_it_was_pretrained(
    config: TrainingConfig, data_folder: Path, encoder_folder: Path, tmp_path: Path, frozen: int
) -> None:
    train(replace(still(config), encoder=replace(config.encoder, frozen=frozen)), data_folder, tmp_path)
    before, after = load_file(encoder_folder / "model.safetensors"), load_file(tmp_path / "network.safetensors")
    parts = [
        "embeddings.word_embeddings.weight",
        "encoder.layer.0.output.dense.weight",
        "encoder.layer.1.output.dense.weight",
    ]
    moved = [not torch.equal(before[name], after[f"encoder.{name}"]) for name in parts]
    assert moved == [False] * (frozen % 4) + [True] * (3 - frozen % 4)


def test_more_layers_than_there_are_cannot_be_frozen(config: TrainingConfig, data_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="frozen is 4, but it has its embeddings and 2 layers only"):
        train(replace(config, encoder=replace(config.encoder, frozen=4)), data_folder, tmp_path)


def test_the_curves_are_there_for_tensorboard_and_offline_for_weights_and_biases(
    config: TrainingConfig, data_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_ERROR_REPORTING", "false")
    train(still(config, patience=1), data_folder, tmp_path, project="tiny")
    curves = EventAccumulator(str(tmp_path / "tensorboard"))
    curves.Reload()
    assert [event.step for event in curves.Scalars("loss")] == [1, 2]
    assert {"rate", "held out/mood weighted F1", "held out/subject nats", "held out/score"} <= set(
        curves.Tags()["scalars"]
    )
    (recorded,) = (tmp_path / "wandb").glob("offline-run-*/run-*.wandb")
    assert b"held out/score" in recorded.read_bytes()


def test_a_teacher_is_followed_where_there_are_no_labels(
    config: TrainingConfig, encoder_folder: Path, tmp_path: Path
) -> None:
    encoder, tokenizer = load_encoder(config.encoder)
    network = Network(encoder, config.heads, 0.1)
    examples = [Example(" ".join(random.Random(n).choices(NAMES, k=4)), {}, "") for n in range(64)]
    taught = np.tile([0.8, 0.2], (64, 1))
    data = EncodedSet(examples, config.heads, tokenizer, 32, {"mood": taught})
    quick = replace(config, optimiser=replace(config.optimiser, label_smoothing=0.0, epochs=20))
    fine_tune(network, data, quick, tmp_path / "checkpoint.pt")
    said = softmax(predict(network, data)["mood"])
    assert said[:, 0].mean() == pytest.approx(0.8, abs=0.05)


def test_a_student_learns_from_a_packaged_teacher_with_the_same_labels_only(
    config: TrainingConfig, data_folder: Path, run: Path, tmp_path: Path
) -> None:
    taught = replace(still(config), teacher=str(run / "package"))
    assert train(taught, data_folder, tmp_path / "student")["heads"]
    turned = replace(config.heads[0], labels=("good", "bad"))
    with pytest.raises(ConfigurationError, match="its head 'mood' has other labels"):
        train(replace(taught, heads=(turned, config.heads[1])), data_folder, tmp_path / "other")


def test_a_full_disk_is_told_and_the_run_goes_on_once_there_is_room(
    config: TrainingConfig, data_folder: Path, tmp_path: Path
) -> None:
    full = tmp_path / "checkpoint.partial"
    full.symlink_to("/dev/full")
    with pytest.raises(ConfigurationError, match="no space is left on its disk"):
        train(still(config), data_folder, tmp_path)
    full.unlink()
    assert train(still(config), data_folder, tmp_path)["heads"]


def test_a_run_that_will_not_fit_on_the_disk_does_not_begin(
    config: TrainingConfig, data_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=1_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(ConfigurationError, match=r"needs 0\.0 GB and its disk has 0\.0 GB left: make room"):
        train(config, data_folder, tmp_path)


@pytest.mark.parametrize("family", ["distilbert", "roberta", "electra", "modernbert", "mpnet", "albert"])
def test_encoders_of_other_families_are_trained_and_packaged_alike(
    config: TrainingConfig, data_folder: Path, tmp_path: Path, family: str
) -> None:
    from transformers import AutoConfig, AutoModel

    sizes = {"vocab_size": len(WORDS), "num_hidden_layers": 2, "num_attention_heads": 2, "pad_token_id": 0}
    if family == "modernbert":
        sizes |= {"bos_token_id": 2, "eos_token_id": 3, "cls_token_id": 2, "sep_token_id": 3}
    shape = {"hidden_size": 64, "intermediate_size": 128}
    if family == "distilbert":
        shape = {"dim": 64, "hidden_dim": 128}
    if family == "albert":
        shape |= {"embedding_size": 32}
    network = AutoModel.from_config(AutoConfig.for_model(family, **sizes, **shape))
    own = replace(config, encoder=replace(config.encoder, path=str(write_encoder(tmp_path / "encoder", network))))
    measures = train(replace(own, optimiser=replace(config.optimiser, consistency=0.0)), data_folder, tmp_path / "run")
    assert measures["heads"]["mood"]["accuracy"] > 0.8
    assert measures["row_dependence"]["largest_difference"] < 1e-3


def test_an_encoder_without_a_fast_tokenizer_is_refused(
    config: TrainingConfig, data_folder: Path, tmp_path: Path
) -> None:
    folder = write_encoder(tmp_path / "encoder")
    (folder / "tokenizer.json").unlink()
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "CanineTokenizer"}')
    with pytest.raises(ConfigurationError, match="has no fast tokenizer"):
        train(replace(config, encoder=Encoder(path=str(folder))), data_folder, tmp_path / "run")


def test_an_encoder_that_reads_less_is_served_no_more(
    config: TrainingConfig, data_folder: Path, tmp_path: Path
) -> None:
    from transformers import BertConfig, BertModel

    small = BertModel(
        BertConfig(
            vocab_size=len(WORDS),
            hidden_size=32,
            num_hidden_layers=1,
            num_attention_heads=1,
            intermediate_size=32,
            max_position_embeddings=64,
        )
    )
    own = replace(still(config), encoder=replace(config.encoder, path=str(write_encoder(tmp_path / "encoder", small))))
    train(own, data_folder, tmp_path / "run")
    assert json.loads((tmp_path / "run" / "package" / "model.json").read_text())["lengths"] == [16, 32, 64]
    with pytest.raises(ConfigurationError, match="reads 64 tokens: lower max_length from 128"):
        train(replace(own, encoder=replace(own.encoder, max_length=128)), data_folder, tmp_path / "other")
