"""Why a text got its label, and why the evidence of an alarm did: asked of the embedded model when somebody looks.

To explain a text takes about four times as many questions as it has words, so it is done when an alarm is read and not for
every document that passes; an alarm stays a pure function of the log. It is told only where the model at hand is the
one that labelled, and where it finds in the text that was kept the probability that the alarm tells.
"""

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final, Literal

import numpy as np
from numpy.typing import NDArray

from processors.explanation import Explanation, explained
from processors.labels import SENTIMENTS, TOPICS
from processors.messages import Alert, EvidenceDocument, LabelledDocument
from processors.model_input import model_text
from processors.normalise import normalise

if TYPE_CHECKING:
    from streams.classifier import EmbeddedClassifier

Head = Literal["sentiment", "topic"]
Refusal = Literal["", "other-model", "text-cut"]
"""Why nothing is explained: the label is another model's, or the text that was kept is not all that the model read."""

LABELS: Final[Mapping[Head, tuple[str, ...]]] = {"sentiment": SENTIMENTS, "topic": TOPICS}
SAME: Final = 1e-3
"""How far two probabilities of one text by one model may lie apart."""

_REMEMBERED: Final = 512


@dataclass(frozen=True, slots=True)
class EvidenceWords:
    """The words of one document of evidence that carried the alarm's polarity; None with a `refusal`."""

    identity: str
    explanation: Explanation | None
    refusal: Refusal = ""


class Explainer:
    """Explains by the model that `classifier` runs. May be asked by several threads; answers one at a time, and remembers
    the latest."""

    def __init__(self, classifier: "EmbeddedClassifier") -> None:
        self.model = classifier.model
        self._classifier = classifier
        self._lock = threading.Lock()
        self._remembered = lru_cache(maxsize=_REMEMBERED)(self._computed)

    def explain(self, title: str, text: str, head: Head = "sentiment", label: str | None = None) -> Explanation:
        """Why a document of this `title` and `text`, as published, got its label of `head`, or what speaks for `label`."""
        return self._explained(model_text(normalise(title), normalise(text)), head, label)

    def evidence(self, alert: Alert, document_of: Callable[[str], LabelledDocument | None]) -> Iterable[EvidenceWords]:
        """The words behind each document of the evidence of `alert`, in its order, one by one.

        `document_of` finds a document in full by its identity; where it gives None, the excerpt has to do.
        """
        known = self.model.hash in {version.model_hash for version in alert.versions}
        for document in alert.evidence:
            whole = document_of(document.identity) if known else None
            labelled_by = whole.versions.model_hash if whole and whole.versions else self.model.hash
            if not known or labelled_by != self.model.hash:
                yield EvidenceWords(document.identity, None, "other-model")
            else:
                yield self._of(document, alert, whole)

    def _of(self, shown: EvidenceDocument, alert: Alert, whole: LabelledDocument | None) -> EvidenceWords:
        name = ""
        if whole:
            text = model_text(normalise(whole.title), normalise(whole.text))
            told_apart = [link for link in whole.companies if link.company == alert.company and link.sentiment]
            name = told_apart[0].surface if told_apart else ""
        else:
            head, _, body = shown.excerpt.partition("\n")
            text = model_text(head, body)
        with self._lock:
            negative = float(self._asked([text], "sentiment", name)[0, SENTIMENTS.index("negative")])
        if abs(negative - shown.p_negative) > SAME:
            return EvidenceWords(shown.identity, None, "text-cut")
        return EvidenceWords(shown.identity, self._explained(text, "sentiment", alert.polarity, name))

    def _asked(self, texts: Sequence[str], head: Head, name: str) -> NDArray[np.float64]:
        """The probability of each label, of the texts as a whole or of what they say of `name`."""
        return self._classifier.names(texts, name) if name else self._classifier.probabilities(texts)[head]

    def _explained(self, text: str, head: Head, label: str | None, name: str = "") -> Explanation:
        with self._lock:
            return self._remembered(text, head, label, name)

    def _computed(self, text: str, head: Head, label: str | None, name: str) -> Explanation:
        return explained(
            self._classifier.inputs.read(text),
            lambda parts: self._asked(parts, head, name),
            None if label is None else LABELS[head].index(label),
        )
