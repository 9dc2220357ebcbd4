"""The generated repository on the real Triton server: what it serves, and that no answer depends on its neighbours."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tritonclient.grpc import InferenceServerClient, InferInput, InferRequestedOutput
from tritonclient.grpc.aio import InferenceServerClient as AsyncClient
from tritonclient.utils import InferenceServerException

from models.onnx_model import DEFAULT_MODEL, OnnxModel, inputs_of
from models.repository import MODEL_NAME, QUEUE_DELAY, read_package, write_repository
from processors.errors import FatalError
from processors.model_input import NAMES_OUTPUT
from streams.stack.ports import Ports
from streams.stack.stack import Stack

PATIENCE = 300
"""Seconds that a busy machine may take."""

OUTPUTS = ("p_sentiment", "p_topic")

SENTENCES = (
    "Acme sinks after its auditor resigns",
    "Orbit Software lifts its forecast for the year on strong demand for its cloud tools",
    "The central bank holds rates and says that inflation will ease, which nobody had expected after the data of the spring",
    "Crude slips",
    "$ZZZ breaks out, what a day http",
    "A strike at the port enters its third week; carriers warn that deliveries of cars and steel will be late",
    "Dividend of 12 cents declared by Harbour Trust, payable in June",
    "Shares of Acme were little changed",
)

TEXTS = [" ".join((SENTENCES * repeats)[start : start + repeats]) for repeats in (1, 2, 4, 7, 13) for start in (0, 3)]
"""Texts of every padded length."""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("triton")
    write_repository(folder / "models", DEFAULT_MODEL, "python", "cpu")
    config = folder / "models" / MODEL_NAME / "config.pbtxt"
    shipped = f"max_queue_delay_microseconds: {QUEUE_DELAY['cpu']}"
    assert shipped in config.read_text()
    # Long enough for a busy machine to send what is to be computed together.
    config.write_text(config.read_text().replace(shipped, "max_queue_delay_microseconds: 200000"))
    with Stack(folder / "stack", Ports.picked(), models=folder / "models") as stack:
        stack.up({"triton"})
        yield stack.triton.address


@pytest.fixture(scope="module")
def model() -> OnnxModel:
    return OnnxModel(threads=1)


def _inputs(tokens: Sequence[Sequence[int]], length: int) -> list[InferInput]:
    values = {name: np.zeros((len(tokens), length), np.int64) for name in ("input_ids", "attention_mask")}
    for row, ids in enumerate(tokens):
        values["input_ids"][row, : len(ids)] = ids
        values["attention_mask"][row, : len(ids)] = 1
    inputs = []
    for name, value in values.items():
        inputs.append(InferInput(name, value.shape, "INT64"))
        inputs[-1].set_data_from_numpy(value)
    return inputs


def _ask(client: Any, tokens: Sequence[Sequence[int]], length: int) -> dict[str, NDArray[np.float32]]:
    answer = client.infer(MODEL_NAME, _inputs(tokens, length), client_timeout=PATIENCE)
    return {name: answer.as_numpy(name) for name in OUTPUTS}


def _ask_at_once(
    address: str, requests: Sequence[tuple[Sequence[Sequence[int]], int]]
) -> list[dict[str, NDArray[np.float32]] | InferenceServerException]:
    """All `requests` in flight together, so that the server batches them as it likes."""

    async def ask() -> Any:
        async with AsyncClient(address) as client:
            calls = [
                client.infer(MODEL_NAME, _inputs(tokens, length), client_timeout=PATIENCE)
                for tokens, length in requests
            ]
            return await asyncio.gather(*calls, return_exceptions=True)

    return [
        answer if isinstance(answer, BaseException) else {name: answer.as_numpy(name) for name in OUTPUTS}
        for answer in asyncio.run(ask())
    ]


def _counts(client: InferenceServerClient) -> tuple[int, int]:
    """(requests answered, batches computed) since the server started."""
    (counts,) = client.get_inference_statistics(MODEL_NAME).model_stats
    return counts.inference_stats.success.count, counts.execution_count


def _batches(client: InferenceServerClient, before: tuple[int, int], answered: int) -> int:
    """Batches computed since `before`, once the server has counted all that it answered."""
    deadline = time.monotonic() + 30
    while (now := _counts(client))[0] - before[0] < answered:
        assert time.monotonic() < deadline, "the server answered less than it was asked"
        time.sleep(0.05)
    return now[1] - before[1]


def test_the_server_says_which_model_it_serves(address: str) -> None:
    client = InferenceServerClient(address)
    packaged = read_package(DEFAULT_MODEL)
    stated = client.get_model_config(MODEL_NAME).config.parameters
    assert stated["model_hash"].string_value == packaged.hash
    assert list(client.get_model_metadata(MODEL_NAME).versions) == [str(packaged.number)]
    answer = client.infer(MODEL_NAME, _inputs([[101, 102]], 16))
    assert answer.get_response().model_version == str(packaged.number)


def test_answers_are_those_of_the_model(address: str, model: OnnxModel) -> None:
    client = InferenceServerClient(address)
    for tokens in model.tokenise(TEXTS[::2]):
        length = model.padded_length(len(tokens))
        expected = model.run([tokens], length)
        answer = _ask(client, [tokens], length)
        assert answer["p_sentiment"] == pytest.approx(expected["sentiment"], abs=1e-5)
        assert answer["p_topic"] == pytest.approx(expected["topic"], abs=1e-5)
        [of_tokens] = model.session.run([NAMES_OUTPUT], inputs_of([tokens], length))
        answer = client.infer(
            MODEL_NAME, _inputs([tokens], length), outputs=[InferRequestedOutput(NAMES_OUTPUT)], client_timeout=PATIENCE
        )
        assert answer.as_numpy(NAMES_OUTPUT) == pytest.approx(of_tokens, abs=1e-5)


def test_no_label_depends_on_what_the_server_computes_it_with(address: str, model: OnnxModel) -> None:
    client = InferenceServerClient(address)
    tokens = model.tokenise(TEXTS)
    assert {model.padded_length(len(row)) for row in tokens} == set(model.lengths), "every length has its texts"
    alone = [_ask(client, [row], model.padded_length(len(row))) for row in tokens]

    before = _counts(client)
    requests = [[(place, length) for place, row in enumerate(tokens) if length >= len(row)] for length in model.lengths]
    answers = [_ask_at_once(address, [([tokens[place]], length) for place, length in group]) for group in requests]
    sent = sum(map(len, requests))
    assert _batches(client, before, sent) < sent / 2, "the server computed them together"

    for (place, length), answer in zip(chain(*requests), chain(*answers), strict=True):
        assert isinstance(answer, dict), answer
        for name in OUTPUTS:
            assert np.abs(answer[name] - alone[place][name]).max() <= 1e-3, (name, TEXTS[place], length)
            assert answer[name].argmax() == alone[place][name].argmax()


def test_requests_of_several_texts_keep_their_rows_apart(address: str, model: OnnxModel) -> None:
    client = InferenceServerClient(address)
    tokens = model.tokenise(SENTENCES)
    alone = [_ask(client, [row], 32) for row in tokens]
    starts = [(start, size) for size in (1, 2, 3, 5) for start in range(0, len(tokens), size)]
    places = [range(start, min(start + size, len(tokens))) for start, size in starts]
    answers = _ask_at_once(address, [([tokens[place] for place in group], 32) for group in places])
    for group, answer in zip(places, answers, strict=True):
        assert isinstance(answer, dict), answer
        for name in OUTPUTS:
            expected = np.concatenate([alone[place][name] for place in group])
            assert answer[name].shape == expected.shape
            assert np.abs(answer[name] - expected).max() <= 1e-3


def test_an_input_that_the_model_cannot_read_costs_only_its_own_request(address: str, model: OnnxModel) -> None:
    good = model.tokenise(["Acme sinks after its auditor resigns"])
    answers = _ask_at_once(address, [([[10_000_000]] if place % 7 == 3 else good, 16) for place in range(42)])
    for place, answer in enumerate(answers):
        if place % 7 == 3:
            assert isinstance(answer, InferenceServerException)
            assert answer.status() == "StatusCode.INVALID_ARGUMENT"
        else:
            assert isinstance(answer, dict), answer


def test_a_batch_over_the_limit_is_refused(address: str) -> None:
    with pytest.raises(InferenceServerException, match="batch-size must be <= 128"):
        InferenceServerClient(address).infer(MODEL_NAME, _inputs([[101, 102]] * 129, 16))


def test_a_model_that_the_server_cannot_load_is_not_ready(tmp_path: Path) -> None:
    write_repository(tmp_path / "models", DEFAULT_MODEL, "python", "cpu")
    next(tmp_path.glob("models/*/*/model.onnx")).write_bytes(b"no network")
    with (
        Stack(tmp_path / "stack", Ports.picked(), models=tmp_path / "models") as stack,
        pytest.raises(FatalError, match="failed to load all models"),
    ):
        stack.up({"triton"})
