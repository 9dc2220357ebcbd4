"""From Chinese rows to an encoder made from nothing, a packaged model and its baseline: the whole way, in small."""

import json
import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra `train`")

from models import training
from models.baseline import against_baseline
from models.config import (
    DataSource,
    Encoder,
    Head,
    Optimiser,
    PretrainingConfig,
    TrainingConfig,
    load_pretraining,
)
from models.onnx_model import OnnxModel
from models.pretraining import SPECIAL, character_tokenizer, pretrain
from models.train import train
from processors.errors import ConfigurationError
from processors.labels import SENTIMENTS, TOPICS

pytestmark = pytest.mark.train

BAD, GOOD = "下跌 亏损 暴雷 诉讼".split(), "上涨 盈利 突破 中标".split()
SUBJECTS = {"银行": "bank", "石油": "oil"}
PLACES = {"中国": "china", "外国": "foreign"}
FILL = "今日开盘后市场成交量平稳投资者观望情绪较浓部分个股表现活跃资金面宽松"


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, draw = tmp_path_factory.mktemp("data"), random.Random(0)

    def around(*words: str) -> str:
        parts = ["".join(draw.sample(FILL, 4)) for _ in range(2)]
        return parts[0] + "".join(words) + parts[1] + "。"

    posts, news = [], []
    for _ in range(240):
        mood = draw.randrange(2)
        posts.append([around(*draw.sample(GOOD if mood else BAD, 2)), mood])
        subject, place = draw.choice(list(SUBJECTS)), draw.choice(list(PLACES))
        news.append(["7", around(place, subject), f"{place} {subject} 无关"])
    (folder / "posts.json").write_text(json.dumps(posts, ensure_ascii=False), encoding="utf-8")
    (folder / "news.json").write_text(json.dumps(news, ensure_ascii=False), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def config() -> TrainingConfig:
    labels = SUBJECTS | PLACES
    news = {"file": "news.json", "text": "1", "label": "2", "separator": " ", "only_listed": True}
    return TrainingConfig(
        name="tiny",
        version="0",
        languages=("zh",),
        licence="none",
        heads=(
            Head(name="sentiment", labels=SENTIMENTS, partial=True),
            Head(name="topic", labels=TOPICS, partial=True),
            Head(name="about", labels=tuple(labels.values()), several=True),
        ),
        data=(
            DataSource(
                file="posts.json", head="sentiment", text="0", label="1", labels={"0": "negative", "1": "positive"}
            ),
            DataSource(head="about", labels=labels, **news),  # type: ignore[arg-type]
            DataSource(head="topic", labels={"银行": "financials", "石油": "energy-oil"}, **news),  # type: ignore[arg-type]
        ),
        encoder=Encoder(path="", max_length=32),
        optimiser=Optimiser(epochs=8, learning_rate=5e-3, head_learning_rate=1e-2, consistency=0.5, layer_decay=1.0),
    )


PRETRAINING = PretrainingConfig(
    texts_of="", layers=1, width=32, max_length=32, optimiser=Optimiser(epochs=2, learning_rate=5e-3)
)


@pytest.fixture(scope="module")
def encoder(config: TrainingConfig, data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("encoder")
    pretrain(PRETRAINING, config, data, out)
    return out


@pytest.fixture(scope="module")
def package(config: TrainingConfig, data: Path, encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("run")
    train(replace(config, encoder=Encoder(path=str(encoder), max_length=32)), data, out)
    return out / "package"


def test_heads_of_one_label_and_of_several_learn_what_the_characters_say(package: Path) -> None:
    measures = json.loads((package / "validation.json").read_text())["heads"]
    assert measures["sentiment"]["accuracy"] > 0.9
    assert measures["topic"]["accuracy"] > 0.9
    assert measures["about"]["micro_f1"] > 0.9
    assert measures["about"]["exact"] > 0.8
    assert measures["about"]["micro_f1"] == pytest.approx(measures["about"]["full_precision"]["micro_f1"], abs=0.03)


def test_the_package_says_what_it_reads_and_as_far_as_its_encoder_goes(package: Path) -> None:
    model = OnnxModel(package)
    assert (model.description["languages"], model.description["licence"]) == (["zh"], "none")
    assert model.lengths == [16, 32]
    assert (model.description["sentiments"], model.description["topics"]) == (list(SENTIMENTS), list(TOPICS))
    found = model.predict(["中国银行" * 40, "外国石油"])
    assert found["topic"].sum(1) == pytest.approx(1, abs=1e-5)
    assert found["about"].sum(1).max() > 1.2, "labels of which a text may carry several have probabilities of their own"
    assert "English" not in (package / "MODEL_CARD.md").read_text()


def test_the_baseline_stands_beside_the_model_on_the_same_texts(
    config: TrainingConfig, data: Path, package: Path
) -> None:
    found = against_baseline(config, data, OnnxModel(package))
    assert list(found) == ["sentiment", "topic", "about"]
    for name, score in (("sentiment", "accuracy"), ("about", "micro_f1")):
        row = found[name]
        assert row["baseline"][score] > 0.9
        assert row["model"][score] > 0.9
        low, high = row["lead_95"][score]
        assert low <= row["model"][score] - row["baseline"][score] <= high


def test_a_killed_pretraining_goes_on_and_ends_with_the_same_encoder(
    config: TrainingConfig, data: Path, encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from safetensors.torch import load_file

    saved = training.save_atomically

    def save_and_die(state: dict[str, object], path: Path) -> None:
        saved(state, path)
        raise KeyboardInterrupt

    monkeypatch.setattr(training, "save_atomically", save_and_die)
    with pytest.raises(KeyboardInterrupt):
        pretrain(PRETRAINING, config, data, tmp_path)
    monkeypatch.setattr(training, "save_atomically", saved)
    pretrain(PRETRAINING, config, data, tmp_path)
    whole, resumed = (load_file(folder / "model.safetensors") for folder in (encoder, tmp_path))
    assert whole.keys() == resumed.keys()
    assert all(np.allclose(whole[name], resumed[name], atol=1e-4) for name in whole)
    with pytest.raises(ConfigurationError, match="holds the run of another configuration"):
        pretrain(replace(PRETRAINING, seed=2), config, data, tmp_path)


def test_characters_are_tokens_and_words_of_other_scripts_are_whole_where_they_are_frequent() -> None:
    tokenizer = character_tokenizer(["苹果 Apple 大涨 3%"] * 3 + ["微软"], 200)
    assert tokenizer.encode("苹果APPLE大涨").tokens == ["[CLS]", "苹", "果", "apple", "大", "涨", "[SEP]"]
    assert tokenizer.encode("Apples 35").tokens == ["[CLS]", "apple", "##s", "3", "##5", "[SEP]"]
    assert tokenizer.encode("微").tokens == ["[CLS]", "[UNK]", "[SEP]"], "what stands in one text alone is not learnt"
    assert [tokenizer.token_to_id(token) for token in SPECIAL] == [0, 1, 2, 3, 4]


def test_the_shipped_recipes_name_data_and_labels_that_fit_the_contract() -> None:
    from models.config import DEFAULT_CONFIG

    pretraining, texts_of = load_pretraining(DEFAULT_CONFIG.with_name("chinese-encoder.toml"))
    heads = {head.name: head for head in texts_of.heads}
    assert (heads["sentiment"].labels, heads["topic"].labels) == (SENTIMENTS, TOPICS)
    for source in texts_of.data:
        assert set(source.labels.values()) <= set(heads[source.head].labels)
    assert texts_of.encoder.max_length <= pretraining.max_length
    assert texts_of.licence != "Apache-2.0", "their data state no licence"


def test_a_width_that_no_heads_fit_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "encoder.toml"
    path.write_text('texts_of = "x.toml"\nwidth = 100\n[optimiser]\n')
    with pytest.raises(ConfigurationError, match="width: expected a multiple of 32, found 100"):
        load_pretraining(path)


@pytest.mark.data
def test_the_chinese_labels_are_read_in_their_own_order(data_dir: Path) -> None:
    from models.config import DEFAULT_CONFIG
    from models.datasets import load_examples

    _, config = load_pretraining(DEFAULT_CONFIG.with_name("chinese-encoder.toml"))
    found = {example.text: example for example in load_examples(data_dir, config.data, config.heads)}
    assert found["极品垃圾"].targets["sentiment"] == SENTIMENTS.index("negative")
    assert found["听我号令,继续加仓,十倍大牛股走起"].targets["sentiment"] == SENTIMENTS.index("positive")
    news = next(example for text, example in found.items() if text.startswith("市场消息:韩国监管机构表示,苹果公司"))
    about = next(head for head in config.heads if head.name == "news-topic")
    assert [about.labels[label] for label in news.several["news-topic"]] == ["foreign", "company"]
    assert TOPICS[news.targets["topic"]] == "company-product-news"
