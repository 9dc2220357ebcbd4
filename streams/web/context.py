"""What every page needs: the store, the settings, the names, who is told of feedback."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any, Final

from processors.companies import CompanyMaster
from processors.messages import Feedback
from streams.explain import Explainer
from streams.settings import Settings, load_master
from streams.store import Store
from streams.web.lookout import Lookout
from streams.web.now import now_view
from streams.web.outbox import Outbox
from streams.web.present import Motion, present_of
from streams.web.reactions import Reactions, reactions_of
from streams.web.stores import Stores

_REMEMBERED: Final = timedelta(days=90)

Run = Callable[[], dict[str, Any]]
"""How far a run that goes on beside the console has come: `done`, `total`, `rate`, `ended`; whether it is `invented`."""


@dataclass
class Context:
    """One console."""

    settings: Settings
    stores: Stores
    outbox: Outbox | None = None
    run: Run | None = None
    _motion: Motion = field(default_factory=Motion)

    def __post_init__(self) -> None:
        self.master: CompanyMaster = load_master(self.settings)
        self._lookout = None if self.settings.web.store else Lookout(self.settings)

    @property
    def store(self) -> Store:
        """This thread's store."""
        return self.stores()

    @cached_property
    def explainer(self) -> Explainer:
        """What asks the embedded model, loaded when it is first wanted. Raises ModelError where there is none."""
        from streams.classifier import EmbeddedClassifier

        return Explainer(EmbeddedClassifier(self.settings.classifier.model, self.settings.classifier.threads))

    def reactions(self) -> Reactions:
        """What people did in the last 90 days."""
        return reactions_of(self.store.feedback(since=datetime.now(UTC) - _REMEMBERED))

    def now(self) -> dict[str, Any]:
        """The page *Now*."""
        present = present_of(self.store)
        view = now_view(self.store, present, self.reactions())
        warm_up = self.settings.detection.warm_up_days
        view["learning"] = {"day": present.days, "of": warm_up} if present.days <= warm_up else None
        view["moving"] = self._motion.of(present)
        if self._lookout:
            self._lookout.look()
        view["canary"] = self._lookout.canary if self._lookout else None
        view["held_up"] = self._lookout.held_up if self._lookout else []
        view["run"] = self.run() if self.run else None
        return view

    def tell(self, feedback: Feedback) -> None:
        """Keep feedback in the store, and send it where others read it."""
        self.store.write_feedback([feedback])
        if self.outbox is not None:
            self.outbox.put(feedback)
