"""Curves of a training: TensorBoard's files always, Weights & Biases where a project is named."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Final

from models.config import TrainingConfig

TENSORBOARD: Final = "tensorboard"
"""The folder of TensorBoard's files in that of the run."""

Record = Callable[[Mapping[str, float], int], None]
"""Takes values by name, and the step that they belong to."""


def unrecorded(values: Mapping[str, float], step: int) -> None:
    """A `Record` that keeps nothing."""


@contextmanager
def tracked(config: TrainingConfig, identity: str, out: Path, project: str | None) -> Iterator[Record]:
    """Yield what records the curves of the run in the folder `out`.

    With `project`, Weights & Biases record the same, as the run named `identity`: there or, as their own setting
    ``WANDB_MODE=offline`` asks, in ``out/wandb``. A killed run that goes on adds to what it had recorded; the steps between its
    last checkpoint and the kill are then told twice, with the same values.
    """
    from torch.utils.tensorboard import SummaryWriter

    with ExitStack() as stack:
        writer = SummaryWriter(str(out / TENSORBOARD))
        stack.callback(writer.close)
        log = None
        if project:
            import wandb

            run = wandb.init(
                project=project, id=identity[:16], name=out.name, dir=out, config=asdict(config), resume="allow"
            )
            stack.callback(run.finish)
            log = run.log

        def record(values: Mapping[str, float], step: int) -> None:
            for name, value in values.items():
                writer.add_scalar(name, value, step)
            if log:
                log(dict(values), step=step)

        yield record
