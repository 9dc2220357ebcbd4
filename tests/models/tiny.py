"""A tiny random encoder and rows that it can learn from: a whole training takes a second or two."""

import random
from pathlib import Path
from typing import Any

from models.config import DataSource, Encoder, Head, Optimiser, TrainingConfig

NEGATIVE = "falls drops cut loss lawsuit plunges".split()
POSITIVE = "rises soars beats profit record upgrade".split()
TOPICS = {"oil": "crude barrel opec".split(), "bank": "lender deposit branch".split()}
NAMES = [f"{a}{b}" for a in ("acme", "orbit", "delta", "zeno", "kappa") for b in ("corp", "soft", "works", "labs")]
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *NEGATIVE, *POSITIVE, *TOPICS["oil"], *TOPICS["bank"], *NAMES]


def write_encoder(folder: Path, network: Any = None) -> Path:
    """A BERT of some 80,000 random weights, or `network`, whose tokenizer knows the words of the rows."""
    import torch
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.WordLevel({word: n for n, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]").save_pretrained(folder)
    torch.manual_seed(0)
    size = {"vocab_size": len(WORDS), "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    (network or BertModel(BertConfig(**size, intermediate_size=128))).save_pretrained(folder)
    return folder


def write_rows(folder: Path) -> Path:
    """Two files of 400 rows each."""
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


def tiny_config(encoder: Path) -> TrainingConfig:
    return TrainingConfig(
        name="tiny",
        version="0",
        heads=(Head(name="mood", labels=("bad", "good")), Head(name="subject", labels=("oil", "bank"))),
        data=(DataSource(file="mood.csv", head="mood"), DataSource(file="subject.csv", head="subject")),
        encoder=Encoder(path=str(encoder), max_length=32),
        optimiser=Optimiser(
            epochs=4,
            learning_rate=5e-3,
            head_learning_rate=5e-3,
            consistency=1.0,
            average_decay=0.9,
            label_smoothing=0.05,
        ),
    )


def write_toml(path: Path, encoder: Path, *more: str) -> Path:
    """The heads, data and encoder of `tiny_config` as a file, with `more` lines."""
    lines = (
        'name = "tiny"',
        'version = "0"',
        'heads = [{ name = "mood", labels = ["bad", "good"] }, { name = "subject", labels = ["oil", "bank"] }]',
        'data = [{ file = "mood.csv", head = "mood" }, { file = "subject.csv", head = "subject" }]',
        f'encoder = {{ path = "{encoder}", max_length = 32 }}',
        *more,
    )
    path.write_text("\n".join(lines) + "\n")
    return path
