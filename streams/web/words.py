"""The words that carried the labels of an alarm's evidence, for its page."""

from typing import Any

from processors.messages import Alert
from streams.explain import Explainer
from streams.store import Store


def words_view(explainer: Explainer, alert: Alert, store: Store) -> dict[str, Any]:
    """For each document of the evidence of `alert`, in its order: the text as the model read it in `pieces` (each with its
    strength, -3 to 3; `processors.explanation`) and its `leading` words; or why not, in `refused`."""
    documents = [
        {
            "identity": found.identity,
            "refused": found.refusal,
            "pieces": found.explanation.pieces() if found.explanation else [],
            "leading": found.explanation.leading() if found.explanation else [],
        }
        for found in explainer.evidence(alert, store.document)
    ]
    model = explainer.model
    named = {"name": model.name, "version": model.version, "hash": model.hash}
    return {"alert": alert.id, "label": alert.polarity, "model": named, "documents": documents}
