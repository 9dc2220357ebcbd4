"""A small share of `make fuzz` in every run of the tests, and proof that the fuzzer tells what it is there to tell."""

import importlib.util
import random
from pathlib import Path

import pytest

from tests.fuzz.fuzzing import fuzz
from tests.fuzz.planted import PLANTED
from tests.fuzz.targets import TARGETS

INPUTS = 1000


def damaged(chance: random.Random, seeds: tuple[bytes, ...], tokens: tuple[bytes, ...]) -> bytes:
    """A seed with some pieces cut out, doubled, moved in from another one, or replaced by tokens or noise."""
    raw = bytearray(chance.choice(seeds))
    for _ in range(chance.randint(1, 6)):
        start = chance.randint(0, len(raw))
        end = min(len(raw), start + chance.choice((0, 0, 1, 2, 8, 40)))
        other = chance.choice(seeds)
        at = chance.randint(0, len(other))
        raw[start:end] = chance.choice(
            (chance.choice(tokens), chance.randbytes(chance.randint(1, 4)), other[at : at + 40], raw[start:end] * 3)
        )
    return bytes(raw)


@pytest.mark.parametrize("name", TARGETS)
def test_damaged_inputs_end_in_the_ways_that_are_promised(name: str) -> None:
    target, chance = TARGETS[name], random.Random(name)
    for raw in target.seeds:
        target.run(raw)
    for _ in range(round(INPUTS * target.weight)):
        raw = damaged(chance, target.seeds, target.tokens)
        try:
            target.run(raw)
        except BaseException as error:
            raise AssertionError(f"{name} fails on {raw!r}") from error


@pytest.mark.skipif(importlib.util.find_spec("atheris") is None, reason="`make fuzz` installs the fuzzer")
@pytest.mark.parametrize(
    ("name", "told"), [("crash", "planted"), ("hang", "timeout after"), ("growth", "out-of-memory")]
)
def test_a_planted_fault_is_found_and_its_input_kept(name: str, told: str, tmp_path: Path) -> None:
    result = fuzz(name, PLANTED[name], 200_000, 1, tmp_path, seconds_each=2)
    assert told in result.finding
    (kept,) = tmp_path.iterdir()
    assert name == "growth" or kept.read_bytes()[:2] == b"{{"
