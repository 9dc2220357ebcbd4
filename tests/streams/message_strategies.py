"""Hypothesis strategies for every message type, made from the types and the limits stated on them."""

from collections.abc import Callable
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from annotated_types import Ge, MaxLen, MinLen
from hypothesis import strategies as st

from processors.messages import Document

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
NAME = st.text(
    st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"], exclude_characters="/"), min_size=1, max_size=30
)
INSTANTS = st.datetimes(datetime(1980, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))
INTEGERS = st.integers(-(2**63) + 1, 2**63 - 1)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | INTEGERS | FLOATS | TEXT,
    lambda children: st.lists(children, max_size=3) | st.dictionaries(TEXT, children, max_size=3),
    max_leaves=6,
)
_SCALARS: dict[Any, st.SearchStrategy[Any]] = {
    str: TEXT,
    int: INTEGERS,
    float: FLOATS,
    bool: st.booleans(),
    datetime: INSTANTS,
    NoneType: st.none(),
    Any: JSON_VALUES,
}


def messages(message_type: type, **given: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Messages of `message_type`; `given` replaces the strategy of single fields."""
    hints = get_type_hints(message_type, include_extras=True)
    parts = {f.name: _values(hints[f.name]) for f in fields(message_type)} | {"schema": st.just(1)} | given
    return st.builds(message_type, **{f.name: parts[f.name] for f in fields(message_type)})


def documents() -> st.SearchStrategy[Document]:
    """Documents that keep the input contract."""
    said = TEXT.filter(lambda text: bool(text.strip()))
    metadata = st.dictionaries(TEXT, JSON_VALUES, max_size=3)
    return messages(Document, id=NAME, source=NAME, text=said, metadata=metadata)


def _values(hint: Any) -> st.SearchStrategy[Any]:
    origin, arguments = get_origin(hint), get_args(hint)
    if is_dataclass(hint):
        return messages(hint)  # type: ignore[arg-type]
    if hint in _SCALARS:
        return _SCALARS[hint]
    if origin is Literal:
        return st.sampled_from(arguments)
    if origin in (UnionType, Union):
        return st.one_of(*map(_values, arguments))
    if origin is tuple:
        return st.lists(_values(arguments[0]), max_size=3).map(tuple)
    if origin is dict:
        return st.dictionaries(TEXT, _values(arguments[1]), max_size=3)
    if origin is Annotated:
        return _values(arguments[0]).filter(_keeps(arguments[1:]))
    raise TypeError(f"no strategy for {hint}")


def _keeps(limits: tuple[Any, ...]) -> Callable[[Any], bool]:
    def keeps(value: Any) -> bool:
        for limit in limits:
            match limit:
                case Ge(ge=least) if value < least:
                    return False
                case MinLen(min_length=least) if len(value) < least:
                    return False
                case MaxLen(max_length=most) if len(value) > most:
                    return False
        return True

    return keeps
