"""Processes that are killed, frozen, joined by others, told to stop."""

from matrix import scenario
from trial import SERVICES, Trial


@scenario(
    1,
    "Each service killed at random points under load loses, doubles and falsifies nothing.",
    seeds=9,
    quick=True,
)
def kills(trial: Trial) -> None:
    order = list(SERVICES) * (1 if trial.quick else 4)
    trial.chance.shuffle(order)
    with trial.load():
        for service in order:
            trial.pause()
            trial.kill(service)
