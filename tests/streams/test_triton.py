"""The client of Triton, against a server of its own protocol that answers as each test wants.

The real server is asked in `tests/services/test_enrich.py`.
"""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import grpc
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from tokenizers import Tokenizer
from tritonclient.grpc import service_pb2 as pb
from tritonclient.grpc import service_pb2_grpc

from processors.enrichment import Classification
from processors.errors import ConfigurationError, ModelError, PoisonError
from processors.labels import SENTIMENTS
from processors.model_input import NAMES_OUTPUT, version_number
from streams.model_inputs import ModelInputs, load_model
from streams.service_settings import ServiceSettings, TritonSettings
from streams.services.resilience import Breaker
from streams.settings import DEFAULT_MODEL
from streams.triton import TritonClassifier, problem_of

INPUTS, _ = load_model(DEFAULT_MODEL)
TEXTS = ["Shares rise", "Shares fall", *(f"Word {'and word ' * (7 * n)}{n}" for n in range(12))]


def probabilities(ids: NDArray[np.int64]) -> list[NDArray[np.float32]]:
    """Rows that follow from the tokens of each text, padding aside."""
    sums = ids.sum(axis=1)
    outputs = []
    for labels, likely in ((3, 0.9), (20, 0.81)):
        output = np.full((len(ids), labels), (1 - likely) / (labels - 1), np.float32)
        output[np.arange(len(ids)), sums % labels] = likely
        outputs.append(output)
    return outputs


def of_tokens(ids: NDArray[np.int64]) -> NDArray[np.float32]:
    """A sentiment for each token, which follows from the token."""
    output = np.full((*ids.shape, 3), 0.05, np.float32)
    np.put_along_axis(output, (ids % 3)[:, :, None], 0.9, axis=2)
    return output


class Server(service_pb2_grpc.GRPCInferenceServiceServicer):  # type: ignore[misc]
    """Serves the shipped model's name; `faults` are met first, one a request, `forbidden` tokens are refused."""

    def __init__(self) -> None:
        self.stated = {
            "name": INPUTS.model.name,
            "model_version": INPUTS.model.version,
            "model_hash": INPUTS.model.hash,
        }
        self.version = "7"
        self.faults: list[grpc.StatusCode | Callable[[list[NDArray[np.float32]]], Any]] = []
        self.forbidden: set[int] = set()
        self.refuses_all = False
        self.requests: list[tuple[int, ...]] = []
        self.checks: list[str] = []
        self.asked_for: list[str] = []
        self.at_once = self.most_at_once = 0
        self.pause = 0.0

    async def ModelConfig(self, request: Any, context: Any) -> Any:
        self.checks.append(request.version)
        if request.name != "tocsin":
            await context.abort(grpc.StatusCode.NOT_FOUND, f"unknown model {request.name!r}")
        answer = pb.ModelConfigResponse()
        for key, value in self.stated.items():
            answer.config.parameters[key].string_value = value
        return answer

    async def ModelInfer(self, request: Any, context: Any) -> Any:
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await asyncio.sleep(self.pause)
            return await self._infer(request, context)
        finally:
            self.at_once -= 1

    async def _infer(self, request: Any, context: Any) -> Any:
        shape = tuple(request.inputs[0].shape)
        self.requests.append(shape)
        self.asked_for.append(request.model_version)
        fault = self.faults.pop(0) if self.faults else None
        if isinstance(fault, grpc.StatusCode):
            await context.abort(fault, "as the test wants")
        ids = np.frombuffer(request.raw_input_contents[0], np.int64).reshape(shape)
        if self.refuses_all or self.forbidden & set(ids.flatten().tolist()):
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "a token that I do not know")
        outputs = probabilities(ids)
        if fault is not None:
            outputs = fault(outputs)
        version = request.model_version or self.version
        answer = pb.ModelInferResponse(model_name=request.model_name, model_version=version)
        for name, output in zip(("p_sentiment", "p_topic"), outputs, strict=True):
            answer.outputs.add(name=name, datatype="FP32", shape=output.shape)
            answer.raw_output_contents.append(output.astype(np.float32).tobytes())
        if NAMES_OUTPUT in [wanted.name for wanted in request.outputs]:
            named = of_tokens(ids)
            answer.outputs.add(name=NAMES_OUTPUT, datatype="FP32", shape=named.shape)
            answer.raw_output_contents.append(named.tobytes())
        return answer


@asynccontextmanager
async def serving(server: Server, port: int = 0) -> AsyncIterator[int]:
    running = grpc.aio.server()
    service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(server, running)
    port = running.add_insecure_port(f"127.0.0.1:{port}")
    await running.start()
    try:
        yield port
    finally:
        await running.stop(None)


class Client:
    """A classifier with what it says while it waits."""

    def __init__(self, port: int, model: str = "tocsin", timeout: float = 5.0, inputs: ModelInputs = INPUTS) -> None:
        self.said: list[str] = []
        self.states: list[str] = []
        self.breaker = Breaker(failures=3, rest=0.05)
        settings = TritonSettings(f"127.0.0.1:{port}", model, timeout=timeout, concurrency=3)
        retries = ServiceSettings(retry_first=0.01, retry_longest=0.05)
        self.classifier = TritonClassifier(settings, retries, inputs, self.breaker, self._waiting)

    def _waiting(self, what: str) -> None:
        self.said.append(what)
        self.states.append(self.breaker.state)


def run(server: Server, work: Callable[[Client], Awaitable[None]], **options: Any) -> None:
    async def within() -> None:
        async with serving(server) as port:
            client = Client(port, **options)
            await asyncio.wait_for(work(client), 60)
            await client.classifier.close()

    asyncio.run(within())


def expected(texts: Sequence[str]) -> list[str]:
    """The topics of `texts`, each asked alone."""
    from processors.labels import TOPICS

    return [TOPICS[sum(encoding.ids) % 20] for encoding in INPUTS.encode(texts)]


def topics(answers: Sequence[Classification | PoisonError]) -> list[str]:
    return [a.reason if isinstance(a, PoisonError) else a.topic.label for a in answers]


def token(word: str) -> int:
    [encoding] = INPUTS.encode([word])
    return encoding.ids[1]


def test_each_text_gets_its_own_labels_in_order_in_requests_of_one_length_several_at_once() -> None:
    server = Server()
    server.pause = 0.05

    async def work(client: Client) -> None:
        await client.classifier.check()
        assert topics(await client.classifier.classify(TEXTS * 40)) == expected(TEXTS * 40)
        assert {length for _, length in server.requests} == set(INPUTS.lengths)
        assert server.most_at_once == 3
        assert sum(rows for rows, _ in server.requests) == len(TEXTS), "equal texts are asked once"
        assert await client.classifier.classify([]) == []

    run(server, work)


@pytest.mark.parametrize("status", ["UNAVAILABLE", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED"])
def test_a_server_that_is_away_is_asked_again_and_its_breaker_shows_it(status: str) -> None:
    server = Server()
    server.faults = [grpc.StatusCode[status]] * 7

    async def work(client: Client) -> None:
        assert topics(await client.classifier.classify(TEXTS[:2])) == expected(TEXTS[:2])
        assert client.breaker.state == "closed"
        assert {"closed", "open"} <= set(client.states)
        assert all("as the test wants" in said for said in client.said)

    run(server, work)


def test_a_server_that_was_stopped_is_found_again_when_it_is_back() -> None:
    async def work() -> None:
        first = Server()
        async with serving(first) as port:
            client = Client(port, timeout=0.5)
            await client.classifier.check()
            assert topics(await client.classifier.classify(TEXTS)) == expected(TEXTS)
        asking = asyncio.create_task(client.classifier.classify(TEXTS))
        await asyncio.sleep(0.5)
        assert not asking.done()
        second = Server()
        async with serving(second, port):
            assert topics(await asyncio.wait_for(asking, 30)) == expected(TEXTS)
        assert second.checks, "another server may serve another model"
        await client.classifier.close()

    asyncio.run(work())


def test_a_server_of_another_model_is_refused_at_the_start_naming_both() -> None:
    server = Server()
    server.stated = {"name": "stranger", "model_version": "9", "model_hash": "f" * 64}

    async def work(client: Client) -> None:
        model = client.classifier.model
        at_hand = re.escape(f"{model.name} {model.version} ({model.hash[:12]})")
        with pytest.raises(ConfigurationError, match=rf"stranger 9 \(ffffffffffff\).*belongs to {at_hand}"):
            await client.classifier.check()

    run(server, work)


def test_a_server_without_the_model_is_told() -> None:
    async def work(client: Client) -> None:
        with pytest.raises(ConfigurationError, match=r"does not serve 'other'.*triton\.model"):
            await client.classifier.check()

    run(Server(), work, model="other")


def test_an_answer_of_another_version_is_checked_before_its_labels_are_used() -> None:
    server = Server()

    async def work(client: Client) -> None:
        await client.classifier.classify(TEXTS[:1])
        assert server.checks == ["7"]
        server.version = "8"
        await client.classifier.classify(TEXTS[:1])
        assert server.checks == ["7", "8"]
        server.version, server.stated = "9", {"name": "stranger", "model_version": "2", "model_hash": "e" * 64}
        with pytest.raises(ConfigurationError, match="stranger 2"):
            await client.classifier.classify(TEXTS[:1])

    run(server, work)


def test_beside_other_versions_its_own_is_asked_for_and_one_that_went_is_noticed() -> None:
    server = Server()
    number, model = str(version_number(INPUTS.model.hash)), INPUTS.model
    server.stated = {
        "name": "stranger",
        "model_version": "9",
        "model_hash": "f" * 64,
        f"version_{number}": f"{model.name} {model.version} {model.hash}",
    }

    async def work(client: Client) -> None:
        server.version = "9"  # what answers where no version is asked for
        assert topics(await client.classifier.classify(TEXTS[:2])) == expected(TEXTS[:2])
        assert server.asked_for[0] == ""
        assert set(server.asked_for[1:]) == {number}
        del server.stated[f"version_{number}"]
        server.faults = [grpc.StatusCode.NOT_FOUND]
        with pytest.raises(ConfigurationError, match="stranger 9"):
            await client.classifier.classify(TEXTS[:1])

    run(server, work)


@pytest.mark.parametrize(
    "fault",
    [
        lambda outputs: [outputs[0][:-1], outputs[1]],
        lambda outputs: [outputs[0] * np.nan, outputs[1]],
        lambda outputs: [outputs[0], outputs[1] * 1.01],
        lambda outputs: [outputs[1], outputs[0]],
    ],
)
def test_wrong_answers_are_never_used_asked_again_and_end_it_when_they_go_on(fault: Any) -> None:
    server = Server()

    async def work(client: Client) -> None:
        server.faults = [fault, fault]
        assert topics(await client.classifier.classify(TEXTS[:2])) == expected(TEXTS[:2])
        server.faults = [fault, fault, fault]
        with pytest.raises(ModelError, match="answered wrongly 3 times"):
            await client.classifier.classify(TEXTS[:2])

    run(server, work)


@pytest.mark.parametrize("places", [set(), {0}, {11, 12}, {3, 4, 23}])
def test_a_text_that_the_model_refuses_is_found_and_the_others_get_their_labels(places: set[int]) -> None:
    server = Server()
    server.forbidden = {token("forbidden")}
    texts = [f"A forbidden word {n}" if n in places else f"An ordinary word {n}" for n in range(24)]

    async def work(client: Client) -> None:
        answers = await client.classifier.classify(texts)
        good = expected(texts)
        assert topics(answers) == ["model-refused" if n in places else good[n] for n in range(24)]

    run(server, work)


def test_a_server_that_refuses_every_text_is_not_taken_for_a_stream_of_bad_texts() -> None:
    server = Server()
    server.refuses_all = True

    async def work(client: Client) -> None:
        with pytest.raises(ModelError, match="refuses every text"):
            await client.classifier.classify(TEXTS)

    run(server, work)


def test_an_error_inside_the_server_that_passes_costs_no_text() -> None:
    server = Server()
    server.faults = [grpc.StatusCode.INTERNAL] * 5

    async def work(client: Client) -> None:
        assert topics(await client.classifier.classify(TEXTS[:3])) == expected(TEXTS[:3])

    run(server, work)


@given(st.integers(1, 4), st.floats(-1e-3, 1e-3), st.sampled_from((0.0, 2e-3, -2e-3)))
def test_rows_must_sum_to_one_within_a_thousandth(rows: int, small: float, large: float) -> None:
    shapes = {"p_sentiment": (rows, 3), "p_topic": (rows, 20), NAMES_OUTPUT: (rows, 16, 3)}
    for name in shapes:
        outputs = {each: np.full(shape, 1 / shape[-1], np.float64) for each, shape in shapes.items()}
        outputs[name][-1, ..., 0] += small * 0.99 + large
        assert bool(problem_of(outputs, rows, 16)) == (abs(small * 0.99 + large) > 1e-3)  # type: ignore[arg-type]


def test_each_name_gets_the_sentiment_of_its_own_tokens_and_a_name_that_is_not_there_none() -> None:
    texts = ["Boeing rises while Airbus falls", "Shares fall", "Boeing and Airbus " + "rise and fall " * 200]
    names = [((0, 6), (19, 25), (0, 0)), (), ((11, 17), (len(texts[2]) - 5, len(texts[2]) - 1))]
    server = Server()

    async def work(client: Client) -> None:
        first, second, third = await client.classifier.classify(texts, names)
        assert isinstance(first, Classification) and isinstance(second, Classification)
        assert isinstance(third, Classification)
        for answer, name in ((first.names[0], "Boeing"), (first.names[1], "Airbus"), (third.names[0], "Airbus")):
            expected_label = [SENTIMENTS[token(name) % 3]]
            assert answer is not None and [answer.label] == expected_label, "one token each"
        assert (first.names[2], second.names, third.names[1]) == (None, (), None)
        assert sum(rows for rows, _ in server.requests) == 3, "names take no row of their own"

    description = json.loads((DEFAULT_MODEL / "model.json").read_text()) | {"names": {"output": NAMES_OUTPUT}}
    tells = ModelInputs(description, Tokenizer.from_file(str(DEFAULT_MODEL / "tokenizer.json")))
    run(server, work, inputs=tells)
