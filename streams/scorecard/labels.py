"""A classifier that remembers: its answers are kept in a file, so that no text is read twice."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

from processors.enrichment import Classification, Classifier, ModelIdentity
from processors.messages import Sentiment, Topic


class KeptLabels:
    """A model's answers, kept in the file `path`; those of another model are passed over.

    A line holds the model's hash, the text as the model reads it, the sentiment (label and probabilities) and the topic.
    """

    def __init__(self, path: Path, classifier: Classifier, told: Callable[[int, int], None]) -> None:
        """`told` hears how many of how many texts of a request are done."""
        self._path, self._classifier, self._told = path, classifier, told
        self._known: dict[str, Classification] = {}
        if path.is_file():
            with path.open(encoding="utf-8") as lines:
                for model, text, sentiment, topic in map(json.loads, lines):
                    if model == self.model.hash:
                        self._known[text] = Classification(Sentiment(*sentiment), Topic(*topic))

    @property
    def model(self) -> ModelIdentity:
        """Which model speaks."""
        return self._classifier.model

    def classify(self, texts: Sequence[str]) -> list[Classification]:
        """One classification per model text, in order."""
        asked = [text for text in dict.fromkeys(texts) if text not in self._known]
        with self._path.open("a", encoding="utf-8") as file:
            for start in range(0, len(asked), 256):
                self._told(start, len(asked))
                batch = asked[start : start + 256]
                for text, answer in zip(batch, self._classifier.classify(batch), strict=True):
                    self._known[text] = answer
                    sentiment, topic = answer.sentiment, answer.topic
                    kept = [sentiment.label, sentiment.negative, sentiment.neutral, sentiment.positive]
                    row = [self.model.hash, text, kept, [topic.label, topic.probability]]
                    file.write(json.dumps(row, ensure_ascii=False) + "\n")
        return [self._known[text] for text in texts]
