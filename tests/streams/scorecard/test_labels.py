from collections.abc import Sequence
from pathlib import Path

from processors.enrichment import Classification, ModelIdentity, Span
from processors.messages import Topic
from streams.scorecard.labels import KeptLabels
from tests.streams.scorecard.made import PROBABILITIES


class Counting:
    """A classifier that notes what it is asked."""

    def __init__(self, model: str) -> None:
        self.model = ModelIdentity("counting", "1", model, frozenset({"en"}))
        self.asked: list[str] = []

    def classify(self, texts: Sequence[str], names: Sequence[Sequence[Span]] = ()) -> list[Classification]:
        self.asked += texts
        topic = Topic("macro", 0.25)
        return [
            Classification(PROBABILITIES["negative"], topic, (PROBABILITIES["positive"], None)[: len(spans)])
            for spans in names or [()] * len(texts)
        ]


def kept(path: Path, classifier: Counting) -> KeptLabels:
    return KeptLabels(path, classifier, lambda done, total: None)


def test_no_text_is_read_twice_not_even_by_a_later_run(tmp_path: Path) -> None:
    path, classifier = tmp_path / "labels.jsonl", Counting("aa")
    first = kept(path, classifier).classify(["one", "two", "one"])
    assert classifier.asked == ["one", "two"]
    assert kept(path, classifier).classify(["two", "three", "one"]) == first
    assert classifier.asked == ["one", "two", "three"]


def test_another_models_labels_are_not_taken(tmp_path: Path) -> None:
    path, other = tmp_path / "labels.jsonl", Counting("bb")
    kept(path, Counting("aa")).classify(["one"])
    kept(path, other).classify(["one"])
    assert other.asked == ["one"]


def test_what_was_said_of_names_is_kept_with_where_they_stand(tmp_path: Path) -> None:
    path, classifier = tmp_path / "labels.jsonl", Counting("aa")
    first = kept(path, classifier).classify(["one or two"] * 2, [((0, 3), (7, 10)), ()])
    assert [answer.names for answer in first] == [(PROBABILITIES["positive"], None), ()]
    assert kept(path, classifier).classify(["one or two"], [((0, 3), (7, 10))]) == first[:1]
    assert len(classifier.asked) == 2
