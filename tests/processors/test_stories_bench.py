"""What finding stories costs, beside what one would write first: comparing each text with all that are remembered."""

import gzip
import json
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from story_documents import START, Stories, document

from processors.messages import DocumentSummary
from processors.signatures import packed, signature_of, similarities

pytestmark = [pytest.mark.bench, pytest.mark.data]
SOME = 6_000


def busy_days(data_dir: Path) -> list[DocumentSummary]:
    """6,000 tweets from 25 May 2014 on."""
    made = []
    with gzip.open(data_dir / "tweets-2014.jsonl.gz", "rt", encoding="utf-8") as lines:
        for line in lines:
            tweet = json.loads(line)
            if "2014-05-25" <= tweet["published_at"] and len(made) < SOME:
                hours = (
                    np.datetime64(tweet["published_at"][:-1]) - np.datetime64(START.replace(tzinfo=None))
                ) / np.timedelta64(1, "h")
                made.append(
                    document(
                        tweet["id"],
                        tweet["text"],
                        float(hours),
                        author=tweet["author"],
                        reach=tweet["reach"],
                        repost_of=tweet.get("repost_of"),
                    )
                )
    return made


def test_adding_a_document_is_cheaper_than_comparing_it_with_all(
    data_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    documents = busy_days(data_dir)
    tracemalloc.start()
    memory = Stories()
    for each in documents[:2000]:
        memory.add(each)
    kilobytes = tracemalloc.get_traced_memory()[0] / 1024 / 2
    tracemalloc.stop()

    memory, hour, times = Stories(), None, []
    for each in documents:
        started = time.process_time_ns()
        memory.add(each)
        if each.published_at.hour != hour:
            memory.expire(each.published_at)
            hour = each.published_at.hour
        times.append(time.process_time_ns() - started)
    add = sum(times) / len(times) / 1e3

    crowded = Stories()
    for each in documents[:-500]:
        crowded.add(each)
    started = time.process_time_ns()
    for each in documents[-500:]:
        crowded.add(each)
    among_all = (time.process_time_ns() - started) / 500 / 1e3
    rows = np.array([packed(each.signature) for each in documents])
    started = time.process_time_ns()
    for each in documents[-500:]:
        similarities(packed(each.signature), rows)
    compare = (time.process_time_ns() - started) / 500 / 1e3

    started = time.process_time_ns()
    for each in documents:
        signature_of(each.excerpt)
    sign = (time.process_time_ns() - started) / len(documents) / 1e3
    with capsys.disabled():
        print(
            f"\nsignature {sign:.0f} µs; add with expiry {add:.0f} µs (median {np.median(times) / 1e3:.0f}); with all "
            f"{SOME} remembered {among_all:.0f} µs, {compare / among_all:.1f} times faster than comparing with each "
            f"({compare:.0f} µs); {kilobytes:.0f} KB per 1,000 documents remembered"
        )
    assert len(memory) < SOME
