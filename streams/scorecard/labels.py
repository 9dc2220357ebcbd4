"""A classifier that remembers: its answers are kept in a file, so that no text is read twice."""

import json
from collections.abc import Callable, Sequence
from dataclasses import astuple
from pathlib import Path

from processors.enrichment import Classification, Classifier, ModelIdentity, Span
from processors.messages import Sentiment, Topic

Asked = tuple[str, tuple[Span, ...]]
"""A model text and where in it the names stand that are asked about."""


class KeptLabels:
    """A model's answers, kept in the file `path`; those of another model are passed over.

    A line holds the model's hash, the text as the model reads it, where the names stand that it was asked about, the
    sentiment (label and probabilities), the topic, and the sentiment of each name.
    """

    def __init__(self, path: Path, classifier: Classifier, told: Callable[[int, int], None]) -> None:
        """`told` hears how many of how many texts of a request are done."""
        self._path, self._classifier, self._told = path, classifier, told
        self._known: dict[Asked, Classification] = {}
        if path.is_file():
            with path.open(encoding="utf-8") as lines:
                for model, *kept in map(json.loads, lines):
                    if model == self.model.hash:
                        text, names, sentiment, topic, own = kept
                        said = tuple(None if each is None else Sentiment(*each) for each in own)
                        asked = text, tuple((start, end) for start, end in names)
                        self._known[asked] = Classification(Sentiment(*sentiment), Topic(*topic), said)

    @property
    def model(self) -> ModelIdentity:
        """Which model speaks."""
        return self._classifier.model

    def classify(self, texts: Sequence[str], names: Sequence[Sequence[Span]] = ()) -> list[Classification]:
        """One classification per model text, in order; `names` as in `processors.enrichment.Classifier`."""
        wanted: list[Asked] = [
            (text, tuple(spans)) for text, spans in zip(texts, names or [()] * len(texts), strict=True)
        ]
        asked = [each for each in dict.fromkeys(wanted) if each not in self._known]
        with self._path.open("a", encoding="utf-8") as file:
            for start in range(0, len(asked), 256):
                self._told(start, len(asked))
                batch = asked[start : start + 256]
                answers = self._classifier.classify([text for text, _ in batch], [spans for _, spans in batch])
                for each, answer in zip(batch, answers, strict=True):
                    self._known[each] = answer
                    said = [
                        astuple(answer.sentiment),
                        astuple(answer.topic),
                        [own and astuple(own) for own in answer.names],
                    ]
                    file.write(json.dumps([self.model.hash, *each, *said], ensure_ascii=False) + "\n")
        return [self._known[each] for each in wanted]
