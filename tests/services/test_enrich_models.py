"""Models of two languages behind one real Triton: each text is labelled by its own, and one that is not served is told."""

import asyncio
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from models.onnx_model import DEFAULT_MODEL
from models.repository import write_repository
from processors.enrichment import Classification, Enricher
from processors.errors import ConfigurationError
from processors.messages import Document
from streams.classifier import embedded_classifiers
from streams.pipeline import ModelLabeller
from streams.service_settings import ServiceSettings, TritonSettings
from streams.services.enrich_models import TritonModels, load_inputs
from streams.services.resilience import Breaker
from streams.settings import ClassifierSettings, Settings, load_master
from streams.stack.ports import Ports
from streams.stack.stack import Stack

sys.path.append(str(Path(__file__).parent.parent / "models"))
from another_model import another_model

NOON = datetime(2024, 5, 6, 12, tzinfo=UTC)
TEXTS = (
    "Acme sinks after its auditor resigns",
    "苹果公司股价今天大幅下跌",
    "La acción de Apple cae después de un trimestre débil",
)


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> ClassifierSettings:
    folder = tmp_path_factory.mktemp("model") / "zh"
    return ClassifierSettings(threads=1, others=(another_model(folder, "2.0.0", languages=["zh"]),))


@pytest.fixture(scope="module")
def stack(settings: ClassifierSettings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("triton")
    write_repository(folder / "models", DEFAULT_MODEL, "python", "cpu", others=settings.others, threads=1)
    with Stack(folder / "stack", Ports.picked(), models=folder / "models") as stack:
        stack.up({"triton"})
        yield stack


def ask(stack: Stack, settings: ClassifierSettings) -> list[object]:
    inputs = load_inputs(settings)
    models = [each.model for each in inputs]
    enricher = Enricher(load_master(Settings()), models, "0" * 16, timedelta(hours=24))
    prepared = [
        enricher.prepare(Document(str(n), "wire", "news", NOON, text=text), NOON) for n, text in enumerate(TEXTS)
    ]

    async def within() -> list[object]:
        asked = TritonModels(TritonSettings(stack.triton.address), ServiceSettings(), inputs, Breaker(), lambda _: None)
        try:
            await asked.check()
            return list(await asked.label(prepared))
        finally:
            await asked.close()

    found = asyncio.run(within())
    first, *others = embedded_classifiers(settings)
    for answer, same in zip(found, ModelLabeller(first, tuple(others)).label(prepared), strict=True):
        if same is None:
            assert answer is None
        else:
            assert isinstance(answer, Classification)
            assert answer.sentiment.label == same.sentiment.label
            assert answer.sentiment.negative == pytest.approx(same.sentiment.negative, abs=1e-3)
    return found


def test_each_text_is_labelled_by_the_model_of_its_language_as_without_a_server(
    stack: Stack, settings: ClassifierSettings
) -> None:
    english, chinese, spanish = ask(stack, settings)
    assert english is not None
    assert chinese is not None
    assert spanish is None


def test_a_model_of_another_language_that_is_not_the_one_served_is_told(
    stack: Stack, settings: ClassifierSettings, tmp_path: Path
) -> None:
    other = another_model(tmp_path / "zh", "3.0.0", languages=["zh"])
    with pytest.raises(ConfigurationError, match=r"serves tocsin-bge-small 2\.0\.0 .* as 'tocsin-zh'"):
        ask(stack, ClassifierSettings(threads=1, others=(other,)))
