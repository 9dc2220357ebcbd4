"""What a text says of each company in it: which texts teach it, and a model that learns it, on a tiny random encoder."""

import csv
import json
import random
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tiny import NAMES, TOPICS, write_encoder
from tiny import NEGATIVE as FALLING
from tiny import POSITIVE as RISING
from tiny import WORDS as VOCABULARY

from models.config import DataSource, Encoder, Head, Optimiser, TrainingConfig
from models.named_texts import Named, NamedText, divided_named_texts, joined
from models.onnx_model import DEFAULT_MODEL
from processors.errors import ConfigurationError, ModelError
from processors.labels import SENTIMENTS

NEGATIVE, NEUTRAL, POSITIVE = range(3)
SOURCES = (
    DataSource(file="posts.csv", head="sentiment"),
    DataSource(file="headlines.csv", head="headline-sentiment", per_entity=True, validated=False),
)
CONFIG = TrainingConfig(
    name="tiny",
    version="2",
    heads=(
        Head(name="sentiment", labels=SENTIMENTS),
        Head(name="headline-sentiment", labels=SENTIMENTS, exported=False),
    ),
    data=SOURCES,
)
WORDS = {NEGATIVE: FALLING[:3], NEUTRAL: TOPICS["oil"], POSITIVE: RISING[:3]}


def write(folder: Path, headlines: list[tuple[str, dict[str, str]]], posts: list[tuple[str, str]]) -> Path:
    for name, rows in (("headlines.csv", [(text, str(labels)) for text, labels in headlines]), ("posts.csv", posts)):
        with (folder / name).open("w", newline="") as file:
            csv.writer(file).writerows([("text", "label"), *rows])
    return folder


def made(folder: Path, count: int) -> Path:
    """Texts whose companies fare as the word after each says."""
    draw = random.Random(0)
    headlines: list[tuple[str, dict[str, str]]] = []
    posts = []
    for _ in range(count):
        companies = draw.sample(NAMES, draw.choice((1, 2)))
        labels = {company: draw.randrange(3) for company in companies}
        text = " ".join(f"{company} {draw.choice(WORDS[label])}" for company, label in labels.items())
        headlines.append((text, {company: SENTIMENTS[label] for company, label in labels.items()}))
        label = draw.randrange(3)
        posts.append((f"{' '.join(draw.sample(NAMES, 3))} {draw.choice(WORDS[label])}", SENTIMENTS[label]))
    return write(folder, headlines, posts)


def test_each_company_of_a_headline_teaches_its_own_label_and_each_cashtag_that_of_its_post(tmp_path: Path) -> None:
    filler = [
        (f"{word} {company}", {company: SENTIMENTS[label]})
        for label in WORDS
        for word in WORDS[label]
        for company in NAMES[:4]
    ]
    headlines = [
        ("Samsung soars as Apple slips", {"Samsung": "positive", "Apple": "negative"}),
        ("FTILs sale hangs; Bajaj Holdings waits", {"FTIL": "negative", "Bajaj neutralings": "neutral"}),
        ("Nobody here", {"Absent": "neutral"}),
        *filler,
    ]
    posts = [(f"$AB and $cd, $AB {word}", SENTIMENTS[label]) for label in WORDS for word in WORDS[label]]
    posts.append(("$a $b $c $d $e all of them", "neutral"))
    learnt, held_out = divided_named_texts(CONFIG, write(tmp_path, headlines, posts))
    found = {each.text: [(each.text[n.start : n.end], n.label) for n in each.names] for each in (*learnt, *held_out)}
    assert found["Samsung soars as Apple slips"] == [("Samsung", POSITIVE), ("Apple", NEGATIVE)]
    assert found["FTILs sale hangs; Bajaj Holdings waits"] == [("FTIL", NEGATIVE), ("Bajaj Holdings", NEUTRAL)]
    assert found["$AB and $cd, $AB rises"] == [("$AB", POSITIVE), ("$cd", POSITIVE)]
    assert "Nobody here" not in found and "$a $b $c $d $e all of them" not in found
    assert not {each.text for each in learnt} & {each.text for each in held_out}


def test_a_headline_is_held_out_where_its_near_duplicate_is(tmp_path: Path) -> None:
    draw = random.Random(1)
    words = [f"word{n}x{'abcdefgh'[n % 8] * 3}" for n in range(400)]
    words = ["".join(draw.choices("abcdefghijklmnop", k=7)) for _ in words]
    headlines: list[tuple[str, dict[str, str]]] = []
    for n in range(60):
        base = f"Acme {' '.join(draw.sample(words, 9))}"
        headlines.append((base, {"Acme": SENTIMENTS[n % 3]}))
        headlines.append((f"{base} Orbit", {"Acme": SENTIMENTS[n % 3], "Orbit": SENTIMENTS[(n + 1) % 3]}))
    posts = [(" ".join(draw.sample(words, 8)), SENTIMENTS[n % 3]) for n in range(60)]
    learnt, held_out = divided_named_texts(CONFIG, write(tmp_path, headlines, posts))
    sides = {each.text: side for side, texts in enumerate((learnt, held_out)) for each in texts}
    assert 0 < sum(sides.values()) < len(sides) == 120
    assert all(sides[f"{base} Orbit"] == sides[base] for base, labels in headlines if len(labels) == 1)


def test_texts_made_of_two_keep_every_name_in_its_place() -> None:
    texts = [
        NamedText("Acme soars", (Named(0, 4, POSITIVE),), "x"),
        NamedText("Orbit sinks", (Named(0, 5, NEGATIVE),), "x"),
        NamedText("Zeno waits", (Named(0, 4, NEUTRAL),), "x"),
    ]
    labels = {"Acme": POSITIVE, "Orbit": NEGATIVE, "Zeno": NEUTRAL}
    for each in joined(texts, 40, seed=3):
        assert each.differs
        assert len(each.names) == 2
        assert all(labels[each.text[name.start : name.end]] == name.label for name in each.names)


def test_texts_of_which_no_two_differ_cannot_be_joined() -> None:
    alike = [NamedText(f"{name} soars", (Named(0, 4, POSITIVE),), "x") for name in ("Acme", "Zeno")]
    for texts in (alike, alike[:1], []):
        with pytest.raises(ConfigurationError, match="no two have different labels"):
            joined(texts, 1, seed=0)


@pytest.mark.train
def test_a_model_that_names_cannot_be_added_to_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="needs the extra `train`")
    from models.names import add_names

    model, nowhere = tmp_path / "model", tmp_path / "nowhere"
    shutil.copytree(DEFAULT_MODEL, model)
    for out in (model, model / "named"):
        with pytest.raises(ConfigurationError, match="is the model itself, or in it"):
            add_names(model, CONFIG, nowhere, out)
    (model / "validation.json").unlink()
    with pytest.raises(ModelError, match="cannot read .*validation.json .*leaves in a package"):
        add_names(model, CONFIG, nowhere, tmp_path / "named")
    assert not (tmp_path / "named").exists()


@pytest.mark.train
@pytest.mark.usefixtures("one_thread")
def test_a_model_learns_to_tell_companies_apart_and_says_of_whole_texts_what_it_said_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("torch", reason="needs the extra `train`")
    from transformers import BertConfig, BertModel

    from models import names
    from models.onnx_model import OnnxModel, content_hash, inputs_of
    from models.train import train

    monkeypatch.setattr(names, "JOINED", 300)
    for setting, value in (("LEARNING_RATE", 3e-3), ("EPOCHS", 12), ("AVERAGE_DECAY", 0.98)):
        monkeypatch.setattr(f"models.name_network.{setting}", value)
    data = made(tmp_path, 500)
    size = {"hidden_size": 48, "num_hidden_layers": 12, "num_attention_heads": 2, "intermediate_size": 96}
    encoder = write_encoder(tmp_path / "encoder", BertModel(BertConfig(vocab_size=len(VOCABULARY), **size)))
    config = replace(
        CONFIG,
        encoder=Encoder(path=str(encoder), max_length=32),
        optimiser=Optimiser(epochs=1, learning_rate=1e-3, head_learning_rate=1e-3),
    )
    train(config, data, tmp_path / "run")
    plain, named = tmp_path / "run" / "package", tmp_path / "named"
    measures = names.add_names(plain, config, data, named)

    row = measures["by_source"]["headlines.csv"]["names that differ"]
    assert row["own"]["share"] > 0.8
    assert row["whole"]["share"] < 0.7
    assert json.loads((named / "validation.json").read_text())["names"] == measures
    description = json.loads((named / "model.json").read_text())
    assert description["hash"] == content_hash(named) != content_hash(plain)
    assert description["hash"] in (named / "MODEL_CARD.md").read_text()
    assert "p_company" in (named / "MODEL_CARD.md").read_text()
    texts = ["acmecorp falls", "zenolabs soars deltaworks barrel orbitsoft drops"]
    before, after = OnnxModel(plain), OnnxModel(named)
    for head, values in before.predict(texts).items():
        assert np.array_equal(values, after.predict(texts)[head])
    tokens = after.tokenise(texts)
    [alone] = after.session.run(["p_company"], inputs_of(tokens[:1], 16))
    [together] = after.session.run(["p_company"], inputs_of(tokens, 32))
    assert np.allclose(alone[0, : len(tokens[0])], together[0, : len(tokens[0])], atol=1e-5), "no neighbour, no padding"
