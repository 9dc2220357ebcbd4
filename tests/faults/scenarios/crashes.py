"""A crash between each two steps of every path on which something is committed (see `crash_points`)."""

from typing import Literal

from crash_points import POINTS
from matrix import scenario
from trial import Trial


@scenario(11, "A crash between any two steps of enrich's way of a batch loses nothing.", seeds=2)
def crashes_of_enrich(trial: Trial) -> None:
    crash_at_each(trial, "enrich")


@scenario(11, "A crash between any two steps of detect's transactions, or of taking over, falsifies nothing.", seeds=2)
def crashes_of_detect(trial: Trial) -> None:
    crash_at_each(trial, "detect")


@scenario(11, "A crash between any two steps of index's way of a batch loses and doubles nothing.", seeds=2)
def crashes_of_index(trial: Trial) -> None:
    crash_at_each(trial, "index")


def crash_at_each(trial: Trial, service: Literal["enrich", "detect", "index"]) -> None:
    """Crash the service at one point after the other, in an order of chance; each next start has the next point set."""
    points = [name for name, point in POINTS.items() if point.service == service]
    trial.chance.shuffle(points)
    with trial.load():
        trial.deployment.stop(service)
        for name in points:
            trial.crash(service, f"crash:{name}:{trial.chance.randrange(POINTS[name].calls)}")
        trial.hit(f"the last crash of {service}", service)
        trial.deployment.start(service)
        trial.recovered(service)
