"""The REST interface under ``/v1``: labels for texts."""

import threading
from typing import Annotated, Any, Final

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from processors.enrichment import Classifier
from processors.messages import Sentiment, Topic
from processors.model_input import model_text
from processors.normalise import normalise
from streams.settings import ClassifierSettings
from streams.web.plain import plain

_TEXTS: Final = 256
_CHARACTERS: Final = 20_000


class Texts(BaseModel):
    """What is to be labelled."""

    model_config = ConfigDict(extra="forbid")

    texts: Annotated[tuple[Annotated[str, Field(max_length=_CHARACTERS)], ...], Field(min_length=1, max_length=_TEXTS)]


class Label(BaseModel):
    """What the model says of one text."""

    sentiment: Sentiment
    topic: Topic


class Labels(BaseModel):
    """A label for each text, in order; null for one that says nothing."""

    model: str
    version: str
    labels: list[Label | None]


def classify_routes(settings: ClassifierSettings) -> APIRouter:
    """The interface to the embedded model, which is loaded when it is asked for first."""
    api = APIRouter(prefix="/v1", tags=["classify"])
    lock = threading.Lock()
    loaded: list[Classifier] = []

    def classifier() -> Classifier:
        if not loaded:
            from streams.classifier import EmbeddedClassifier

            loaded.append(EmbeddedClassifier(settings.model, settings.threads))
        return loaded[0]

    @api.post("/classify", response_model=Labels)
    def post_classify(asked: Texts) -> JSONResponse:
        """Topic and sentiment of texts, whatever their language; the model reads English."""
        inputs = [model_text("", normalise(text)) for text in asked.texts]
        with lock:  # one request at a time has both cores
            model = classifier().model
            answers = iter(classifier().classify([text for text in inputs if text]))
        labels: list[Any] = [
            {"sentiment": plain(answer.sentiment), "topic": plain(answer.topic)}
            if text and (answer := next(answers))
            else None
            for text in inputs
        ]
        return JSONResponse({"model": model.name, "version": model.version, "labels": labels})

    return api
