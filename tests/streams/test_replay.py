"""Replay: files in, everything that the services would publish out."""

import gzip
import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from processors.errors import ConfigurationError
from processors.messages import Document, Tick
from streams.observer import Watching
from streams.outputs import ALERTS, DEAD_LETTERS, DOCUMENTS, MENTIONS, SERIES, WIDE, OutputFolder, Summary
from streams.pipeline import Event, ModelLabeller
from streams.replay import make_pipeline, recorded_labeller, replay_documents, with_ticks
from streams.settings import Settings
from streams.testkit import WordClassifier

START = datetime(2020, 3, 2, 14, tzinfo=UTC)


def document(number: int, text: str, *, minutes: float | None = None, **more: Any) -> Document:
    published_at = START + timedelta(minutes=number if minutes is None else minutes)
    return Document(
        id=str(number), source="feed", kind="social", published_at=published_at, text=text, author=f"a{number}", **more
    )


def replayed(documents: Iterable[Document], folder: Path) -> Summary:
    summary = Summary()
    with OutputFolder(folder) as files:
        pipeline = make_pipeline(Settings(), ModelLabeller(WordClassifier()), Watching(files, summary))
        pipeline.run(with_ticks(documents))
    return summary


def lines(path: Path) -> list[dict[str, Any]]:
    content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return [json.loads(line) for line in content.splitlines()]


def test_each_document_is_labelled_linked_and_counted_once(tmp_path: Path) -> None:
    summary = replayed(
        [
            document(1, "$AAPL falls on weak phone sales"),
            document(2, "Good morning everyone"),
            document(1, "$AAPL the same identity again", minutes=3),
        ],
        tmp_path,
    )

    assert [d["identity"] for d in lines(tmp_path / DOCUMENTS)] == ["feed/1", "feed/2"]
    assert [m["company"] for m in lines(tmp_path / MENTIONS)] == ["AAPL"]
    assert [w["companies"] for w in lines(tmp_path / WIDE)] == [["AAPL"], []]
    assert (summary.documents_read, summary.duplicate, summary.mention_count) == (2, 1, 1)
    assert summary.sentiment == Counter(negative=1, neutral=1)


def test_a_text_in_a_language_without_a_model_is_indexed_unlabelled_and_feeds_no_series(tmp_path: Path) -> None:
    summary = replayed([document(1, "苹果公司股价今天大幅下跌,投资者纷纷抛售 $AAPL")], tmp_path)

    [indexed] = lines(tmp_path / DOCUMENTS)
    assert (indexed["status"], indexed["language"], indexed["sentiment"]) == ("unlabelled", "zh", None)
    assert lines(tmp_path / MENTIONS) == lines(tmp_path / WIDE) == []
    assert summary.status == Counter(unlabelled=1)


def test_a_document_older_than_the_lateness_allowance_is_indexed_as_late(tmp_path: Path) -> None:
    events: list[Event] = [
        Tick(START),
        document(1, "$AAPL falls", minutes=-60 * 23),
        document(2, "$AAPL falls", minutes=-60 * 25),
    ]
    summary = Summary()
    with OutputFolder(tmp_path) as files:
        make_pipeline(Settings(), ModelLabeller(WordClassifier()), Watching(files, summary)).run(events)

    assert [d["late"] for d in lines(tmp_path / DOCUMENTS)] == [False, True]
    assert [m["document"]["late"] for m in lines(tmp_path / MENTIONS)] == [False, True]


def test_ticks_come_before_the_first_document_of_each_interval_and_never_go_back() -> None:
    documents = [document(n, "x", minutes=m) for n, m in enumerate((0.01, 0.02, 0.2, 0.21, 5))]

    ticks = [event.at - START for event in with_ticks(documents) if isinstance(event, Tick)]

    assert ticks == [timedelta(seconds=s) for s in (0, 10, 300)]


def test_ticks_that_nothing_stands_between_change_nothing(tmp_path: Path) -> None:
    documents = sorted(scenario(24 * 20), key=lambda d: d.published_at)
    every_half_hour: list[Event] = []
    now = START
    for event in with_ticks(documents):
        while isinstance(event, Tick) and now < event.at:
            every_half_hour.append(Tick(now))
            now += timedelta(minutes=30)
        every_half_hour.append(event)
    for events, folder in ((with_ticks(documents), tmp_path / "sparse"), (every_half_hour, tmp_path / "dense")):
        with OutputFolder(folder) as files:
            make_pipeline(Settings(), ModelLabeller(WordClassifier()), files).run(events)

    for name in (ALERTS, SERIES):
        assert (tmp_path / "sparse" / name).read_bytes() == (tmp_path / "dense" / name).read_bytes()


def write(path: Path, documents: Iterable[Document], *broken: bytes) -> Path:
    rows = [
        json.dumps(
            {
                "id": d.id,
                "source": d.source,
                "kind": d.kind,
                "published_at": d.published_at.isoformat(),
                "text": d.text,
                "author": d.author,
            }
        ).encode()
        for d in documents
    ]
    half = len(rows) // 2
    path.write_bytes(b"\n".join([*rows[:half], *broken, *rows[half:]]) + b"\n")
    return path


def scenario(hours: int = 24 * 30) -> list[Document]:
    calm = [document(n, f"$AAPL note {n} about shop number {n * 7919}", minutes=60 * n) for n in range(hours)]
    storm = [
        document(hours + n, f"$AAPL falls: {word} says reporter {n * 104729}", minutes=60 * (hours - 3) + n * 5)
        for n, word in enumerate(["recall", "lawsuit", "fire", "probe", "strike", "leak", "theft", "crash"] * 3)
    ]
    return calm + storm


def test_the_same_files_twice_give_the_same_bytes_whatever_their_order(tmp_path: Path) -> None:
    documents = scenario()
    once = write(tmp_path / "all.jsonl", documents)
    first, second = write(tmp_path / "b.jsonl", documents[::2]), write(tmp_path / "a.jsonl", documents[1::2])
    labeller = ModelLabeller(WordClassifier())

    replay_documents([once], tmp_path / "1", Settings(), labeller, now=START + timedelta(days=365))
    replay_documents([first, second], tmp_path / "2", Settings(), labeller, now=START + timedelta(days=365))

    for name in (ALERTS, DOCUMENTS, MENTIONS, SERIES, WIDE, DEAD_LETTERS):
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes()
    assert lines(tmp_path / "1" / ALERTS), "a storm of negative texts rings"


def test_what_is_learnt_from_in_silence_rings_nothing_and_changes_no_count(tmp_path: Path) -> None:
    source, now = write(tmp_path / "all.jsonl", scenario()), START + timedelta(days=365)
    labeller = ModelLabeller(WordClassifier())
    replay_documents([source], tmp_path / "1", Settings(), labeller, now=now)
    replay_documents([source], tmp_path / "2", Settings(), labeller, now=now, silent_until=START + timedelta(days=31))
    assert lines(tmp_path / "1" / ALERTS) and not lines(tmp_path / "2" / ALERTS)
    for name in (DOCUMENTS, MENTIONS, SERIES, WIDE):
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes()


def test_recorded_classifications_give_the_same_alerts_without_a_model(tmp_path: Path) -> None:
    source = write(tmp_path / "all.jsonl", scenario())
    now = START + timedelta(days=365)
    replay_documents([source], tmp_path / "1", Settings(), ModelLabeller(WordClassifier()), now=now)

    replay_documents([source], tmp_path / "2", Settings(), recorded_labeller(tmp_path / "1" / DOCUMENTS), now=now)

    for name in (ALERTS, DOCUMENTS, MENTIONS, SERIES, WIDE):
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes()


def test_only_the_company_that_a_text_speaks_ill_of_rings_and_it_shows_what_is_said_of_it(tmp_path: Path) -> None:
    documents = [replace(each, text=f"{each.text}; $BA has a record {each.id}") for each in scenario()]
    source, now = write(tmp_path / "all.jsonl", documents), START + timedelta(days=365)
    replay_documents([source], tmp_path / "1", Settings(), ModelLabeller(WordClassifier()), now=now)

    surges = [alert for alert in lines(tmp_path / "1" / ALERTS) if alert["kind"] != "no-data"]
    rang = {alert["series"] for alert in surges if alert["series_kind"].startswith("company")}
    assert rang == {"company:AAPL"}
    assert {shown["p_negative"] for alert in surges for shown in alert["evidence"]} == {0.9}
    [indexed] = [one for one in lines(tmp_path / "1" / DOCUMENTS) if one["identity"] == "feed/720"]
    said = {link["company"]: link["sentiment"]["label"] for link in indexed["companies"]}
    assert said == {"AAPL": "negative", "BA": "positive"}

    replay_documents([source], tmp_path / "2", Settings(), recorded_labeller(tmp_path / "1" / DOCUMENTS), now=now)
    for name in (ALERTS, DOCUMENTS, MENTIONS, SERIES, WIDE):
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes()


def test_a_document_that_no_earlier_run_classified_is_named(tmp_path: Path) -> None:
    now = START + timedelta(days=365)
    documents = scenario(10)
    part, whole = write(tmp_path / "part.jsonl", documents[:-1]), write(tmp_path / "whole.jsonl", documents)
    replay_documents([part], tmp_path / "1", Settings(), ModelLabeller(WordClassifier()), now=now)

    with pytest.raises(ConfigurationError, match=f"{documents[-1].identity}: replay once without"):
        replay_documents([whole], tmp_path / "2", Settings(), recorded_labeller(tmp_path / "1" / DOCUMENTS), now=now)


def test_every_line_of_the_input_ends_in_exactly_one_place(tmp_path: Path) -> None:
    documents = scenario(40)
    source = write(tmp_path / "in.jsonl", [*documents, *documents[:5]], b"{", b"null", b'{"id": 1}', b"\xff")

    summary = replay_documents(
        [source], tmp_path / "out", Settings(), ModelLabeller(WordClassifier()), now=START + timedelta(days=365)
    )

    assert summary.documents_read == len(lines(tmp_path / "out" / DOCUMENTS)) == len(documents)
    assert summary.duplicate == 5
    assert summary.refused == len(lines(tmp_path / "out" / DEAD_LETTERS)) == 4


def test_documents_from_the_future_are_refused_before_they_move_the_clock(tmp_path: Path) -> None:
    source = write(tmp_path / "in.jsonl", [document(1, "$AAPL"), document(2, "$AAPL", minutes=60 * 24 * 365)])

    summary = replay_documents(
        [source], tmp_path / "out", Settings(), ModelLabeller(WordClassifier()), now=START + timedelta(days=1)
    )

    assert summary.dead_letter_reasons == Counter({"future-timestamp": 1})
    assert summary.last == START + timedelta(minutes=1)


def test_a_document_at_the_limit_of_the_input_can_be_read_back(tmp_path: Path) -> None:
    large = document(1, "word " * 209_000)
    replayed([large], tmp_path)

    recorded_labeller(tmp_path / DOCUMENTS)


def test_an_out_that_is_a_file_or_lies_in_one_is_refused_with_the_mend(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for out in (tmp_path / "file", tmp_path / "file" / "folder"):
        with pytest.raises(ConfigurationError, match="cannot write to .*--out"):
            replayed([], out)
    assert (tmp_path / "file").read_text() == "x"


def test_a_run_that_fails_leaves_the_former_results_as_they_were(tmp_path: Path) -> None:
    replayed(scenario(5), tmp_path)
    former = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def broken_off() -> Iterable[Document]:
        yield document(1, "$AAPL falls")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        replayed(broken_off(), tmp_path)

    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == former
    replayed([], tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == set(former)
    assert lines(tmp_path / DOCUMENTS) == []


def test_damaged_classifications_are_named(tmp_path: Path) -> None:
    replayed(scenario(50), tmp_path)
    path = tmp_path / DOCUMENTS
    content = path.read_bytes()
    damaged = (content[: len(content) // 2], content[:400] + b"\x00" * 20 + content[420:], b"no gzip")
    for broken in damaged:
        path.write_bytes(broken)
        with pytest.raises(ConfigurationError, match=DOCUMENTS):
            recorded_labeller(path)
