"""A small encoder for a language that none is at hand for: characters as tokens, pre-trained by masked language modelling.

After BERT (Devlin et al. 2019), without its sentence pairs and, as RoBERTa (Liu et al. 2019), masked anew in each epoch.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from torch import nn
from torch.nn import functional

from models.batching import Batch, EncodedSet
from models.config import PretrainingConfig, TrainingConfig
from models.network import Network, replace_dropout
from models.objective import device, mixed_precision
from models.splits import divide
from models.train import claim
from models.training import CHECKPOINT, FineTuning

PAD, UNKNOWN, FIRST, LAST, MASK = SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")

_DROPOUT: Final = 0.1
_RANDOM, _KEPT = 0.1, 0.1  # shares of the tokens to be guessed that are replaced by any other, and left as they are
_PIECES: Final = "0123456789abcdefghijklmnopqrstuvwxyz"


def pretrain(config: PretrainingConfig, texts_of: TrainingConfig, data: Path, out: Path) -> None:
    """Pre-train an encoder on what `texts_of` learns from in `data`; write it into the folder `out`, as a Hugging Face one.

    A run that was killed goes on after its last epoch (``checkpoint.pt``) and ends with the same weights.

    Raises:
        ConfigurationError: the data do not fit the configuration, or `out` holds another one's run.
    """
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    out.mkdir(parents=True, exist_ok=True)
    claim(out, config, texts_of)
    if (out / "model.safetensors").exists():
        return
    learnt, _ = divide(texts_of, data)
    tokenizer = character_tokenizer([example.text for example in learnt], config.vocabulary)
    torch.manual_seed(config.seed)
    settings = BertConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=config.width,
        num_hidden_layers=config.layers,
        num_attention_heads=config.width // 32,
        intermediate_size=4 * config.width,
        max_position_embeddings=config.max_length,
        hidden_dropout_prob=_DROPOUT,
        attention_probs_dropout_prob=0.0,
        pad_token_id=0,
    )
    settings._attn_implementation = "eager"
    encoder = BertModel(settings, add_pooling_layer=False)  # type: ignore[no-untyped-call]
    replace_dropout(encoder)
    network = MaskedLanguageModel(encoder)
    encoded = EncodedSet(learnt, (), tokenizer, config.max_length)
    unlabelled = replace(texts_of, heads=(), data=(), seed=config.seed, optimiser=config.optimiser)
    _Pretraining(network, encoded, unlabelled, config.masked).run(out / CHECKPOINT)
    tokenizer.no_truncation()
    names = dict(zip(("pad_token", "unk_token", "cls_token", "sep_token", "mask_token"), SPECIAL, strict=True))
    fast: Any = PreTrainedTokenizerFast
    fast(tokenizer_object=tokenizer, model_max_length=config.max_length, **names).save_pretrained(out)
    encoder.cpu().save_pretrained(out)


class MaskedLanguageModel(Network):
    """Guesses tokens from what the encoder makes of their places; the table of the tokens serves both ways."""

    def __init__(self, encoder: Any) -> None:
        super().__init__(encoder, (), 0.0)
        width, self.tokens = int(encoder.config.hidden_size), int(encoder.config.vocab_size)
        self.guess = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.LayerNorm(width))
        self.bias = nn.Parameter(torch.zeros(self.tokens))

    def guesses(self, input_ids: torch.Tensor, attention_mask: torch.Tensor, asked: torch.Tensor) -> torch.Tensor:
        """Logits [places asked, tokens] for `input_ids` and `attention_mask`, int64 [batch, length]; `asked`, of the same
        shape, tells which places are guessed."""
        encoder: Any = self.encoder
        hidden = encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        return functional.linear(self.guess(hidden[asked]), encoder.get_input_embeddings().weight, self.bias)


class _Pretraining(FineTuning):
    """The loop of all training, with another thing to minimise."""

    def __init__(self, network: MaskedLanguageModel, data: EncodedSet, config: TrainingConfig, share: float) -> None:
        super().__init__(network, data, config)
        self._masked, self._share = network, share

    def loss_of(self, batch: Batch) -> torch.Tensor:
        """The loss of the tokens that are to be guessed."""
        return masked_loss(self._masked, batch, self._share)


def masked_loss(network: MaskedLanguageModel, batch: Batch, share: float) -> torch.Tensor:
    """Mean cross-entropy of the tokens that are to be guessed, a random `share` (one at least), by torch's generator.

    Of ten, eight are masked, one is replaced by any token, one is left.
    """
    first = len(SPECIAL)
    chance = torch.rand(batch.input_ids.shape).masked_fill(batch.input_ids < first, 2.0)
    asked = chance < share
    asked |= chance == chance.min()
    fate = torch.rand(batch.input_ids.shape)
    shown = batch.input_ids.masked_fill(asked & (fate >= _RANDOM + _KEPT), SPECIAL.index(MASK))
    anything = torch.randint(first, network.tokens, shown.shape)
    shown = torch.where(asked & (fate < _RANDOM), anything, shown)
    with mixed_precision():
        logits = network.guesses(shown.to(device()), batch.attention_mask.to(device()), asked.to(device()))
    return functional.cross_entropy(logits.float(), batch.input_ids[asked].to(device()))


def character_tokenizer(texts: Sequence[str], size: int) -> Tokenizer:
    """A tokenizer of at most `size` tokens: each Chinese character and sign is one; words and numbers of other scripts are
    one if they are frequent in `texts`, and else spelt (WordPiece), as far as they are ASCII. Case is not kept."""
    tokenizer = Tokenizer(models.WordPiece({UNKNOWN: 0}, unk_token=UNKNOWN))
    tokenizer.normalizer = normalizers.BertNormalizer(strip_accents=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    counts: Counter[str] = Counter()
    for text in texts:
        pieces = tokenizer.pre_tokenizer.pre_tokenize_str(tokenizer.normalizer.normalize_str(text))
        counts.update(piece for piece, _ in pieces)
    known = dict.fromkeys([*SPECIAL, *_PIECES, *(f"##{piece}" for piece in _PIECES)])
    frequent = sorted(
        (piece for piece, count in counts.items() if count > 1), key=lambda piece: (-counts[piece], piece)
    )
    for piece in frequent:
        if len(known) >= size:
            break
        known[piece] = None
    vocabulary = {token: identity for identity, token in enumerate(known)}
    tokenizer.model = models.WordPiece(vocabulary, unk_token=UNKNOWN)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{FIRST} $A {LAST}", special_tokens=[(token, vocabulary[token]) for token in (FIRST, LAST)]
    )
    tokenizer.add_special_tokens(list(SPECIAL))
    return tokenizer
