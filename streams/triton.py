"""The classifier behind Triton: texts are tokenised here and computed there.

A label is used only where three things are sure: the server serves the very model whose tokenizer is at hand, the
answer came from the version that was checked, and what came is a distribution over the labels.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from time import monotonic
from typing import Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray
from tritonclient.grpc.aio import InferenceServerClient, InferInput, InferRequestedOutput
from tritonclient.utils import InferenceServerException

from processors.enrichment import Classification, ModelIdentity, Span
from processors.errors import ConfigurationError, ModelError, PoisonError
from processors.labels import SENTIMENTS
from processors.model_input import version_number
from streams.model_inputs import OUTPUTS, Batch, ModelInputs, distinct
from streams.service_settings import ServiceSettings, TritonSettings
from streams.services.resilience import Breaker, waits

Answer = Classification | PoisonError
"""What becomes of one text: labels, or why the model refuses it."""

AWAY: Final = frozenset({"StatusCode.UNAVAILABLE", "StatusCode.DEADLINE_EXCEEDED", "StatusCode.RESOURCE_EXHAUSTED"})
"""The server cannot answer now: the same request may succeed later."""

REFUSED: Final = "StatusCode.INVALID_ARGUMENT"

GONE: Final = "StatusCode.NOT_FOUND"
"""The version that is asked for is not served any more."""

SUM_TOLERANCE: Final = 1e-3
WRONG_ANSWERS: Final = 3
"""So many in a row for one request, and the model is no good."""

PROBE: Final = "Markets are little changed."
"""A text that any model of this contract can read: it tells a text that is refused from a server that is broken."""

# gRPC's own pause before it connects anew grows to two minutes: too long for a bell.
_CHANNEL: Final = (
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 2_000),
)

_LOG: Final = logging.getLogger("tocsin")

T = TypeVar("T")


class TritonClassifier:
    """Asks the server that `settings` name, for as long as it takes. Make and use it within one event loop.

    `breaker` is what others may look at; `waiting` hears what is waited for whenever the server is away.
    """

    def __init__(
        self,
        settings: TritonSettings,
        retries: ServiceSettings,
        inputs: ModelInputs,
        breaker: Breaker,
        waiting: Callable[[str], None],
    ) -> None:
        self._settings, self._retries, self._inputs = settings, retries, inputs
        self._breaker, self._waiting = breaker, waiting
        self._client = InferenceServerClient(settings.server, channel_args=_CHANNEL)
        self._places = asyncio.Semaphore(settings.concurrency)
        self._checked: set[str] = set()
        self._number = ""
        [self._probe] = inputs.batches([PROBE])

    @property
    def model(self) -> ModelIdentity:
        """The model that is at hand, and served wherever `check` passed."""
        return self._inputs.model

    async def check(self, version: str = "") -> None:
        """Return once the server answers and serves the model at hand: beside others, in the version that is its own and
        asked for from here on; or alone, in `version` (its newest if empty).

        Raises ConfigurationError, naming both, where it serves another or none.
        """
        name = self._settings.model
        try:
            answer: Any = await self._answered(
                lambda: self._client.get_model_config(name, version, client_timeout=self._settings.timeout)
            )
        except InferenceServerException as error:
            raise ConfigurationError(
                f"Triton at {self._settings.server} does not serve {name!r} ({error.message()}): "
                "give it a repository that `tocsin models repository` wrote, or set triton.model"
            ) from error
        stated = {key: parameter.string_value for key, parameter in answer.config.parameters.items()}
        served = tuple(stated.get(key, "unknown") for key in ("name", "model_version", "model_hash"))
        model = self.model
        number = str(version_number(model.hash))
        if stated.get(f"version_{number}") == f"{model.name} {model.version} {model.hash}":
            self._number = number
            if served[2] != model.hash:
                _LOG.warning(
                    "labels by %s, while %s is promoted", _named(model.name, model.version, model.hash), _named(*served)
                )
            return
        self._number = ""
        if served != (model.name, model.version, model.hash):
            raise ConfigurationError(
                f"Triton at {self._settings.server} serves {_named(*served)} as {name!r}, but the tokenizer at hand "
                f"belongs to {_named(model.name, model.version, model.hash)}: write the repository anew with "
                "`tocsin models repository`, or set classifier.model"
            )

    async def classify(self, texts: Sequence[str], names: Sequence[Sequence[Span]] = ()) -> list[Answer]:
        """One answer per model text, in order: requests of one length each, several at once. `names` as in
        `processors.enrichment.Classifier`.

        Waits as long as the server is away. A text that the model refuses alone, while it reads others, is a
        PoisonError among the answers. Raises ConfigurationError where the server changed to another model, ModelError
        where its answers are no distributions or it refuses every text.
        """
        if not texts:
            return []
        asked, spans, places = distinct(texts, names)
        batches = await asyncio.to_thread(
            self._inputs.batches, asked, spans
        )  # the tokenizer lets go of the interpreter
        answers: dict[int, Answer] = {}
        for batch, found in zip(batches, await asyncio.gather(*map(self._answers, batches)), strict=True):
            answers.update(zip(batch.places, found, strict=True))
        return [answers[place] for place in places]

    async def close(self) -> None:
        """Give the connection back."""
        await self._client.close()

    async def _answers(self, batch: Batch) -> list[Answer]:
        try:
            return list(await self._labels(batch))
        except InferenceServerException:
            if len(batch.places) == 1:
                return [await self._judged(batch)]
        middle = len(batch.places) // 2
        first = await self._answers(batch.part(0, middle))
        return first + await self._answers(batch.part(middle, len(batch.places)))

    async def _judged(self, single: Batch) -> Answer:
        """What becomes of a text that failed alone: it is poison only if the server reads the probe, and not it."""
        for wait in waits(self._retries):
            try:
                await self._labels(self._probe)
            except InferenceServerException as error:
                if error.status() == REFUSED:
                    raise ModelError(
                        f"Triton at {self._settings.server} refuses every text ({error.message()}): "
                        "the model's inputs are not those of this release; write its repository anew"
                    ) from error
                self._waiting(f"Triton at {self._settings.server}: {error.message()}")
                await asyncio.sleep(wait)
                continue
            try:
                [answer] = await self._labels(single)
            except InferenceServerException as error:
                length = single.input_ids.shape[1]
                return PoisonError(
                    "model-refused", f"the model cannot read this text, alone, in {length} tokens: {error.message()}"
                )
            return answer
        raise AssertionError("waits end never")

    async def _labels(self, batch: Batch) -> list[Classification]:
        """The labels of a batch. Raises InferenceServerException where the server refuses it."""
        problem = ""
        for _ in range(WRONG_ANSWERS):
            try:
                result = await self._answered(lambda: self._infer(batch))
            except InferenceServerException as error:
                if not self._number or error.status() != GONE:
                    raise
                self._forget()
                problem = error.message()
                continue
            version = result.get_response().model_version
            if version not in self._checked:
                await self.check(version)
                if self._number and version != self._number:
                    continue  # another version answered, before its own was asked for
                self._checked.add(version)
            outputs = {name: result.as_numpy(name) for name in batch.outputs}
            problem = problem_of(outputs, *batch.input_ids.shape)
            if not problem:
                return batch.classifications(outputs)
        raise ModelError(
            f"Triton at {self._settings.server} answered wrongly {WRONG_ANSWERS} times in a row: {problem}; "
            f"look at its log, and at the model {_named(self.model.name, self.model.version, self.model.hash)}"
        )

    def _forget(self) -> None:
        """Ask for no version, and look at whatever answers: the server may serve others now."""
        self._checked.clear()
        self._number = ""

    async def _infer(self, batch: Batch) -> Any:
        inputs = []
        for name, values in (("input_ids", batch.input_ids), ("attention_mask", batch.attention_mask)):
            tensor = InferInput(name, list(values.shape), "INT64")
            tensor.set_data_from_numpy(values)
            inputs.append(tensor)
        return await self._client.infer(
            self._settings.model,
            inputs,
            model_version=self._number,
            outputs=[InferRequestedOutput(name) for name in batch.outputs],
            client_timeout=self._settings.timeout,
        )

    async def _answered(self, ask: Callable[[], Awaitable[T]]) -> T:
        """What `ask` gives, asked again with growing pauses while the server is away."""
        for wait in waits(self._retries):
            while rest := self._breaker.wait(monotonic()):
                await asyncio.sleep(rest)
            try:
                async with self._places:
                    answer = await ask()
            except InferenceServerException as error:
                if error.status() not in AWAY:
                    self._breaker.succeeded()
                    raise
                why = f"Triton at {self._settings.server}: {error.message()}"
                if self._breaker.failed(monotonic()):
                    _LOG.warning("%s; documents wait, and are labelled when it answers", why)
                self._forget()  # it may come back with another model
                self._waiting(why)
            else:
                self._breaker.succeeded()
                return answer
            await asyncio.sleep(wait)
        raise AssertionError("waits end never")


def problem_of(outputs: Mapping[str, NDArray[np.float32] | None], rows: int, length: int) -> str:
    """Why `outputs`, by their names, cannot be used for so many rows of so many tokens; empty where they can."""
    for name, output in outputs.items():
        shape = (rows, OUTPUTS[name]) if name in OUTPUTS else (rows, length, len(SENTIMENTS))
        if output is None:
            return f"{name} is missing"
        if output.shape != shape:
            return f"{name} has the shape {list(output.shape)} instead of {list(shape)}"
        if not np.isfinite(output).all():
            return f"{name} holds what is no number"
        if output.min() < 0 or np.abs(output.sum(axis=-1, dtype=np.float64) - 1).max() > SUM_TOLERANCE:
            return f"{name} holds rows that are no probabilities"
    return ""


def _named(name: str, version: str, hash: str) -> str:
    return f"{name} {version} ({hash[:12]})"
