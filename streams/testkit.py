"""What tests of Tocsin, and of programs built on it, need instead of a model: a classifier that anyone can predict."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from processors.enrichment import Classification, ModelIdentity, classification_of
from processors.labels import TOPICS


@dataclass(frozen=True, slots=True)
class WordClassifier:
    """Negative where a text holds one of `negative`, positive for one of `positive`, else neutral; first topic."""

    negative: frozenset[str] = frozenset({"falls", "fraud", "loss"})
    positive: frozenset[str] = frozenset({"rises", "record", "beats"})
    languages: frozenset[str] = frozenset({"en"})

    @property
    def model(self) -> ModelIdentity:
        """A name that no real model has."""
        return ModelIdentity("words", "1", "0" * 16, self.languages)

    def classify(self, texts: Sequence[str]) -> list[Classification]:
        """One classification per text, in order."""
        return [self._classify(set(re.findall(r"\w+", text.lower()))) for text in texts]

    def _classify(self, words: set[str]) -> Classification:
        p_topic = [1.0, *[0.0] * (len(TOPICS) - 1)]
        if words & self.negative:
            return classification_of((0.9, 0.06, 0.04), p_topic)
        if words & self.positive:
            return classification_of((0.04, 0.06, 0.9), p_topic)
        return classification_of((0.05, 0.9, 0.05), p_topic)
