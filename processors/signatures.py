"""Signatures by which near-duplicate texts are recognised (MinHash; Broder 1997, On the resemblance of documents)."""


def signature_of(text: str) -> str:
    """The MinHash of `text` (normalised ``title\\ntext``) as lower-case hex of a fixed length.

    Equal for texts that differ only in case, punctuation, addresses, repost prefixes and "via" tails. A pure
    function of the text, the same on every platform. Never raises; an empty text has a signature too.
    """
    raise NotImplementedError


def similarity(a: str, b: str) -> float:
    """The estimated Jaccard similarity, 0 … 1, of the texts behind two signatures."""
    raise NotImplementedError
