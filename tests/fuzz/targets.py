"""What is fuzzed: each target takes any bytes and fails on anything but the ways out that its part promises."""

import base64
import hashlib
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, Final

from processors.enrichment import Enricher, Prepared
from processors.errors import ConfigurationError, PoisonError
from processors.language import language_of
from processors.linking import Linker
from processors.messages import (
    Alert,
    Canary,
    DeadLetter,
    Feedback,
    LabelledDocument,
    Mention,
    Origin,
    SeriesPoint,
    Tick,
    Unlabelled,
    WideRecord,
)
from processors.model_input import MAX_CHARACTERS, model_text
from processors.normalise import normalise
from processors.signatures import signature_of
from streams.codec import decode, decode_document, encode
from streams.deadletters import KEPT_BYTES, dead_letter, refusal_of
from streams.elastic_indices import Indices
from streams.elastic_writes import action_of
from streams.letters import KeptLetter, original_of
from streams.letters_view import as_line, letter_details, letters_table
from streams.model_inputs import ModelInputs, load_model
from streams.pipeline import ModelLabeller
from streams.service_settings import ElasticsearchSettings, KafkaSettings
from streams.services.enrich_records import Composer, Reading
from streams.settings import Settings, declarations, load_master, resolve_settings
from streams.testkit import WordClassifier
from streams.topics import Topics
from tests.streams.bad_input import BAD_INPUT, NOW, record

NOON: Final = datetime(2024, 5, 6, 12, tzinfo=UTC)
ORIGIN: Final = Origin("tocsin.news", 0, 7)
MESSAGES: Final = (
    LabelledDocument,
    Mention,
    WideRecord,
    SeriesPoint,
    Alert,
    DeadLetter,
    Feedback,
    Tick,
    Canary,
    Unlabelled,
)


@dataclass(frozen=True, slots=True)
class Target:
    """`run` takes any bytes and raises what is a finding; `seeds` are inputs to begin with, `tokens` what to weave in.
    `weight` is its share of the inputs beside the others: less for what takes long."""

    run: Callable[[bytes], object]
    seeds: tuple[bytes, ...]
    tokens: tuple[bytes, ...]
    weight: float = 1.0


def parse(raw: bytes) -> None:
    """A document or a refusal; what was let in is written again and let in again. So with our own topics' messages."""
    try:
        document = decode_document(raw, now=NOW)
    except PoisonError as refusal:
        assert refusal.reason and str(refusal)
    else:
        assert decode_document(encode(document), now=NOW) == document
    for message_type in MESSAGES:
        try:
            message = decode(message_type, raw)
        except PoisonError:
            continue
        assert encode(decode(message_type, encode(message))) == encode(message)


def normalise_text(raw: bytes) -> None:
    """Idempotent, never three times as long, and without what steers."""
    text = raw.decode("utf-8", "surrogatepass") if _is_utf8(raw) else raw.decode("latin-1")
    clean = normalise(text)
    assert normalise(clean) == clean
    assert len(clean) <= 3 * len(text)
    clean.encode("utf-8")
    language_of(clean, None)
    signature_of(clean)


def link(raw: bytes) -> None:
    """Links of the master's companies, each where it says; the publisher's tags come from the first line."""
    head, _, text = raw.decode("utf-8", "replace").partition("\n")
    clean = normalise(text)
    for found in _linker().link(clean, NOON, head.split(",")[:20]):
        assert found.company in _linker().master.companies
        assert clean[found.offset :].startswith(found.surface)
        assert found.surface


def tokenise(raw: bytes) -> None:
    """What the model reads: one string that is stable, and tokens within its length."""
    title, _, text = raw.decode("utf-8", "replace").partition("\n")
    read = model_text(title, text)
    assert len(read) <= MAX_CHARACTERS
    assert model_text("", read) == read
    (batch,) = _inputs().batches([read])
    assert batch.input_ids.shape == batch.attention_mask.shape
    assert 2 <= batch.attention_mask.sum() <= _inputs().lengths[-1]


def refuse(raw: bytes) -> None:
    """The dead letter of any bytes, refused by any words, is written, read, indexed and shown."""
    words = raw[:200].decode("utf-8", "surrogatepass") if _is_utf8(raw[:200]) else raw[:200].decode("latin-1")
    letter = dead_letter("enrich", PoisonError("fuzzed", words), ORIGIN, raw)
    read = decode(DeadLetter, encode(letter))
    assert read == letter
    assert original_of(read) == raw[:KEPT_BYTES]
    assert base64.b64decode(read.original) == raw[:KEPT_BYTES]
    assert (read.length, read.sha256) == (len(raw), hashlib.sha256(raw).hexdigest())
    action_of(read, _indices())
    kept = KeptLetter(read, NOON)
    as_line(kept)
    letter_details(kept, "mend")
    letters_table([kept])


def enrich(raw: bytes) -> None:
    """The whole way of a record through enrich but the model: everything that it becomes is read by who reads it."""
    try:
        found: Any = _enricher().prepare(decode_document(raw, "news", now=NOW), NOON)
    except Exception as error:  # noqa: BLE001 - as enrich does
        found = refusal_of(error)
        assert found.reason != "internal-error", error
    reading = Reading(ORIGIN, "news", raw, 0, found)
    [answer] = ModelLabeller(WordClassifier()).label([reading.found]) if isinstance(reading.found, Prepared) else [None]
    written = _composer().compose(reading, answer, 0)
    assert written.reason != "internal-error"
    for made in written.records:
        name = made.topic.partition(".")[2]
        if made.headers and made.headers[0][0] == "type":
            continue
        message = decode(_READERS[name], made.value or b"")
        if isinstance(message, LabelledDocument | DeadLetter):
            action_of(message, _indices())


def settings(raw: bytes) -> None:
    """Settings, or a refusal that says where; from a file, the environment and flags alike."""
    text = raw.decode("utf-8", "replace")
    lines = [line.partition("=") for line in text.splitlines()[:8]]
    environment = {f"TOCSIN_{name.strip().upper()}": value for name, _, value in lines}
    flags = {name.strip(): value.strip() for name, _, value in lines}
    _settings_file().write_bytes(raw)
    for path, variables, assignments in ((_settings_file(), {}, {}), (None, environment, {}), (None, {}, flags)):
        try:
            resolution = resolve_settings(path, variables, assignments)
        except ConfigurationError as refusal:
            assert str(refusal)
        else:
            assert resolution.sources.keys() <= declarations().keys()


_READERS: Final[Mapping[str, type[Any]]] = {
    "documents": LabelledDocument,
    "mentions": Mention,
    "wide": WideRecord,
    "deadletters": DeadLetter,
}

_JSON_TOKENS: Final = tuple(
    b'" { } [ ] , : \\ \\ud800 \\u0000 null true 1e400 -1 99999999999999999999 NaN Infinity "id" "source" "kind" "news" '
    b'"published_at" "title" "text" "symbols" "metadata" "reach" "schema" 2014-01-31T16:05:00Z 1970-01-01T00:00:00Z '
    b"+23:59 :60Z \xed\xa0\x80 \xe2\x80\xae \xef\xbb\xbf".split()
)
_TEXT_TOKENS: Final = tuple(
    b"&amp; &#38; &#x26; &lt; &nbsp; &#0; &#1114112; <b> </b> <script> </script> <!-- --> <a <S> <T> $T $AAPL $BRK.B "
    b"$C@ @Apple http:// www. Visa Apple Inc (T) NYSE: (NYSE:T) 1.3M 5% \xe2\x80\xa6 \xef\xbc\x84 \xf0\x9d\x97\x94 "
    b"\xe2\x80\x8b \xe2\x80\xae \xcc\x80 \xe8\x8b\xb9\xe6\x9e\x9c RT:".split()
) + (b"\n", b"\r\n", b"\t", b" ", b"\x00", b"\x1b[2J")

_TEXTS: Final = (
    b"AAPL,T\nApple Inc beats; $T and $C fall 5%, says @Apple. &amp;amp;lt;b&gt; http://t.co/x",
    b"\n<p>Visa, UPS &amp; AT&T (NYSE:T) <S> <script>if (a<b) x()</script> <!-- c --> 1.3M <a href='x' b>y</a>",
    "苹果公司股价下跌\n𝗔𝗽𝗽𝗹𝗲 ＄ＡＡＰＬ Ⓐ \u202eevil\u202c é ﬁ ½ \u200b…".encode(),
    b"BRK.B\nCMCSA, MCD, T P/T $BRK.B $BRK/B $DAI.DE $T\xe2\x80\xa6 GE shares; RT via @GE: Coca-Cola, J. P. Morgan's",
)
_SOUND: Final = (record(), record(title="Visa", symbols=["T"], reach=3, metadata={"a": [1, {"b": 2.5}]}, language="en"))
_RECORDS: Final = (*_SOUND, *(raw for raw, _ in BAD_INPUT.values() if len(raw) < 2000))
_SETTINGS: Final = (
    b"[classifier]\nthreads = 2\nbatch_size = 64\n\n[detection]\nwindows_hours = [1, 6]\n",
    b"classifier.threads=2\ndetection.windows_hours=1,3\nkafka.prefix = x\n",
    b"CLASSIFIER_THREADS=2\nKAFKA_SERVERS=a:1,b:2\n",
    b"[kafka]\nservers = ['127.0.0.1:9092']\nsecurity = 'SSL'\n[detect]\nrebuild = true\nsave_interval = 1e1\n",
)
_SETTINGS_TOKENS: Final = tuple(name.encode() for name in declarations()) + (
    *(b"inf", b"nan", b"true", b"0x1f", b"1e400", b"1979-05-27", b"'''", b'"""', b"[[", b"]]", b"= {", b"\\u0000"),
)

TARGETS: Final[Mapping[str, Target]] = {
    "parser": Target(parse, _RECORDS, _JSON_TOKENS),
    "normaliser": Target(normalise_text, _TEXTS, _TEXT_TOKENS),
    "linker": Target(link, _TEXTS, _TEXT_TOKENS),
    "tokeniser": Target(tokenise, _TEXTS, _TEXT_TOKENS),
    "dead-letters": Target(refuse, _RECORDS, _JSON_TOKENS),
    "enrich": Target(enrich, _SOUND, _JSON_TOKENS + _TEXT_TOKENS),
    "settings": Target(settings, _SETTINGS, _SETTINGS_TOKENS, weight=0.1),
}


def _is_utf8(raw: bytes) -> bool:
    try:
        raw.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return False
    return True


@cache
def _linker() -> Linker:
    return Linker(load_master(Settings()))


@cache
def _inputs() -> ModelInputs:
    return load_model(Settings().classifier.model)[0]


@cache
def _enricher() -> Enricher:
    return Enricher(load_master(Settings()), [WordClassifier().model], "0" * 16, timedelta(hours=24))


@cache
def _composer() -> Composer:
    return Composer(Topics(KafkaSettings(prefix="tocsin", mention_partitions=2)), _enricher())


@cache
def _indices() -> Indices:
    return Indices(ElasticsearchSettings())


@cache
def _settings_file() -> Path:
    return Path(tempfile.mkdtemp(prefix="tocsin-fuzz-")) / "tocsin.toml"
