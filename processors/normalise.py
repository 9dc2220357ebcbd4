"""Text as sources publish it, brought to the one form that everything after it reads.

Normalising is idempotent, takes time linear in the length, and never yields more than three times as many
characters as it was given (NFC takes a few musical and Hebrew characters apart).
"""

import html
import re
import unicodedata
from html.entities import html5
from typing import Final

# Text that keeps revealing new markup (``&amp;lt;`` and worse) is read again, but only so often.
_MAX_ROUNDS: Final = 6

_REFERENCE: Final = re.compile(r"&(?:#[0-9]{1,8};?|#[xX][0-9A-Fa-f]{1,6};?|[A-Za-z][A-Za-z0-9]{1,31};)")
_ESCAPED_AMPERSANDS: Final = re.compile(r"&(?:amp;|AMP;|#38;|#[xX]26;)+")

_BLOCK_NAMES: Final = (
    "address article aside blockquote br center dd div dl dt fieldset figcaption figure footer form h1 h2 h3 h4 h5 h6 "
    "header hr li main nav ol option p pre script section select style table tbody td tfoot th thead title tr ul"
)
_INLINE_NAMES: Final = (
    "a abbr acronym audio b base big body button cite code col del em embed font html head i iframe img input ins "
    "kbd label link mark meta noscript object param picture q s samp small source span strike strong sub sup svg "
    "time tt u var video wbr"
)
_BLOCKS: Final = frozenset(_BLOCK_NAMES.split())
_NAME_PATTERN: Final = "|".join(sorted((_BLOCK_NAMES + " " + _INLINE_NAMES).split(), key=len, reverse=True))
# Only names that HTML knows, bare or with something that looks like an attribute: "a < b", "<SRD>", "<3" and
# "<http://…>" are text. Possessive, and no branch reads past the next "<": linear.
_MARKUP: Final = re.compile(
    rf"<(?:(?P<comment>!--)|!doctype[^<>]*+>|"
    rf"(?P<close>/)?(?P<name>{_NAME_PATTERN})(?:\s*+/?>|"
    r"\s++(?:[^<>\"'=]++=\s*+(?:\"[^\"<]*+\"|'[^'<]*+'|[^<>\"'=]*+))++\s*+/?>))",
    re.IGNORECASE,
)
_CLOSING: Final = {
    "comment": re.compile("-->"),
    "script": re.compile(r"</script\s*+>", re.IGNORECASE),
    "style": re.compile(r"</style\s*+>", re.IGNORECASE),
}


def _character_table() -> dict[int, str | None]:
    """What happens to single characters before NFC.

    Only NFC, because NFKC also rewrites what carries meaning ("2²" to "22", "Apple™" to "AppleTM", "½" to "1⁄2",
    all Chinese punctuation) and may lengthen a text eighteenfold. But letters in disguise (full-width, "𝗯𝗼𝗹𝗱",
    "Ⓒircled") are a common way around filters, so exactly those that stand for one ASCII letter or digit,
    and the full-width signs of cashtags, hashtags and handles, are read as what they show.
    """
    table: dict[int, str | None] = {}
    for code in range(0x20):
        table[code] = " "
    for code in (0x09, 0x0A, 0x0B, 0x0C, 0x0D):
        table[code] = chr(code)
    table[0x7F] = " "
    for code in range(0x80, 0xA0):  # C1 controls are Windows-1252 read as Latin-1 (WHATWG Encoding)
        table[code] = bytes([code]).decode("cp1252", "replace").replace("\ufffd", " ")
    for first, last in (
        (0xAD, 0xAD),  # soft hyphen
        (0x34F, 0x34F),  # combining grapheme joiner
        (0x61C, 0x61C),  # Arabic letter mark
        (0x115F, 0x1160),  # Hangul fillers
        (0x17B4, 0x17B5),  # Khmer inherent vowels
        (0x180B, 0x180F),  # Mongolian selectors
        (0x200B, 0x200F),  # zero-width space and joiners, direction marks
        (0x202A, 0x202E),  # bidirectional embeddings and overrides
        (0x2060, 0x206F),  # word joiner, invisible operators, isolates
        (0x3164, 0x3164),  # Hangul filler
        (0xFE00, 0xFE0F),  # variation selectors
        (0xFEFF, 0xFEFF),  # byte order mark
        (0xFFA0, 0xFFA0),  # half-width Hangul filler
        (0xFFF9, 0xFFFB),  # interlinear annotation
        (0x1D173, 0x1D17A),  # musical controls
        (0xE0000, 0xE0FFF),  # tags and more variation selectors
    ):
        table.update(dict.fromkeys(range(first, last + 1)))
    for code in range(0xD800, 0xE000):  # half a surrogate pair has no UTF-8 form
        table[code] = "\ufffd"
    for code in range(0xA0, 0x20000):
        tag, _, base = unicodedata.decomposition(chr(code)).partition(" ")
        if tag not in ("<font>", "<wide>", "<circle>", "<square>") or " " in base:
            continue
        shown = chr(int(base, 16))
        letter = shown.isascii() and shown.isalpha()
        digit = shown.isascii() and shown.isdigit() and tag in ("<font>", "<wide>")
        if letter or digit or (tag == "<wide>" and shown in "$#@&"):
            table[code] = shown
    return table


_CHARACTERS: Final = _character_table()
_ASCII_CONTROL: Final = re.compile(r"[\x00-\x08\x0e-\x1f\x7f]")


def normalise(text: str) -> str:
    """`text` without HTML, in Unicode NFC, without control, zero-width and direction characters, whitespace collapsed.

    Character references are decoded however often they were encoded; tags that HTML knows are taken out
    (inline ones without a trace, block ones leave a newline, scripts and styles go with their content), while
    comparisons and newswire tickers (``<SRD>``) stay. Runs of whitespace become one newline if they held
    one, else one space. URLs are kept. `normalise(normalise(x)) == normalise(x)`.
    """
    for _ in range(_MAX_ROUNDS):
        read = _read_once(text)
        if read == text or ("&" not in read and "<" not in read):
            return read
        text = read
    # Still changing: markup nested on purpose. Without its signs there is nothing left to unfold.
    return _read_once(text.replace("&", " ").replace("<", " "))


def _read_once(text: str) -> str:
    if "&" in text:
        text = _REFERENCE.sub(_decode, _ESCAPED_AMPERSANDS.sub("&", text))
    if "<" in text:
        text = _without_markup(text)
    if not text.isascii():
        text = unicodedata.normalize("NFC", text.translate(_CHARACTERS))
    elif _ASCII_CONTROL.search(text):
        text = _ASCII_CONTROL.sub(" ", text)
    return _collapse(text)


def _decode(match: re.Match[str]) -> str:
    reference = match[0]
    if reference[1] == "#":
        return html.unescape(reference)
    return html5.get(reference[1:], reference)


def _without_markup(text: str) -> str:
    parts: list[str] = []
    position = 0
    unclosed: set[str] = set()  # elements whose end was sought in vain: never sought again, so the search is linear
    closed = {match[1] for match in re.finditer(r"</([A-Za-z0-9]{1,10})\s*+>", text)}
    for match in _MARKUP.finditer(text):
        if match.start() < position:
            continue
        name = match["name"] or ""
        if name.isupper() and match[0] == f"<{name}>" and name != "BR" and name not in closed:
            continue  # <S>, <U>, <DD>: the newswire's tickers, for want of a closing tag
        parts.append(text[position : match.start()])
        position = match.end()
        element = "comment" if match["comment"] else name.lower()
        if element in _BLOCKS:
            parts.append("\n")
        if element in _CLOSING and not match["close"] and element not in unclosed:
            end = _CLOSING[element].search(text, position)
            if end is None:
                unclosed.add(element)
            else:
                position = end.end()
    parts.append(text[position:])
    return "".join(parts)


def _collapse(text: str) -> str:
    """Whitespace runs to one newline if they held a line break, else to one space; none at the ends."""
    lines = (" ".join(line.split()) for line in text.splitlines())
    return "\n".join(line for line in lines if line)
