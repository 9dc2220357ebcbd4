"""The model's input contract: how a document becomes the one string that the classifier reads.

Training and serving both call `model_text`, so that a label never depends on which of them prepared the text.
The tokenizer lower-cases and drops control characters by itself.
"""

import hashlib
import html
import re
import unicodedata
from collections.abc import Collection, Sequence
from typing import Final

MAX_CHARACTERS: Final = 4096
"""Characters kept: more than the longest input of 256 tokens needs."""

URL_WORD: Final = "http"
"""Stands for every URL: that there is a link says something about a post, where it leads does not."""

_URL = re.compile(r"(?:\bhttps?://|\bwww\.)\S*", re.IGNORECASE)
_WHITESPACE = re.compile(r"\s+")
_SENTENCE_END = (".", "!", "?", ":", ";", "…")

NAMES_OUTPUT: Final = "p_company"
"""The output of a model that tells names apart: of each token, the sentiment towards what it names."""


def model_text(title: str, text: str) -> str:
    """Return what the classifier reads of a document with this `title` and `text` (either may be empty).

    HTML entities are decoded (however often they were encoded), Unicode is brought to NFKC, each URL becomes
    `URL_WORD`, white space is collapsed, and the result is cut to `MAX_CHARACTERS`. A title that the text repeats at
    its start is read once. The function is idempotent: ``model_text("", model_text(a, b)) == model_text(a, b)``.
    """
    head, body = _clean(title), _clean(text)
    if not head or not body or body.startswith(head):
        return body or head
    joint = " " if head.endswith(_SENTENCE_END) else ". "
    return _clean(f"{head}{joint}{body}")


def place_of(words: str, text: str) -> tuple[int, int]:
    """Where in the model text `text` the `words` of its document first stand alone, as (start, end); (0, 0) where they do
    not."""
    words = _clean(words)
    start = text.find(words) if words else -1
    while start >= 0:
        end = start + len(words)
        if not (text[start - 1 : start].isalnum() and words[0].isalnum()) and not text[end : end + 1].isalnum():
            return start, end
        start = text.find(words, start + 1)
    return 0, 0


def tokens_in(offsets: Sequence[tuple[int, int]], start: int, end: int) -> tuple[int, ...]:
    """The places of the tokens that touch [start, end) of a text, given where each of its tokens stands."""
    return tuple(place for place, (first, last) in enumerate(offsets) if max(first, start) < min(last, end))


def _clean(text: str) -> str:
    text = text[: 4 * MAX_CHARACTERS]
    while (decoded := unicodedata.normalize("NFKC", html.unescape(text))) != text:
        text = decoded
    text = _WHITESPACE.sub(" ", _URL.sub(f" {URL_WORD} ", text)).strip()
    return text[:MAX_CHARACTERS].rstrip()


def model_hash(network: bytes, tokenizer: bytes) -> str:
    """The hash that names a model: SHA-256 in hex of its ONNX file followed by its tokenizer file.

    These two decide a label, given the text.
    """
    return hashlib.sha256(network + tokenizer).hexdigest()


def version_number(hash: str) -> int:
    """The version of the model with this content hash as Triton counts it: a positive integer that differs where the
    content does."""
    return int(hash[:7], 16) + 1


def served_name(first: str, languages: Collection[str]) -> str:
    """What Triton calls a model that reads `languages`, beside the one that it calls `first`: ``tocsin-zh``."""
    return f"{first}-{min(languages)}"
