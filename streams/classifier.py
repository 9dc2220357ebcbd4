"""The embedded classifier: the exported model on ONNX Runtime, in this process, without torch."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from processors.enrichment import Classification, ModelIdentity, classification_of
from processors.labels import SENTIMENTS, TOPICS
from streams.model_inputs import Batch, cannot_load, load_model


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

    def run(self, batch: Batch) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """The model's outputs for one batch: float32 [rows, 3] and [rows, 20], softmax applied."""
        inputs = {"input_ids": batch.input_ids, "attention_mask": batch.attention_mask}
        p_sentiment, p_topic = self._session.run(["p_sentiment", "p_topic"], inputs)
        return p_sentiment, p_topic

    def probabilities(self, texts: Sequence[str]) -> dict[str, NDArray[np.float64]]:
        """All probabilities of each head for model texts, in order: ``sentiment`` [texts, 3] and ``topic`` [texts, 20]."""
        found = {"sentiment": np.zeros((len(texts), len(SENTIMENTS))), "topic": np.zeros((len(texts), len(TOPICS)))}
        for batch in self.inputs.batches(texts):
            places = list(batch.places)
            found["sentiment"][places], found["topic"][places] = self.run(batch)
        return found

    def classify(self, texts: Sequence[str]) -> list[Classification]:
        """One classification per model text, in order."""
        answers: dict[int, Classification] = {}
        for batch in self.inputs.batches(texts):
            rows = zip(batch.places, *self.run(batch), strict=True)
            answers.update((place, classification_of(s.tolist(), t.tolist())) for place, s, t in rows)
        return [answers[place] for place in range(len(texts))]
