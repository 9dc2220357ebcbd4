"""From what a source gave to what is sent: the document with the terms under which it was taken, or why it is refused."""

from dataclasses import replace
from datetime import datetime

from processors.errors import PoisonError
from processors.messages import Document, Origin
from streams.codec import MAX_RECORD_BYTES, decode_document, encode, too_large
from streams.collect.declared import Source
from streams.collect.ledger import mark_of
from streams.collect.sender import Outgoing, Outlets
from streams.deadletters import dead_letter


def stamped(source: Source, document: Document) -> bytes:
    """The bytes of a document that a program or a file of `source` gave, with the source's terms in its metadata.

    Raises PoisonError where it is another source's, or too large.
    """
    if document.source != source.name:
        raise PoisonError(
            "wrong-value",
            f"source is {document.source!a}, what comes this way is declared as {source.name!a}: send that",
        )
    value = encode(replace(document, metadata={**document.metadata, "collected": source.terms}))
    if len(value) > MAX_RECORD_BYTES:
        raise too_large(len(value))
    return value


def record_of_line(outlets: Outlets, source: Source, mark: str, raw: bytes, origin: Origin, now: datetime) -> Outgoing:
    """What becomes of one line of a file."""
    try:
        document = decode_document(raw, source.kind, now=now)
        value = stamped(source, document)
    except PoisonError as error:
        return outlets.letter(mark, dead_letter("enrich", error, origin, raw))
    return outlets.document(mark, source.kind, document.identity, value)


def record_of_item(outlets: Outlets, source: Source, document: Document, now: datetime) -> Outgoing:
    """What becomes of one item of a feed."""
    value, mark = encode(document), mark_of(document.identity)
    try:
        decode_document(value, source.kind, now=now)
    except PoisonError as error:
        return outlets.letter(mark, dead_letter("enrich", error, Origin(source.url, 0, 0), value))
    return outlets.document(mark, source.kind, document.identity, value)
