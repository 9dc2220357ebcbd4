"""Every regular expression of the source, found by reading it, and texts made to drive each into backtracking.

The texts follow the pattern's own parse tree: for every repetition in it, what may stand before it, then what it repeats,
over and over, then something that no match ends with. Backtracking that is not linear shows on these: nested
quantifiers, neighbours that read the same, and searches that begin again at every place.
"""

import ast
import builtins
import gc
import importlib
import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import process_time
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[2]
CALLS: Final = frozenset(["compile", "match", "fullmatch", "search", "sub", "subn", "split", "findall", "finditer"])
ANCHORED: Final = frozenset(["match", "fullmatch"])
"""These begin at one place; all others try every place."""

SHORT: Final = 2 * 2**10
LONG: Final = 8 * SHORT
MOST_TIMES: Final = 20.0
"""Eight times as long may take so many times as long: what is linear takes 8 times, what is squared 64."""

SECONDS_AT_ONCE: Final = 100e-6
SECONDS_A_CHARACTER: Final = 5e-6
"""What a match may take on texts up to the short one: that tells of what is exponential while it still ends."""

_PROBES: Final = "aZ7_ \n\t$&<>;.,:-/'\"=\x00é证́"
_TAILS: Final = ("", "\x00!")
_SAMPLES: Final = 3


@dataclass(frozen=True, slots=True)
class Found:
    """A pattern and where it stands; `is_anchored` where nobody searches with it."""

    where: str
    pattern: re.Pattern[Any]
    is_anchored: bool

    def exhaust(self, text: str) -> None:
        """Match as the source does, or worse: search to the end of the text."""
        content: Any = text.encode() if isinstance(self.pattern.pattern, bytes) else text
        if self.is_anchored:
            self.pattern.match(content)
        else:
            for _ in self.pattern.finditer(content):
                pass


def patterns(folders: Sequence[str]) -> list[Found]:
    """All patterns in the Python files of `folders`."""
    files = [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]
    sources = {path: path.read_text() for path in files}
    everything = "\n".join(sources.values())
    return [found for path, source in sources.items() for found in _in_file(path, source, everything)]


def hostile_texts(pattern: re.Pattern[Any], chance: random.Random) -> Iterator[Callable[[int], str]]:
    """What makes a text of about so many characters, one for each way to attack `pattern`."""
    text = pattern.pattern.decode("latin-1") if isinstance(pattern.pattern, bytes) else pattern.pattern
    seen: set[tuple[str, str]] = set()
    for _ in range(_SAMPLES):
        tree = re._parser.parse(text, pattern.flags)  # type: ignore[attr-defined]
        for before, repeated in _repetitions(list(tree), "", chance):
            # From each of many beginnings a search may read on to the end: hence also the two together.
            for start, body in (("", repeated), (before, repeated), ("", before + repeated)):
                if body and (start, body) not in seen:
                    seen.add((start, body))
                    yield from (_pumped(start, body, tail) for tail in _TAILS)
        whole = _sample(list(tree), chance)
        if whole and ("", whole) not in seen:
            seen.add(("", whole))
            yield from (_pumped("", whole, tail) for tail in _TAILS)


def slow_at(action: Callable[[str], object], make: Callable[[int], str]) -> int | None:
    """The length at which `action` takes more than time in proportion on the texts of `make`; None where it does not.

    Lengths begin small and double, so that even what is exponential is told of soon.
    """
    length = 12
    while length <= SHORT:
        text = make(length)
        if _seconds(action, text, SECONDS_AT_ONCE + SECONDS_A_CHARACTER * len(text)) is None:
            return length
        length = length + 6 if length < 32 else 2 * length
    short = _seconds(action, make(SHORT)) or 0.0
    return LONG if _seconds(action, make(LONG), max(MOST_TIMES * short, 1e-3)) is None else None


def _seconds(action: Callable[[str], object], text: str, allowed: float = 0.0) -> float | None:
    """Processor time, the least of up to five; None where it is never within what is allowed, where anything is."""
    least = float("inf")
    gc.disable()  # it looks through whatever else there is
    try:
        for number in range(5):
            began = process_time()
            action(text)
            least = min(least, process_time() - began)
            if allowed and least <= allowed:
                return least
            if allowed and number and least > 2 * allowed:
                return None
    finally:
        gc.enable()
    return None if allowed else least


def _pumped(before: str, body: str, tail: str) -> Callable[[int], str]:
    return lambda length: before + body * max(1, length // len(body)) + tail


class _Namespace(dict[str, Any]):
    """Names of a module; whatever is only known when it runs is a word."""

    def __missing__(self, name: str) -> Any:
        return getattr(builtins, name, "word")


def _in_file(path: Path, source: str, everything: str) -> Iterator[Found]:
    tree = ast.parse(source)
    names = {
        (node.value.lineno, node.value.col_offset): target.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Name)
    }
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and _called(node) in CALLS]
    if not calls:
        return
    space = _Namespace(vars(importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))))
    for node in calls:
        called = _called(node)
        flags = next((keyword.value for keyword in node.keywords if keyword.arg == "flags"), None)
        if called == "compile" and len(node.args) > 1:
            flags = node.args[1]
        pattern = re.compile(_evaluated(node.args[0], space), _evaluated(flags, space) if flags is not None else 0)
        used = {called}
        if called == "compile":
            name = names.get((node.lineno, node.col_offset))
            used = set(re.findall(rf"\b{re.escape(name)}\.(\w+)\(", everything)) & CALLS if name else set()
        yield Found(f"{path.relative_to(ROOT)}:{node.lineno}", pattern, bool(used) and used <= ANCHORED)


def _called(node: ast.Call) -> str:
    """Which function of `re` is called; empty where it is none."""
    match node.func:
        case ast.Attribute(value=ast.Name(id="re"), attr=name) if node.args:
            return name
        case _:
            return ""


def _evaluated(expression: ast.expr, space: _Namespace) -> Any:
    return eval(compile(ast.Expression(expression), "pattern", "eval"), {}, space)


def _repetitions(items: Sequence[Any], before: str, chance: random.Random) -> Iterator[tuple[str, str]]:
    """For each repetition, at any depth: a text that leads up to it, and one of what it repeats."""
    for operation, argument in items:
        name = str(operation)
        if name.endswith("_REPEAT"):
            body = list(argument[2])
            yield before, _sample(body, chance)
            yield from _repetitions(body, before, chance)
        else:
            for branch in _branches(name, argument):
                yield from _repetitions(branch, before, chance)
        before += _sample([(operation, argument)], chance)


def _branches(name: str, argument: Any) -> list[list[Any]]:
    match name:
        case "SUBPATTERN":
            return [list(argument[3])]
        case "BRANCH":
            return [list(branch) for branch in argument[1]]
        case "ATOMIC_GROUP":
            return [list(argument)]
        case "ASSERT":
            return [list(argument[1])]
        case _:
            return []


def _sample(items: Sequence[Any], chance: random.Random) -> str:
    """A text that the items might match; assertions are taken for granted."""
    parts = []
    for operation, argument in items:
        name = str(operation)
        if name.endswith("_REPEAT"):
            count = max(int(argument[0]), chance.choice((0, 1, 2)))
            parts.append("".join(_sample(list(argument[2]), chance) for _ in range(min(count, 40, int(argument[1])))))
        elif name == "LITERAL":
            parts.append(chr(argument))
        elif name in ("IN", "NOT_LITERAL", "ANY"):
            fitting = [probe for probe in _PROBES + _edges(argument) if _fits(name, argument, probe)]
            parts.append(chance.choice(fitting) if fitting else "")
        elif name not in ("ASSERT", "ASSERT_NOT", "AT") and (branches := _branches(name, argument)):
            parts.append(_sample(chance.choice(branches), chance))
    return "".join(parts)


def _edges(argument: Any) -> str:
    """The characters that a set names."""
    if not isinstance(argument, list):
        return ""
    named = ""
    for kind, value in argument:
        if str(kind) == "LITERAL":
            named += chr(value)
        elif str(kind) == "RANGE":
            named += chr(value[0]) + chr(value[1])
    return named


def _fits(name: str, argument: Any, character: str) -> bool:
    if name == "ANY":
        return character != "\n"
    if name == "NOT_LITERAL":
        return character != chr(argument)
    negated = bool(argument) and str(argument[0][0]) == "NEGATE"
    inside = any(_in_class(str(kind), value, character) for kind, value in argument[negated:])
    return inside != negated


def _in_class(kind: str, value: Any, character: str) -> bool:
    match kind:
        case "LITERAL":
            return character == chr(value)
        case "RANGE":
            return bool(value[0] <= ord(character) <= value[1])
        case "CATEGORY":
            letter = str(value).removeprefix("CATEGORY_")
            short = {"DIGIT": r"\d", "SPACE": r"\s", "WORD": r"\w"}[letter.removeprefix("NOT_")]
            return bool(re.match(short, character)) != letter.startswith("NOT_")
        case _:
            return False
