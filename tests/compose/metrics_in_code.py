"""Which metrics the services declare, read from their source, as Prometheus names them."""

import ast
from collections.abc import Iterator, Mapping
from functools import cache

from compose_files import ROOT

_SUFFIXES: Mapping[str, tuple[str, ...]] = {
    "Counter": ("_total", "_created"),
    "Gauge": ("",),
    "Histogram": ("_bucket", "_count", "_sum", "_created"),
    "Summary": ("_count", "_sum", "_created"),
    "Info": ("_info",),
    "Enum": ("",),
}

_STATED = frozenset({"name", "version", "hash"})
"""What an Info states, as labels."""

PROCESS = {"process_resident_memory_bytes", "process_cpu_seconds_total", "process_start_time_seconds"}
"""Of every process, by prometheus_client's own collector."""


@cache
def declared() -> Mapping[str, frozenset[str]]:
    """Every time series of our services, with the labels that it may carry."""
    found: dict[str, frozenset[str]] = {}
    for path in sorted((ROOT / "streams").rglob("*.py")):
        for kind, name, labels in _declarations(ast.parse(path.read_text())):
            extra = {"Histogram": {"le"}, "Enum": {name}}.get(kind, set())
            for suffix in _SUFFIXES[kind]:
                found[name + suffix] = found.get(name + suffix, frozenset()) | labels | extra
    return found


def _declarations(tree: ast.AST) -> Iterator[tuple[str, str, frozenset[str]]]:
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _SUFFIXES):
            continue
        match node.args:
            case [ast.Constant(value=str(name)), _, ast.List(elts=elements), *_] if name.startswith("tocsin_"):
                labels = frozenset(str(element.value) for element in elements if isinstance(element, ast.Constant))
                yield node.func.id, name, labels | (_STATED if node.func.id == "Info" else frozenset())
            case [ast.Constant(value=str(name)), *_] if name.startswith("tocsin_"):
                yield node.func.id, name, _STATED if node.func.id == "Info" else frozenset()
