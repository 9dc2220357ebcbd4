"""The REST interface under ``/v1``: labels for texts."""

import threading
from typing import Annotated, Any, Final

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from processors.enrichment import Classifier
from processors.messages import Sentiment, Topic
from streams.classify import labelled
from streams.settings import ClassifierSettings
from streams.web.plain import plain

_TEXTS: Final = 256
_CHARACTERS: Final = 20_000


class Texts(BaseModel):
    """What is to be labelled."""

    model_config = ConfigDict(extra="forbid")

    texts: Annotated[tuple[Annotated[str, Field(max_length=_CHARACTERS)], ...], Field(min_length=1, max_length=_TEXTS)]


class Label(BaseModel):
    """What a model says of one text."""

    sentiment: Sentiment
    topic: Topic
    model: str
    version: str


class Labels(BaseModel):
    """A label for each text, in order; null for one that says nothing. `model` is the first one, for texts that no other
    reads."""

    model: str
    version: str
    labels: list[Label | None]


def classify_routes(settings: ClassifierSettings) -> APIRouter:
    """The interface to the embedded models, which are loaded when they are asked for first."""
    api = APIRouter(prefix="/v1", tags=["classify"])
    lock = threading.Lock()
    loaded: list[Classifier] = []

    def classifiers() -> list[Classifier]:
        if not loaded:
            from streams.classifier import embedded_classifiers

            loaded.extend(embedded_classifiers(settings))
        return loaded

    @api.post("/classify", response_model=Labels)
    def post_classify(asked: Texts) -> JSONResponse:
        """Topic and sentiment of texts, each by the model of its language, by the first where none reads that."""
        with lock:  # one request at a time has both cores
            first = classifiers()[0].model
            found = labelled(asked.texts, classifiers())
        labels: list[Any] = [
            one
            and {
                "sentiment": plain(one.classification.sentiment),
                "topic": plain(one.classification.topic),
                "model": one.model.name,
                "version": one.model.version,
            }
            for one in found
        ]
        return JSONResponse({"model": first.name, "version": first.version, "labels": labels})

    return api
