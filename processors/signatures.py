"""Signatures by which near-duplicate texts are recognised.

MinHash (Broder 1997, On the resemblance and containment of documents) over character shingles, of which one
byte per permutation is kept (Li and König 2010, b-bit minwise hashing): 64 bytes per text, by which the
Jaccard similarity of two texts' shingles is estimated within ± 0.06.
"""

import hashlib
import re
import zlib
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

PERMUTATIONS: Final = 64
HEX_DIGITS: Final = 2 * PERMUTATIONS

# Wire copies and reposts share their beginning: what stands later is not read.
_READ_CHARACTERS: Final = 8192
_CANONICAL_CHARACTERS: Final = 2000

# What copies of a text differ in: addresses, repost prefixes, credits and addressees, words that a length limit
# cut off, and lists of tags ("$AAPL $FB $GOOG #stocks"), which say where a text wants to be seen, not what it says.
_INCIDENTAL: Final = re.compile(
    r"(?:https?:|\bwww\.|\bpic\.twitter\.com)\S*+"
    r"|(?:\b(?:rt|mt|via)\s++)?@\w++:?"
    r"|(?<![a-z0-9_$#])[$#]?[a-z0-9_]*+(?:…|\.\.\.)"
    r"|(?:[$#][^\W\d]\w*+[\s,;|&/]*+){3,}+"
)
_TOKEN: Final = re.compile(r"\d(?:[\d.,]*\d)?|[^\W\d]\w*")

_SHINGLE: Final = 5
_SHINGLE_IDEOGRAPHIC: Final = 3
# With fewer shingles than this, two texts that say different things look alike: only equality counts.
_LEAST_SHINGLES: Final = 12
# "Revenue of 4.1bn" and "revenue of 5.2bn" are news of their own: a number weighs as much as this many shingles.
_NUMBER_WEIGHT: Final = 6


def _constants(name: str) -> NDArray[Any]:
    digest = hashlib.shake_256(f"tocsin minhash 1 {name}".encode()).digest(4 * PERMUTATIONS)
    return np.frombuffer(digest, dtype="<u4").astype(np.uint32)[:, None]


_MULTIPLIERS: Final = _constants("multipliers") | np.uint32(1)
_OFFSETS: Final = _constants("offsets")
_SPREAD: Final = np.arange(1, _NUMBER_WEIGHT + 1, dtype=np.uint32) * np.uint32(0x9E3779B1)


def signature_of(text: str) -> str:
    """The MinHash of `text` (normalised ``title\\ntext``) as 128 lower-case hex digits.

    Equal for texts that differ only in case, punctuation, addresses, handles, repost prefixes, credits
    ("via @x"), cut-off last words and lists of tags. A pure function of the text, the same on every
    platform. Never raises; an empty text has a signature too.
    """
    canonical = canonical_form(text)
    codes = np.frombuffer(canonical.encode("utf-32-le", "surrogatepass"), dtype="<u4").astype(np.uint32)
    width = _SHINGLE_IDEOGRAPHIC if 2 * np.count_nonzero(codes >= 0x2E80) > len(codes) else _SHINGLE
    if len(codes) - width + 1 < _LEAST_SHINGLES:
        # The whole of what was written, addresses too, so that "$AAPL" under two links stays two texts.
        whole = canonical if len(codes) > width else " ".join(text[:_READ_CHARACTERS].lower().split())
        features = np.array([zlib.crc32(whole.encode("utf-8", "surrogatepass"))], dtype=np.uint32)
    else:
        features = np.zeros(len(codes) - width + 1, dtype=np.uint32)
        for place in range(width):
            features *= np.uint32(0x01000193)
            features += codes[place : place + len(features)]
        numbers = [zlib.crc32(word.encode()) for word in canonical.split(" ") if word[0].isdigit()]
        if numbers:
            weighted = np.array(numbers, dtype=np.uint32)[:, None] + _SPREAD
            features = np.concatenate((features, weighted.ravel()))
    permuted = _MULTIPLIERS * _mixed(features) + _OFFSETS
    smallest: NDArray[Any] = permuted.min(axis=1)
    return smallest.astype(np.uint8).tobytes().hex()


def unhexed(signature: str) -> bytes:
    """A signature's 64 bytes. Raises ValueError for what is not 128 hex digits."""
    raw = bytes.fromhex(signature)
    if len(raw) != PERMUTATIONS:
        raise ValueError(f"a signature has {HEX_DIGITS} hex digits, this has {len(signature)}: {signature[:20]!r}…")
    return raw


def packed(signature: str) -> NDArray[Any]:
    """A signature's 64 bytes as an array of uint8. Raises ValueError for what is not 128 hex digits."""
    return np.frombuffer(unhexed(signature), dtype=np.uint8)


def similarity(equal: Any) -> Any:
    """The estimated Jaccard similarity, 0 … 1, of signatures of which `equal` bytes (one number or an array) are equal;
    standard error ≤ 0.0625. Corrected for bytes equal by chance."""
    return np.maximum(0.0, (equal / PERMUTATIONS - 1 / 256) / (1 - 1 / 256))


def similarities(one: NDArray[Any], many: NDArray[Any]) -> NDArray[Any]:
    """The similarities of one packed signature with `many` (n × 64)."""
    return np.asarray(similarity(np.count_nonzero(many == one, axis=1)))


def canonical_form(text: str) -> str:
    """The words and numbers of `text` in lower case, one space apart, without what is incidental; ≤ 2000 characters."""
    words = _TOKEN.findall(_INCIDENTAL.sub(" ", text[:_READ_CHARACTERS].lower()))
    return " ".join(words)[:_CANONICAL_CHARACTERS].rstrip()


def _mixed(values: NDArray[Any]) -> NDArray[Any]:
    """Spreads 32-bit values evenly (the finaliser of MurmurHash3)."""
    values = (values ^ (values >> np.uint32(16))) * np.uint32(0x85EBCA6B)
    values = (values ^ (values >> np.uint32(13))) * np.uint32(0xC2B2AE35)
    return np.asarray(values ^ (values >> np.uint32(16)))
