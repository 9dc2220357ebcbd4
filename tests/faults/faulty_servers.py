"""The real servers for the matrix: Triton with a model that answers at once and can be made to go wrong."""

import json
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from servers import real_servers

from models.repository import MODEL_NAME
from processors.normalise import normalise
from streams.demo.scenario import make_scenario
from streams.model_inputs import load_model
from streams.settings import DEFAULT_MODEL
from streams.stack.stack import Stack
from streams.stack.triton import Triton

MODEL: Final = Path(__file__).with_name("fault_model.py")
_OFTEN: Final = 5
_SHARE: Final = 0.9


class PollingTriton(Triton):
    """Loads whatever changes in its repository, while it runs."""

    control = ("--model-control-mode=poll", "--repository-poll-secs=1")


@contextmanager
def faulty_servers(logs: Path | None = None) -> Iterator[Stack]:
    """As `real_servers`, with the model of `fault_model`."""
    with real_servers(logs) as stack:
        triton = stack.triton
        stack.triton = PollingTriton(stack.folder, triton.ports, stack.say, triton.models)
        install(stack.triton.models)
        yield stack


def install(repository: Path) -> None:
    """Put the fault model in the place of the network, under the identity of the shipped model."""
    for version in (repository / MODEL_NAME).glob("*/model.py"):
        (version.parent / "negative.json").write_text(json.dumps(negative_tokens()))
        (version.parent / "model.onnx").unlink(missing_ok=True)
        shutil.copy(MODEL, version)


def go_wrong(stack: Stack, kind: str, **how: Any) -> None:
    """Make the model go wrong from its next answer on; an empty kind makes it right again."""
    target = stack.triton.models.parent / "fault.json"
    part = target.with_suffix(".part")
    part.write_text(json.dumps({"kind": kind, **how}))
    part.replace(target)


def swap(stack: Stack) -> None:
    """Put another version of the model into the repository, which the running server loads."""
    folder = stack.triton.models / MODEL_NAME
    [version] = (path.parent for path in folder.glob("*/model.py"))
    ready = shutil.copytree(version, stack.folder / "next")
    config = folder / "config.pbtxt"
    text = config.read_text()
    (stack.folder / "config.before").write_text(text)
    shipped = load_model(DEFAULT_MODEL)[0].model.hash
    other = text.replace(shipped, "0" * len(shipped))
    assert other != text
    # At once, or the server, which looks every second, would take one without the other.
    config.write_text(other)
    ready.rename(folder / str(int(version.name) + 1))


def swap_back(stack: Stack) -> None:
    """The shipped version again."""
    folder = stack.triton.models / MODEL_NAME
    newest = max(folder.glob("*/"), key=lambda path: int(path.name))
    (folder / "config.pbtxt").write_text((stack.folder / "config.before").read_text())
    shutil.rmtree(newest)


def negative_tokens() -> list[int]:
    """Tokens of the invented scenario that stand, nearly always, in what its authors meant to be negative."""
    scenario = make_scenario()
    inputs = load_model(DEFAULT_MODEL)[0]
    texts, meant = [], []
    for arrival in scenario.arrivals:
        try:
            content = json.loads(arrival.raw)
            label = scenario.truth.meant.get(f"{content['source']}/{content['id']}")
        except (ValueError, TypeError, KeyError, RecursionError):
            continue
        if label:
            texts.append(normalise(f"{content.get('title') or ''} {content.get('text') or ''}"))
            meant.append(label)
    every: Counter[int] = Counter()
    negative: Counter[int] = Counter()
    for encoding, label in zip(inputs.encode(texts), meant, strict=True):
        every.update(set(encoding.ids))
        if label == "negative":
            negative.update(set(encoding.ids))
    return sorted(token for token, count in negative.items() if count >= _OFTEN and count >= _SHARE * every[token])
