import gzip
import json
from datetime import timedelta
from pathlib import Path

from processors.detection import DetectorSettings
from streams.pipeline import ModelLabeller
from streams.scorecard.background import TWEETS, live_days, mentions_of, novel_stories
from streams.settings import Settings
from streams.testkit import WordClassifier
from tests.streams.scorecard.made import day, mention, words

TEXTS = ["$AAPL and $KO fall", "nothing of note", "$AAPL rises", "$AAPL rises"]


def test_the_background_is_in_order_of_time_and_without_duplicates(tmp_path: Path) -> None:
    lines = [
        {
            "id": str(place % 3),
            "source": "twitter",
            "kind": "social",
            "published_at": f"2014-03-0{9 - place}T12:00:00Z",
            "text": text,
            "language": "en",
        }
        for place, text in enumerate(TEXTS)
    ]
    with gzip.open(tmp_path / TWEETS, "wt", encoding="utf-8") as file:
        file.writelines(json.dumps(line) + "\n" for line in lines)
    told: list[tuple[int, int]] = []
    mentions = mentions_of(tmp_path, Settings(), ModelLabeller(WordClassifier()), lambda *done: told.append(done))
    assert [(m.company, m.document.published_at.day) for m in mentions] == [("AAPL", 6), ("AAPL", 7)]
    assert told[-1] == (4, 4)


def test_copies_and_lists_of_cashtags_are_no_novel_stories() -> None:
    mentions = [
        mention("first", day(1), "A", "negative", words("one")),
        mention("copy", day(1) + timedelta(hours=1), "A", "negative", words("one")),
        mention("list", day(1) + timedelta(hours=2), "A", "negative", companies=9),
        mention("other", day(2), "A"),
        mention("elsewhere", day(2), "B", "negative", words("one")),
    ]
    stories = novel_stories(mentions, DetectorSettings())
    assert [(story.author, story.negative) for story in stories["A"]] == [("first", True), ("other", False)]
    assert [story.author for story in stories["B"]] == ["elsewhere"]
    assert len(live_days(mentions)) == 2
