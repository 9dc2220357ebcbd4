"""The embedded classifier: the exported model on ONNX Runtime, in this process, without torch."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from processors.enrichment import Classification, ModelIdentity, Span, models_by_language
from processors.labels import SENTIMENTS, TOPICS
from processors.model_input import place_of
from streams.model_inputs import Batch, cannot_load, distinct, load_model

if TYPE_CHECKING:
    from streams.settings import ClassifierSettings


class EmbeddedClassifier:
    """Labels texts with the model in `folder`.

    Raises ModelError, naming the file, where one is missing, damaged, or of another contract.
    """

    def __init__(self, folder: Path, threads: int = 0) -> None:
        self.inputs, network = load_model(folder)
        try:
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = threads
            options.log_severity_level = 3
            self._session = onnxruntime.InferenceSession(network, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # the library raises bare Exceptions of its own
            raise cannot_load(folder, error) from error

    @property
    def model(self) -> ModelIdentity:
        """Name, version, content hash and languages, as the model's files state them."""
        return self.inputs.model

    def run(self, batch: Batch) -> dict[str, NDArray[np.float32]]:
        """The outputs of one batch (see `Batch.outputs`), softmax applied: of texts [rows, labels], of tokens
        [rows, length, 3]."""
        inputs = {"input_ids": batch.input_ids, "attention_mask": batch.attention_mask}
        return dict(zip(batch.outputs, self._session.run(batch.outputs, inputs), strict=True))

    def probabilities(self, texts: Sequence[str]) -> dict[str, NDArray[np.float64]]:
        """All probabilities of each head for model texts, in order: ``sentiment`` [texts, 3] and ``topic`` [texts, 20]."""
        found = {"sentiment": np.zeros((len(texts), len(SENTIMENTS))), "topic": np.zeros((len(texts), len(TOPICS)))}
        for batch in self.inputs.batches(texts):
            places = list(batch.places)
            outputs = self.run(batch)
            for head, values in found.items():
                values[places] = outputs[f"p_{head}"]
        return found

    def names(self, texts: Sequence[str], name: str) -> NDArray[np.float64]:
        """What model texts say of the words `name` in them, [texts, 3]: of a text without them, what it says as a whole."""
        said = self.classify(texts, [[place_of(name, text)] for text in texts])
        sentiments = [(answer.names and answer.names[0]) or answer.sentiment for answer in said]
        return np.array([[one.negative, one.neutral, one.positive] for one in sentiments])

    def classify(self, texts: Sequence[str], names: Sequence[Sequence[Span]] = ()) -> list[Classification]:
        """One classification per model text, in order; `names` as in `processors.enrichment.Classifier`."""
        asked, spans, places = distinct(texts, names)
        answers: dict[int, Classification] = {}
        for batch in self.inputs.batches(asked, spans):
            answers.update(zip(batch.places, batch.classifications(self.run(batch)), strict=True))
        return [answers[place] for place in places]


def embedded_classifiers(settings: "ClassifierSettings") -> list[EmbeddedClassifier]:
    """The classifier of each model that `settings` name, the first one first.

    Raises ModelError as the classifier does, ConfigurationError where two models read the same language.
    """
    found = [EmbeddedClassifier(folder, settings.threads) for folder in settings.folders]
    models_by_language(classifier.model for classifier in found)
    return found
