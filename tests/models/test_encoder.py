"""An encoder out of an archive computes what the archive's own file does, with the vocabulary that is worth keeping."""

import hashlib
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch", reason="needs the extra `train`")

import onnxruntime
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from models.config import Encoder
from models.encoder import Archive, choose_tokens, make_encoder
from models.network import Dropout, load_encoder
from processors.errors import ConfigurationError

pytestmark = pytest.mark.train

WORDS = "shares fall rise bank oil fed cuts profit loss quarter".split()
LETTERS = "abcdefghijklmnopqrstuvwxyz$"
VOCABULARY = {
    token: identity
    for identity, token in enumerate(
        ["[PAD]", "[unused0]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
        + [*LETTERS, *(f"##{letter}" for letter in LETTERS), "東", "##東"]
        + [*WORDS, "zyzzyva", "##zyva"]
    )
}
SAID = ["Shares fall as the Fed cuts", "$oil RISE"]


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random BERT, as such archives hold it: exported to ONNX, with its tokenizer."""
    from transformers import BertConfig, BertModel

    class Published(BertModel):
        def forward(self, ids: torch.Tensor, mask: torch.Tensor, types: torch.Tensor) -> torch.Tensor:
            return super().forward(input_ids=ids, attention_mask=mask, token_type_ids=types).last_hidden_state

    folder = tmp_path_factory.mktemp("published")
    tokenizer = Tokenizer(models.WordPiece(VOCABULARY, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.add_special_tokens(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[(token, VOCABULARY[token]) for token in ("[CLS]", "[SEP]")]
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    torch.manual_seed(0)
    settings = BertConfig(
        attn_implementation="eager",
        vocab_size=len(VOCABULARY),
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=96,
    )
    network = Published(settings, add_pooling_layer=False).eval()
    for parameter in network.parameters():  # biases and scales too: fresh ones are 0 and 1 and prove nothing
        torch.nn.init.normal_(parameter, std=0.3)
    ids = torch.ones((2, 8), dtype=torch.int64)
    names = ["input_ids", "attention_mask", "token_type_ids"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network,
            (ids, ids, 0 * ids),
            str(folder / "network.onnx"),
            dynamo=False,
            opset_version=17,
            input_names=names,
            output_names=["last_hidden_state"],
            dynamic_axes={name: {0: "batch", 1: "length"} for name in names},
        )
    return folder


@pytest.fixture(scope="module")
def archive(published: Path) -> tuple[Path, Archive]:
    path = published / "encoder.jar"
    with zipfile.ZipFile(path, "w") as members:
        members.write(published / "network.onnx", "network.onnx")
        members.write(published / "tokenizer.json", "tokenizer.json")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return path, Archive(network="network.onnx", tokenizer="tokenizer.json", sha256=digest)


def test_the_encoder_computes_what_the_archive_does(
    published: Path, archive: tuple[Path, Archive], tmp_path: Path
) -> None:
    make_encoder(archive[0], SAID, tmp_path, archive[1], vocabulary=len(VOCABULARY) - 5)
    encoder, tokenizer = load_encoder(Encoder(path=str(tmp_path)))
    encoder.eval()
    original = Tokenizer.from_file(str(published / "tokenizer.json"))
    session = onnxruntime.InferenceSession(str(published / "network.onnx"))
    for text in [*SAID, "bank $profit loss quarterly zed"]:
        theirs, ours = original.encode(text), tokenizer.encode(text)
        assert ours.tokens == theirs.tokens
        mask = np.ones((1, len(ours.ids)), np.int64)
        expected = session.run(
            ["last_hidden_state"],
            {"input_ids": np.array([theirs.ids]), "attention_mask": mask, "token_type_ids": 0 * mask},
        )[0]
        with torch.no_grad():
            found = encoder(input_ids=torch.tensor([ours.ids]), attention_mask=torch.tensor(mask)).last_hidden_state
        assert np.allclose(found.numpy(), expected, atol=1e-5)


def test_an_archive_of_other_content_is_refused_with_both_hashes(archive: tuple[Path, Archive], tmp_path: Path) -> None:
    other = tmp_path / "other.jar"
    other.write_bytes(archive[0].read_bytes() + b" ")
    with pytest.raises(ConfigurationError, match=rf"SHA-256 is \w+, expected {archive[1].sha256}"):
        make_encoder(other, SAID, tmp_path / "encoder", archive[1])
    assert not (tmp_path / "encoder").exists()


def test_a_missing_archive_is_told_with_the_command_that_fetches_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="make encoder"):
        make_encoder(tmp_path / "absent.jar", SAID, tmp_path / "encoder")


def test_rare_words_unused_places_and_other_scripts_go_first() -> None:
    kept = choose_tokens(VOCABULARY, {VOCABULARY["zyzzyva"]}, len(VOCABULARY) - 4)
    assert set(VOCABULARY) - set(kept) == {"[unused0]", "東", "##東", "##zyva"}


def test_a_vocabulary_that_the_texts_do_not_fit_into_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="a vocabulary of 20 is too small"):
        choose_tokens(VOCABULARY, set(), 20)


@given(
    st.sets(st.sampled_from(sorted(VOCABULARY.values()))),
    st.integers(60, len(VOCABULARY)),
    st.text(alphabet=LETTERS, min_size=1, max_size=8),
)
def test_every_latin_word_can_still_be_spelt(seen: set[int], spare: int, word: str) -> None:
    kept = choose_tokens(VOCABULARY, seen, max(spare, 72))
    trimmed = Tokenizer(models.WordPiece({token: n for n, token in enumerate(kept)}, unk_token="[UNK]"))
    assert "[UNK]" not in trimmed.encode(word).tokens
    assert [VOCABULARY[token] for token in kept] == sorted(VOCABULARY[token] for token in kept)


def test_dropout_zeroes_its_share_keeps_the_mean_and_repeats_with_its_seed() -> None:
    dropout = Dropout(0.25)
    values = torch.ones(1000, 1003)
    torch.manual_seed(3)
    first = dropout(values)
    assert float((first == 0).float().mean()) == pytest.approx(0.25, abs=0.003)
    assert float(first.mean()) == pytest.approx(1, abs=0.005)
    assert not torch.equal(first, dropout(values))
    torch.manual_seed(3)
    assert torch.equal(first, dropout(values))
    dropout.eval()
    assert torch.equal(dropout(values), values)


def test_no_gradient_reaches_what_was_dropped() -> None:
    values = torch.ones(100, 100, requires_grad=True)
    result = Dropout(0.5)(values)
    result.sum().backward()
    assert torch.equal(values.grad, result.detach())
