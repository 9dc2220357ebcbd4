"""The validation split: deterministic, stratified, and with all near-duplicates on one side.

Nothing is stored: the folds follow from the texts alone and can be recomputed wherever the data are.
"""

import hashlib
import re
from collections import defaultdict
from collections.abc import Hashable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse import csgraph

from models.config import TrainingConfig
from models.datasets import Example, load_examples
from processors.model_input import URL_WORD

NEAR_DUPLICATE: Final = 0.5
"""Jaccard similarity of two texts' shingles from which they count as near-duplicates."""

# Of a script without spaces every character is a piece, told apart from words by not being ASCII.
_WORD = re.compile(r"[a-z]+|\d+|[\u3400-\u9fff]")
_BLOCK: Final = 2048


def shingles(text: str) -> frozenset[str]:
    """Return the text's words and pairs of neighbouring words, lower-cased, numbers reduced to their presence.

    Of Chinese, only pairs of neighbouring characters: single ones stand in most texts.
    """
    words = ["0" if word[0].isdigit() else word for word in _WORD.findall(text.lower()) if word != URL_WORD]
    return frozenset(filter(str.isascii, words)) | frozenset(f"{a} {b}" for a, b in pairwise(words))


def near_duplicate_groups(texts: Sequence[str], threshold: float = NEAR_DUPLICATE) -> NDArray[np.int64]:
    """Return the group of each text: connected components of pairs with Jaccard similarity ≥ `threshold`.

    Similarities are exact (a sparse product over an inverted index), not estimated. Texts without words stand alone.
    """
    row, column = _near_pairs(texts, texts, threshold)
    graph = sparse.coo_matrix((np.ones(len(row), np.bool_), (row, column)), shape=(len(texts), len(texts)))
    groups: NDArray[np.int64] = csgraph.connected_components(graph, directed=False)[1].astype(np.int64)
    return groups


def near_duplicates_of(
    texts: Sequence[str], others: Sequence[str], threshold: float = NEAR_DUPLICATE
) -> NDArray[np.bool_]:
    """Return for each of `texts` whether any of `others` is a near-duplicate of it."""
    found = np.zeros(len(texts), np.bool_)
    found[_near_pairs(texts, others, threshold)[0]] = True
    return found


def _near_pairs(
    texts: Sequence[str], others: Sequence[str], threshold: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the positions (in `texts`, in `others`) of all pairs with Jaccard similarity ≥ `threshold`."""
    vocabulary: dict[str, int] = {}
    matrix, transposed = _incidence(texts, vocabulary), _incidence(others, vocabulary).T.tocsr()
    matrix.resize(len(texts), transposed.shape[0])
    sizes, other_sizes = np.diff(matrix.indptr), np.diff(transposed.tocsc().indptr)
    rows: list[NDArray[np.int64]] = []
    columns: list[NDArray[np.int64]] = []
    for start in range(0, len(texts), _BLOCK):
        common = (matrix[start : start + _BLOCK] @ transposed).tocoo()
        row = common.row.astype(np.int64) + start
        column = common.col.astype(np.int64)
        near = common.data >= threshold * (sizes[row] + other_sizes[column] - common.data)
        rows.append(row[near])
        columns.append(column[near])
    return np.concatenate(rows or [np.empty(0, np.int64)]), np.concatenate(columns or [np.empty(0, np.int64)])


def _incidence(texts: Sequence[str], vocabulary: dict[str, int]) -> sparse.csr_matrix:
    """Texts by shingles, 1 where the text holds the shingle; new shingles are added to `vocabulary`."""
    indices: list[int] = []
    pointers = [0]
    for text in texts:
        indices.extend(sorted(vocabulary.setdefault(shingle, len(vocabulary)) for shingle in shingles(text)))
        pointers.append(len(indices))
    shape = (len(texts), max(1, len(vocabulary)))
    return sparse.csr_matrix((np.ones(len(indices), np.float32), indices, pointers), shape=shape)


def grouped_folds(texts: Sequence[str], strata: Sequence[Hashable], folds: int = 5) -> NDArray[np.int64]:
    """Return the fold (0 … `folds` - 1) of each text.

    A group of near-duplicates is never divided. Groups are dealt out per stratum (that of the group's first text in
    the order of hashes), the large ones first, each to the fold that holds least of that stratum. The result depends
    on the set of texts, not on their order.
    """
    digests = [_digest(text) for text in texts]
    members: defaultdict[int, list[int]] = defaultdict(list)
    group_of = near_duplicate_groups(texts)
    for index in sorted(range(len(texts)), key=digests.__getitem__):
        members[int(group_of[index])].append(index)
    filled: defaultdict[Hashable, list[int]] = defaultdict(lambda: [0] * folds)
    result = np.zeros(len(texts), np.int64)
    for group in sorted(members.values(), key=lambda group: (-len(group), digests[group[0]])):
        counts = filled[strata[group[0]]]
        fold = counts.index(min(counts))
        result[group] = fold
        for index in group:
            filled[strata[index]][fold] += 1
    return result


def divide(config: TrainingConfig, data: Path) -> tuple[list[Example], list[Example]]:
    """Return (training, held-out) examples of the files in `data`.

    Folds are made over all sources together, so that no near-duplicate of a held-out text is learnt from, whichever
    source it stands in.
    """
    examples, folds = folded(config, data)
    validated = {source.file for source in config.data if source.validated}
    learnt = [example for example, fold in zip(examples, folds, strict=True) if fold != config.split.held_out]
    if config.split.most:
        learnt = sorted(learnt, key=lambda example: _digest(example.text))[: config.split.most]
    held_out = [
        example
        for example, fold in zip(examples, folds, strict=True)
        if fold == config.split.held_out and example.source in validated
    ]
    return learnt, held_out


def unlearnt(config: TrainingConfig, data: Path) -> list[Example]:
    """Return the examples that the model never learns from, nor from near-duplicates of them: the fold that is held out,
    of every source, those too that take no part in validation."""
    return [example for example, fold in zip(*folded(config, data), strict=True) if fold == config.split.held_out]


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def folded(config: TrainingConfig, data: Path) -> tuple[list[Example], NDArray[np.int64]]:
    """Return all examples and the fold of each; with none held out, fold 0 for all."""
    examples = load_examples(data, config.data, config.heads)
    if config.split.held_out < 0:
        return examples, np.zeros(len(examples), np.int64)
    strata = [
        (
            example.source,
            *sorted(example.targets.items()),
            *((name, found[-1]) for name, found in example.several.items()),
        )
        for example in examples
    ]
    return examples, grouped_folds([example.text for example in examples], strata, config.split.folds)
