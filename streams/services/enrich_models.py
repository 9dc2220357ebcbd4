"""The models that enrich asks, one for each language, behind one Triton."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace

from processors.enrichment import Classification, ModelIdentity, Prepared, models_by_language, places_of
from processors.errors import PoisonError
from processors.model_input import served_name
from streams.model_inputs import ModelInputs, load_model
from streams.service_settings import ServiceSettings, TritonSettings
from streams.services.resilience import Breaker
from streams.settings import ClassifierSettings
from streams.triton import TritonClassifier


def load_inputs(settings: ClassifierSettings) -> list[ModelInputs]:
    """The inputs of each model that `settings` name, the first one first.

    Raises ModelError where a model's files are not sound, ConfigurationError where two read the same language.
    """
    inputs = [load_model(folder)[0] for folder in settings.folders]
    models_by_language(each.model for each in inputs)
    return inputs


def served_as(settings: TritonSettings, inputs: Sequence[ModelInputs]) -> list[TritonSettings]:
    """`settings` for each of the models: the first is served under the name that they give, another with its language."""
    _, *others = inputs
    return [settings, *(replace(settings, model=served_name(settings.model, each.model.languages)) for each in others)]


class TritonModels:
    """Labels documents, each by the model of its language. Make and use it within one event loop."""

    def __init__(
        self,
        settings: TritonSettings,
        retries: ServiceSettings,
        inputs: Sequence[ModelInputs],
        breaker: Breaker,
        waiting: Callable[[str], None],
    ) -> None:
        self._classifiers = [
            TritonClassifier(own, retries, each, breaker, waiting)
            for own, each in zip(served_as(settings, inputs), inputs, strict=True)
        ]

    @property
    def models(self) -> list[ModelIdentity]:
        """Which models are asked."""
        return [classifier.model for classifier in self._classifiers]

    async def check(self) -> None:
        """Return once the server answers and serves every model; see `TritonClassifier.check`."""
        for classifier in self._classifiers:
            await classifier.check()

    async def label(self, prepared: Sequence[Prepared]) -> list[Classification | PoisonError | None]:
        """One answer per document, in order; None for one that no model reads. See `TritonClassifier.classify`."""
        places = [places_of(prepared, model) for model in self.models]
        asked = [[prepared[place] for place in own] for own in places]
        found = await asyncio.gather(
            *(
                classifier.classify([item.model_text for item in items], [item.names for item in items])
                for classifier, items in zip(self._classifiers, asked, strict=True)
            )
        )
        answers: list[Classification | PoisonError | None] = [None] * len(prepared)
        for own, given in zip(places, found, strict=True):
            for place, answer in zip(own, given, strict=True):
                answers[place] = answer
        return answers

    async def close(self) -> None:
        """Give the connections back."""
        for classifier in self._classifiers:
            await classifier.close()
