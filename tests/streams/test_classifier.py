"""The embedded classifier: the shipped model, and folders that are none."""

import json
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Encoding, Tokenizer

from processors.errors import ModelError
from streams.classifier import EmbeddedClassifier
from streams.model_inputs import TOKENS_PER_BATCH, distinct, length_batches
from streams.settings import DEFAULT_MODEL

TEXTS = (
    "Shares of Boeing plunge after a second crash, regulators ground the fleet",
    "Apple beats expectations and raises its dividend",
    "Fed leaves rates unchanged",
    "Netflix misses on subscribers, stock falls 12%",
    "Oil settles lower as stockpiles grow",
    "$TSLA",
)


@pytest.fixture(scope="module")
def classifier() -> EmbeddedClassifier:
    return EmbeddedClassifier(DEFAULT_MODEL, threads=1)


def encodings(lengths: list[int]) -> list[Encoding]:
    tokenizer = Tokenizer.from_file(str(DEFAULT_MODEL / "tokenizer.json"))
    return [tokenizer.encode(" ".join(["a"] * (length - 2))) for length in lengths]


def test_a_text_gets_the_same_answer_alone_and_among_others(classifier: EmbeddedClassifier) -> None:
    together = classifier.classify([*TEXTS, " ".join(TEXTS), " ".join(TEXTS * 6)])
    for text, answer in zip(TEXTS, together, strict=False):
        [alone] = classifier.classify([text])
        assert (alone.sentiment.label, alone.topic.label) == (answer.sentiment.label, answer.topic.label)
        assert alone.sentiment.negative == pytest.approx(answer.sentiment.negative, abs=1e-3)
        assert alone.topic.probability == pytest.approx(answer.topic.probability, abs=1e-3)


def test_plain_cases_are_read_as_anyone_would(classifier: EmbeddedClassifier) -> None:
    crash, beat, fed, _, oil, _ = classifier.classify(TEXTS)
    assert (crash.sentiment.label, beat.sentiment.label) == ("negative", "positive")
    assert (fed.topic.label, oil.topic.label) == ("fed-central-banks", "energy-oil")


def test_companies_of_opposite_luck_are_told_apart_beside_whatever_else_is_asked(
    classifier: EmbeddedClassifier,
) -> None:
    texts = ["Samsung soars as Apple slips", TEXTS[0], "Boeing and Airbus " + "hold their annual meeting " * 100]
    names = [((0, 7), (16, 21), (0, 0)), (), ((0, 6), (len(texts[2]) - 8, len(texts[2]) - 1))]
    first, second, third = classifier.classify(texts, names)
    assert [name and name.label for name in first.names] == ["positive", "negative", None]
    assert second.names == ()
    assert [name is None for name in third.names] == [False, True], "the model does not read so far"
    [alone] = classifier.classify(texts[:1], names[:1])
    for ours, theirs in zip(alone.names[:2], first.names[:2], strict=True):
        assert ours and theirs
        assert ours.negative == pytest.approx(theirs.negative, abs=1e-3)
    assert [whole.sentiment for whole in classifier.classify(texts)] == [
        first.sentiment,
        second.sentiment,
        third.sentiment,
    ]


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), max_size=2)))
)
def test_equal_texts_with_equal_names_are_asked_once_and_each_finds_its_answer(
    asked: list[tuple[str, list[tuple[int, int]]]],
) -> None:
    texts, names = [text for text, _ in asked], [spans for _, spans in asked]
    once, spans, places = distinct(texts, names)
    pairs = list(zip(once, spans, strict=True))
    assert len(set(pairs)) == len(pairs)
    assert [pairs[place] for place in places] == [(text, tuple(own)) for text, own in asked]
    assert distinct(texts)[:2] == (list(dict.fromkeys(texts)), [()] * len(set(texts)))


def test_a_repost_is_not_computed_again(classifier: EmbeddedClassifier, monkeypatch: pytest.MonkeyPatch) -> None:
    rows: list[int] = []
    run = classifier.run
    monkeypatch.setattr(classifier, "run", lambda batch: rows.append(len(batch.places)) or run(batch))
    answers = classifier.classify([*TEXTS, *TEXTS])
    assert sum(rows) == len(TEXTS)
    assert answers[: len(TEXTS)] == answers[len(TEXTS) :]


def test_a_model_that_does_not_tell_names_apart_says_nothing_of_any(copy: Path) -> None:
    description = json.loads((copy / "model.json").read_text())
    del description["names"]
    (copy / "model.json").write_text(json.dumps(description))
    [answer] = EmbeddedClassifier(copy, threads=1).classify(["Samsung soars as Apple slips"], [((0, 7), (16, 21))])
    assert answer.names == ()


def test_probabilities_sum_to_one(classifier: EmbeddedClassifier) -> None:
    for answer in classifier.classify(TEXTS):
        assert answer.sentiment.negative + answer.sentiment.neutral + answer.sentiment.positive == pytest.approx(
            1, abs=1e-5
        )


def test_a_text_longer_than_the_model_reads_is_cut(classifier: EmbeddedClassifier) -> None:
    assert len(classifier.classify(["loss " * 5000])) == 1


def test_batches_hold_texts_of_like_length_and_lose_none() -> None:
    given = encodings([3, 200, 16, 17, 5, 64, 33, 8] * 30)
    batches = list(length_batches(given, (16, 32, 64, 128, 256)))

    assert sorted(place for batch in batches for place in batch.places) == list(range(len(given)))
    for batch in batches:
        rows, length = batch.input_ids.shape
        assert rows * length <= TOKENS_PER_BATCH
        assert all(length // 2 < len(given[place].ids) <= length or length == 16 for place in batch.places)
        assert batch.attention_mask.sum(axis=1).tolist() == [len(given[place].ids) for place in batch.places]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return Path(shutil.copytree(DEFAULT_MODEL, tmp_path / "model"))


def test_a_missing_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no-such-folder"):
        EmbeddedClassifier(tmp_path / "no-such-folder")


def test_a_damaged_model_is_refused(copy: Path) -> None:
    content = bytearray((copy / "model.onnx").read_bytes())
    content[len(content) // 2] ^= 1
    (copy / "model.onnx").write_bytes(content)
    with pytest.raises(ModelError, match=r"not those that model\.json names"):
        EmbeddedClassifier(copy)


def test_a_model_of_other_labels_is_refused(copy: Path) -> None:
    description = json.loads((copy / "model.json").read_text())
    description["sentiments"] = ["bad", "so-so", "good"]
    (copy / "model.json").write_text(json.dumps(description))
    with pytest.raises(ModelError, match="other sentiments than this release"):
        EmbeddedClassifier(copy)
