"""Versions in the real Triton: another is pushed, promoted and taken back while a client goes on asking."""

import asyncio
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from models.onnx_model import DEFAULT_MODEL
from models.repository import CURRENT, MODEL_NAME, read_package, write_repository
from processors.enrichment import Classification
from streams.cli import app
from streams.model_inputs import load_model
from streams.service_settings import ServiceSettings, TritonSettings
from streams.services.resilience import Breaker
from streams.stack.ports import Ports
from streams.stack.stack import Stack
from streams.triton import TritonClassifier

sys.path.append(str(Path(__file__).parent.parent / "models"))
from another_model import another_model, restated

TEXTS = ["Acme sinks after its auditor resigns", "Orbit Software lifts its forecast"]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("triton")
    write_repository(folder / "models", DEFAULT_MODEL, "python", "cpu", threads=1)
    with Stack(folder / "stack", Ports.picked(), models=folder / "models") as stack:
        stack.up({"triton"})
        yield stack


class Asking(threading.Thread):
    """A client with the model in `folder` that asks until it is told to stop; a failure ends it, unsound."""

    def __init__(self, stack: Stack, folder: Path) -> None:
        super().__init__(daemon=True)
        self.inputs, _ = load_model(folder)
        self._settings = TritonSettings(stack.triton.address)
        self.stop = threading.Event()
        self.is_sound = False
        self.answers: list[list[Classification]] = []
        self.waited: list[str] = []

    def run(self) -> None:
        asyncio.run(self._ask())
        self.is_sound = True

    async def _ask(self) -> None:
        client = TritonClassifier(self._settings, ServiceSettings(), self.inputs, Breaker(), self.waited.append)
        await client.check()
        while not self.stop.is_set():
            self.answers.append(await client.classify(TEXTS))  # type: ignore[arg-type]
        await client.close()

    def ended(self) -> None:
        self.stop.set()
        self.join(60)
        assert self.is_sound, "a failure ended it"
        assert self.waited == []
        assert all(answer == self.answers[0] for answer in self.answers)


def tocsin(stack: Stack, *arguments: str) -> tuple[int, str]:
    flags = ["--repository", str(stack.triton.models), "--set", f"triton.server={stack.triton.address}"]
    result = CliRunner().invoke(app, ["models", *arguments, *flags])
    return result.exit_code, result.output + str(result.exception or "")


def test_clients_never_wait_and_keep_their_version_while_others_come_and_are_promoted(
    served: Stack, tmp_path: Path
) -> None:
    other = another_model(tmp_path / "other", "2.0.0")
    first, second = read_package(DEFAULT_MODEL), read_package(other)
    asking = Asking(served, DEFAULT_MODEL)
    asking.start()
    code, said = tocsin(served, "push", str(other))
    assert code == 0, said
    _, listed = tocsin(served, "list")
    assert [line.split()[0] for line in listed.splitlines() if " served " in line] == [
        str(first.number),
        str(second.number),
    ]
    code, said = tocsin(served, "promote", "2.0.0")
    assert code == 0, said
    current = served.triton.models / MODEL_NAME / CURRENT
    following = Asking(served, current)
    assert following.inputs.model.hash == second.hash
    following.start()
    code, said = tocsin(served, "rollback")
    assert code == 0, said
    assert load_model(current)[0].model.hash == first.hash
    asked = len(asking.answers), len(following.answers)
    while len(asking.answers) < asked[0] + 3 or len(following.answers) < asked[1] + 3:
        assert asking.is_alive()
        assert following.is_alive()
    asking.ended()
    following.ended()


def test_a_model_that_the_server_cannot_load_is_refused_and_what_was_served_goes_on(
    served: Stack, tmp_path: Path
) -> None:
    broken = another_model(tmp_path / "broken", "9.0.0")
    (broken / "model.onnx").write_bytes(b"no network")
    restated(broken)
    _, before = tocsin(served, "list")
    asking = Asking(served, DEFAULT_MODEL)
    asking.start()
    code, said = tocsin(served, "push", str(broken))
    assert code != 0
    assert "does not load" in said
    asking.ended()
    assert tocsin(served, "list")[1] == before
