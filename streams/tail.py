"""`tocsin alerts tail`: the alerts of a running service, as they are committed."""

from collections.abc import Callable, Iterator
from itertools import chain

from processors.clock import EPOCH
from processors.errors import ConfigurationError
from processors.messages import TIERS, Alert, Tier
from streams.client import Alerts
from streams.settings import Settings
from streams.topics_admin import check_topics


def tier_of(name: str) -> Tier:
    """The tier called `name`. Raises ConfigurationError for a name that is none."""
    if name not in TIERS:
        raise ConfigurationError(f"there is no tier {name!r}: choose one of {', '.join(TIERS)}")
    return name


def tail_alerts(
    settings: Settings,
    *,
    from_beginning: bool,
    least: Tier,
    unreadable: Callable[[str], None],
    begun: Callable[[], None] = lambda: None,
) -> Iterator[Alert]:
    """Every alert of tier `least` and above from now on, without end; first, if asked, all that are kept, by time.

    What was aborted is never seen. A record that is no alert, or one of a newer version, is told to `unreadable` and
    passed over. `begun` is called once no alert from then on is missed. Raises ConfigurationError where the topics are not as they should be, RetryableError where no broker
    answers at the start; later a broker that is away is waited for.
    """
    check_topics(settings)
    with Alerts(settings.kafka, since=EPOCH if from_beginning else None, unreadable=unreadable) as alerts:
        begun()
        for alert in chain(alerts.kept() if from_beginning else (), alerts):
            if TIERS.index(alert.tier) >= TIERS.index(least):
                yield alert
