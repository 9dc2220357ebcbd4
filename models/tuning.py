"""What of a network is trained: all of it, what lies above its frozen layers, or a small part beside it.

The small parts are those of the library peft: LoRA (Hu et al. 2021) and AdaLoRA (Zhang et al. 2023) on every linear layer,
prefix tuning (Li and Liang 2021), and (IA)³ (Liu et al. 2022). All but a prefix are multiplied into the encoder's own weights
when training has ended: what is saved, exported and served is then an encoder like any other. A prefix stays, as constants.
Bottleneck adapters (Houlsby et al. 2019) are missing: peft has none, and the library adapters needs transformers 4.
"""

import inspect
import re
from typing import Any

import torch
from torch import nn

from models.config import TrainingConfig, Tuning
from models.network import Network, longest_input, replace_dropout
from processors.errors import ConfigurationError

_LAYER = re.compile(r"\blayers?\.(\d+)\.")
_ORTHOGONALITY = 0.5
"""Weight of AdaLoRA's demand that its matrices stay orthogonal; the value of its authors."""


def layer_of(name: str) -> int:
    """The layer of the encoder, counted from 0, that what has this name belongs to; -1 for the embeddings below."""
    found = _LAYER.search(name)
    return int(found[1]) if found else -1


def restrict(network: Network, config: TrainingConfig, steps: int) -> None:
    """Leave only what `config` tunes trainable, in place; the training will take `steps` steps.

    Raises:
        ConfigurationError: the encoder has fewer layers than are to be frozen, or does not fit the method.
    """
    if config.tuning.method == "full":
        freeze(network.encoder, config.encoder.frozen)
        return
    try:
        network.encoder = _with_small_part(network.encoder, config.tuning, steps)
    except ValueError as error:
        raise ConfigurationError(
            f"tuning: {config.tuning.method} does not fit encoder {config.encoder.path!r} ({error})"
        ) from error
    replace_dropout(network.encoder)
    if config.encoder.max_length > longest_input(network.encoder):
        raise ConfigurationError(
            f"tuning: beside the prefix, encoder {config.encoder.path!r} reads {longest_input(network.encoder)} tokens: lower "
            f"max_length from {config.encoder.max_length}"
        )


def freeze(encoder: nn.Module, count: int) -> None:
    """Keep the lowest `count` parts of `encoder` as they are: 1 the embeddings, 2 the first layer too; -1 everything."""
    parameters = list(encoder.named_parameters())
    layers = 1 + max(layer_of(name) for name, _ in parameters)
    if count > layers + 1:
        raise ConfigurationError(f"encoder: frozen is {count}, but it has its embeddings and {layers} layers only")
    for name, parameter in parameters:
        if count < 0 or layer_of(name) < count - 1:
            parameter.requires_grad_(False)


def merge(network: Network) -> None:
    """Multiply what `restrict` put beside the encoder into the encoder's weights, in place; a prefix stays."""
    if hasattr(network.encoder, "merge_and_unload"):
        network.encoder = network.encoder.merge_and_unload()  # type: ignore[operator]


def trainable_and_all(network: nn.Module) -> tuple[int, int]:
    """How many parameters are trained, and how many there are."""
    counts = [(parameter.numel(), parameter.requires_grad) for parameter in network.parameters()]
    return sum(count for count, trained in counts if trained), sum(count for count, _ in counts)


def _with_small_part(encoder: nn.Module, tuning: Tuning, steps: int) -> nn.Module:
    import peft

    linear = [name for name, module in encoder.named_modules() if isinstance(module, nn.Linear) and layer_of(name) >= 0]
    common: dict[str, Any] = {"task_type": peft.TaskType.FEATURE_EXTRACTION}
    on_matrices: dict[str, Any] = {**common, "target_modules": linear, "lora_alpha": 2 * tuning.rank}
    config: Any
    if tuning.method == "lora":
        config = peft.LoraConfig(**on_matrices, r=tuning.rank)
    elif tuning.method == "adalora":
        config = peft.AdaLoraConfig(
            **on_matrices,
            init_r=tuning.rank + tuning.rank // 2,
            target_r=tuning.rank,
            total_step=steps,
            tinit=steps // 10,
            tfinal=steps // 3,
            deltaT=max(1, steps // 100),
        )
    elif tuning.method == "ia3":
        config = peft.IA3Config(**common)
    else:
        if "past_key_values" not in inspect.signature(encoder.forward).parameters:
            raise ValueError("its attention takes no prefix")
        config = peft.PrefixTuningConfig(**common, num_virtual_tokens=tuning.rank)
    tuned: nn.Module = peft.get_peft_model(encoder, config)
    return tuned


class RankAllocation:
    """AdaLoRA's share in a training: it moves rank from matrices that matter little to those that matter more."""

    def __init__(self, network: Network) -> None:
        self.encoder: Any = network.encoder

    def penalty(self) -> torch.Tensor:
        """How far the matrices are from orthogonal ones, to be added to the loss."""
        distances = [
            torch.linalg.matrix_norm(product - torch.eye(len(product), device=product.device))
            for name, matrix in self.encoder.named_parameters()
            if "lora_A" in name or "lora_B" in name
            for product in [matrix @ matrix.T if "lora_A" in name else matrix.T @ matrix]
        ]
        return _ORTHOGONALITY * torch.stack(distances).mean()

    def after_step(self, step: int) -> None:
        """To be called after step `step` (1, 2, …), while its gradients are there."""
        self.encoder.base_model.update_and_allocate(step)

    def state(self) -> dict[str, Any]:
        """What a checkpoint has to hold beside the weights."""
        allocator = self.encoder.base_model.rankallocator
        kept = {name: getattr(allocator, name) for name in ("ipt", "exp_avg_ipt", "exp_avg_unc")}
        return {**kept, "pattern": self.encoder.peft_config["default"].rank_pattern}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from what `state` gave."""
        state = dict(state)
        self.encoder.peft_config["default"].rank_pattern = state.pop("pattern")
        for name, value in state.items():
            setattr(self.encoder.base_model.rankallocator, name, value)
