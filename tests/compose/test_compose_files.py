"""Reading the deployment's files as their tools do."""

import pytest
from compose_files import interpolated, variables


def test_a_variable_takes_its_value_then_its_default() -> None:
    assert interpolated("a ${ONE} ${TWO:-2} ${THREE:-3}", {"ONE": "1", "TWO": "two"}) == "a 1 two 3"
    assert interpolated("${EMPTY:-default}", {"EMPTY": ""}) == "default"


def test_a_variable_that_has_to_be_set_is_refused_without_a_value() -> None:
    assert list(variables("${ONE:?} x ${TWO}")) == [("ONE", ":?"), ("TWO", "")]
    with pytest.raises(ValueError, match="ONE has to be set"):
        interpolated("${ONE:?}", {"ONE": ""})
