"""Dead letters are found, shown safely, and sent again exactly as they were."""

import json
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from processors.errors import ConfigurationError, PoisonError
from processors.identity import partition_of
from processors.messages import DeadLetter, Origin
from streams import cli, letters
from streams.codec import encode
from streams.deadletters import KEPT_BYTES, dead_letter
from streams.letters import read_letters
from streams.stack.kafka import Kafka
from tests.services.kafka_client import Prefix, new_prefix

GOOD = b'{"id": "7", "source": "wire", "published_at": "2024-05-06T12:00:00Z", "text": "x"}'
DOCUMENT = json.dumps(
    {"id": "7", "source": "wire", "kind": "news", "published_at": "2024-05-06T12:00:00Z", "text": "x", "new": 1}
).encode()


def letter(prefix: Prefix, original: bytes, reason: str = "unknown-field", **origin: Any) -> DeadLetter:
    """A record of partition 1 of news that was refused."""
    where = {"place": prefix.name("news"), "partition": 1, "offset": 5} | origin
    return dead_letter("enrich", PoisonError(reason, "field new is not known"), Origin(**where), original)


def write(prefix: Prefix, *letters: DeadLetter) -> None:
    for one in letters:
        prefix.send("deadletters", encode(one), key=one.id.encode())


def run(prefix: Prefix, *arguments: str) -> Result:
    return CliRunner().invoke(cli.app, ["deadletters", *arguments, *prefix.arguments])


def test_letters_are_listed_once_by_reason_and_shown_by_the_beginning_of_their_id(kafka: Kafka) -> None:
    prefix = new_prefix(kafka)
    assert run(prefix, "list").stdout == "No dead letters.\n"
    unknown, broken = letter(prefix, DOCUMENT), letter(prefix, b"{", "invalid-json", offset=6)
    write(prefix, unknown, broken, unknown)
    prefix.send("deadletters", b"no letter")
    listed = [json.loads(line) for line in run(prefix, "list", "--json").stdout.splitlines()]
    assert [one["id"] for one in listed] == [unknown.id, broken.id]
    assert "invalid-json" in run(prefix, "list").stdout
    assert "invalid-json" not in run(prefix, "list", "--reason", "unknown-field").stdout
    shown = run(prefix, "show", broken.id[5:12]).stdout
    assert broken.id in shown
    assert "invalid-json at enrich" in shown
    nothing = run(prefix, "show", "ffff")
    assert isinstance(nothing.exception, ConfigurationError)


def test_hostile_originals_are_shown_as_text(kafka: Kafka) -> None:
    prefix = new_prefix(kafka)
    hostile = "\x1b]0;title\x07\u202eevil [red]x[/red]\n\xa0second".encode() + b"\xff\x9b"
    write(prefix, letter(prefix, hostile, "\x1b[2Jreason"))
    for output in (run(prefix, "list").stdout, run(prefix, "show", "dead-").stdout):
        assert not {"\x1b", "\x07", "\u202e", "\x9b"} & set(output)
    shown = run(prefix, "show", "dead-").stdout
    assert "evil [red]x[/red]" in shown
    assert "second\\xff\\x9b" in shown


def test_replay_sends_the_original_bytes_to_the_topic_they_came_from_and_records_it(kafka: Kafka) -> None:
    prefix = new_prefix(kafka)
    mended, broken = letter(prefix, DOCUMENT.replace(b', "new": 1', b"")), letter(prefix, b"{", offset=6)
    write(prefix, mended, broken)
    done = run(prefix, "replay", "--reason", "unknown-field")
    assert done.exit_code == 0, done.output
    assert "2 of 2 sent again" in done.stdout
    records = [record for records in prefix.records("news").values() for record in records]
    sent = {record.value: record for record in records}
    assert set(sent) == {b"{", DOCUMENT.replace(b', "new": 1', b"")}
    assert sent[b"{"].partition == 1
    document = sent[DOCUMENT.replace(b', "new": 1', b"")]
    assert (document.partition, document.key) == (partition_of("wire/7", 2), b"wire/7")
    assert dict(document.headers)["replayed"] == mended.id.encode()
    kept = read_letters(prefix.settings)
    assert [one.letter for one in kept] == [mended, broken]
    assert all(f"to {prefix.name('news')}, partition" in one.replayed for one in kept)
    assert "0 of 0" in run(prefix, "replay", "--reason", "unknown-field").stdout, "each is replayed once by its reason"
    refused = run(prefix, "replay", broken.id)
    assert refused.exit_code == 1
    assert "it was replayed already" in refused.stdout
    assert "0 of 1 sent" in refused.stdout
    assert "1 of 1 sent" in run(prefix, "replay", broken.id, "--again").stdout


@pytest.mark.parametrize("sent", [0, 1, 2])
def test_a_replay_that_was_cut_off_anywhere_is_finished_by_the_next_and_sends_each_original_once(
    kafka: Kafka, sent: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    prefix = new_prefix(kafka)
    write(prefix, letter(prefix, b"{"), letter(prefix, DOCUMENT, offset=6))
    lasting = letters.producer(prefix.settings.kafka)

    class CutOff:
        """A producer whose process ends before the record after the first so many."""

        left = sent

        def send(self, *arguments: Any) -> Any:
            if not self.left:
                raise KeyboardInterrupt
            self.left -= 1
            return lasting.send(*arguments)

        def close(self, **_: Any) -> None:
            lasting.flush()

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(letters, "producer", lambda *_, **__: CutOff())
        letters.replay_letters(prefix.settings, read_letters(prefix.settings))
    lasting.close()
    if sent:
        assert "begun" in run(prefix, "show", read_letters(prefix.settings)[0].letter.id).stdout
    assert "2 of 2 sent" in run(prefix, "replay", "--stage", "enrich").stdout
    records = [record.value for records in prefix.records("news").values() for record in records]
    assert sorted(records) == sorted([b"{", DOCUMENT])
    assert all(kept.replayed and not kept.begun for kept in read_letters(prefix.settings))


def test_letters_are_told_by_stage_with_their_bytes_and_how_to_mend_them(kafka: Kafka) -> None:
    prefix = new_prefix(kafka)
    still, now, late = (
        letter(prefix, b"{\xff", "invalid-utf8"),
        letter(prefix, GOOD, offset=6),
        letter(prefix, GOOD, "future-timestamp", offset=7),
    )
    unindexed = dead_letter(
        "index", PoisonError("refused-by-index", "mapping"), Origin(prefix.name("documents"), 0, 3), GOOD
    )
    undetected = dead_letter(
        "detect", PoisonError("internal-error", "KeyError"), Origin(prefix.name("mentions"), 0, 3), GOOD
    )
    write(prefix, still, now, late, unindexed, undetected)
    listed = [json.loads(line)["id"] for line in run(prefix, "list", "--stage", "index", "--json").stdout.splitlines()]
    assert listed == [unindexed.id]
    assert run(prefix, "show", still.id, "--original").stdout_bytes == b"{\xff"
    for one, told in (
        (still, "This release refuses it still (byte 1"),
        (now, "This release reads it: replay it"),
        (late, "once its time has come"),
        (unindexed, "index writes it again"),
        (undetected, "--rebuild"),
    ):
        assert told in " ".join(run(prefix, "show", one.id).stdout.split())
    assert run(prefix, "replay", "--stage", "index").exit_code == 0
    assert [record.value for record in prefix.records("documents")[0]] == [GOOD]
    assert run(prefix, "replay", "--stage", "detect").exit_code == 1
    nothing = run(prefix, "list", "--stage", "nowhere")
    assert isinstance(nothing.exception, ConfigurationError)


def test_what_cannot_be_sent_again_is_said(kafka: Kafka) -> None:
    prefix = new_prefix(kafka)
    cut = letter(prefix, b"y" * (KEPT_BYTES + 1))
    file = letter(prefix, b"{", place="history.jsonl", partition=0, offset=3)
    ours = letter(prefix, b"{", place=prefix.name("mentions"))
    write(prefix, cut, file, ours)
    done = run(prefix, "replay", cut.id, file.id, ours.id)
    assert done.exit_code == 1
    assert "only 65,536 of its 65,537 bytes are kept" in done.stdout
    assert "history.jsonl, line or offset 3: mend it there" in done.stdout
    assert "0 of 3 sent again" in done.stdout
    assert not any(prefix.records("news").values())


@pytest.mark.parametrize("arguments", [[], ["dead-1", "--reason", "x"], ["dead-1", "--stage", "index"]])
def test_what_to_replay_has_to_be_said_in_one_way(kafka: Kafka, arguments: list[str]) -> None:
    result = run(new_prefix(kafka), "replay", *arguments)
    assert isinstance(result.exception, ConfigurationError)
