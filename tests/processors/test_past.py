"""Which models are the present ones, language by language."""

from collections.abc import Iterable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from processors.past import Era

COUNTS = st.dictionaries(
    st.sampled_from(["a/d", "b/d", "a/d/zh", "c/d/zh", "c/d/ja"]), st.integers(1, 9), min_size=1, max_size=5
)


def after(days: Iterable[dict[str, int]]) -> Era:
    era = Era()
    for documents in days:
        era.follow(documents)
    return era


def test_of_one_language_the_model_that_labelled_most_is_the_present_one() -> None:
    era = after([{"a/d": 5}, {"a/d": 5, "b/d": 4}])
    assert (era.model, era.epoch) == ("a/d", 1)
    era.follow({"a/d": 1, "b/d": 4})
    assert (era.model, era.epoch) == ("b/d", 2)
    assert era.knows("b/d")
    assert not era.knows("a/d")


def test_models_of_different_languages_are_present_side_by_side_however_many_texts_each_labels() -> None:
    era = after([{"a/d": 5}, {"a/d": 5, "c/d/zh": 9}, {"c/d/zh": 2}, {"a/d": 7}])
    assert era.knows("a/d")
    assert era.knows("c/d/zh")
    assert era.epoch == 1, "a language that is new makes the others no less comparable"


def test_another_model_for_one_language_begins_an_epoch_and_leaves_the_other_language_alone() -> None:
    era = after([{"a/d": 5, "c/d/zh": 9}, {"a/d": 5, "a/d/zh": 9}])
    assert (era.knows("a/d"), era.knows("a/d/zh"), era.knows("c/d/zh")) == (True, True, False)
    assert era.epoch == 2


@given(st.lists(COUNTS, min_size=1, max_size=8), st.randoms())
def test_each_language_has_one_model_whatever_the_order_of_the_counts(days: list[dict[str, int]], random: Any) -> None:
    era = after(days)
    assert era.model is not None
    languages = ["/".join(model.split("/")[2:]) for model in era.model.split()]
    assert len(languages) == len(set(languages))
    shuffled = [dict(random.sample(list(day.items()), len(day))) for day in days]
    assert after(shuffled) == era
    assert Era.unpack(era.pack()) == era
