"""Texts with a sentiment for each name in them: headlines whose companies are labelled apart, and posts with cashtags."""

import hashlib
import random
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from models.config import DataSource, TrainingConfig
from models.datasets import labelled_rows
from models.splits import folded, near_duplicate_groups, near_duplicates_of
from processors.errors import ConfigurationError
from processors.labels import SENTIMENTS, SentimentLabel
from processors.model_input import model_text, place_of
from processors.normalise import normalise

MOST_CASHTAGS: Final = 4
"""A post with more of them is about none."""

JOINTS: Final = (", ", "; ", " as ", " while ", ". ", " | ", ", but ", " even as ", " - ")
"""What stands between two headlines that are made one."""

# Names hold unescaped quotation marks, so the cell is not a literal of any language.
_DECISION: Final = re.compile(r"""['"](.+?)['"]: ?['"](\w+)['"]""")
_CASHTAG: Final = re.compile(r"(?<![\w$])\$[A-Za-z]{1,6}(?![\w$])")
# Where "hold" stood in the names of the published file, "neutral" stands: "Bajaj neutralings".
_REPLACED: Final = ("neutral", "Hold")


@dataclass(frozen=True, slots=True)
class Named:
    """A name: where it stands in its model text (from, to), and its sentiment as an index of `SENTIMENTS`."""

    start: int
    end: int
    label: int


@dataclass(frozen=True, slots=True)
class NamedText:
    """A model text with its names, in the order of the file that it comes from."""

    text: str
    names: tuple[Named, ...]
    source: str

    @property
    def differs(self) -> bool:
        """Whether its names have different labels."""
        return len({name.label for name in self.names}) > 1


def divided_named_texts(config: TrainingConfig, data: Path) -> tuple[list[NamedText], list[NamedText]]:
    """(Texts to learn from, held-out texts) of the files in `data` that `config` names.

    Headlines come from sources with ``per_entity``, posts from those of the head ``sentiment``: each cashtag gets the label of
    its post. Texts that the encoder was trained on or validated with stay on their side. Others, whose companies fare
    differently, go where their near-duplicates are, or else a fifth of the groups by hash is held out; those with
    near-duplicates on both sides are left out.
    """
    examples, folds = folded(config, data)
    held_out = config.split.held_out
    side = {example.text: fold == held_out for example, fold in zip(examples, folds.tolist(), strict=True)}
    texts: dict[str, NamedText] = {}
    for source in config.data:
        found = _headlines(data, source) if source.per_entity else _posts(data, source)
        for each in found:
            texts.setdefault(each.text, each)
    side |= _sides([text for text in texts if text not in side], side, config.split.folds)
    learnt = [each for text, each in texts.items() if side.get(text) is False]
    return learnt, [each for text, each in texts.items() if side.get(text)]


def joined(texts: Sequence[NamedText], count: int, seed: int) -> list[NamedText]:
    """`count` texts made of two of `texts` whose labels differ: what is said of the one is not said of the other.

    Pairs with nothing but neutral names on one side are half as frequent as they would fall. Raises ConfigurationError where no
    two texts differ.
    """
    if len({frozenset(name.label for name in each.names) for each in texts}) < 2:
        raise ConfigurationError(
            f"of {len(texts)} texts whose names are labelled apart no two have different labels: nothing to tell companies "
            "apart by; add texts of other sentiments to the sources with per_entity"
        )
    draw, neutral = random.Random(seed), SENTIMENTS.index("neutral")
    made: list[NamedText] = []
    while len(made) < count:
        first, second = draw.sample(texts, 2)
        labels = [{name.label for name in each.names} for each in (first, second)]
        if labels[0] == labels[1] or ({neutral} in labels and draw.random() < 0.5):
            continue
        joint = draw.choice(JOINTS)
        shift = len(first.text) + len(joint)
        names = [Named(name.start + shift, name.end + shift, name.label) for name in second.names]
        made.append(NamedText(first.text + joint + second.text, (*first.names, *names), "joined"))
    return made


def _headlines(data: Path, source: DataSource) -> Iterable[NamedText]:
    for where, _, raw, cell in labelled_rows(data / source.file, source):
        text = model_text("", normalise(raw))
        decisions = _DECISION.findall(cell)
        if not decisions:
            raise ConfigurationError(f"{where}: expected a mapping of names to labels, found {cell[:80]!r}")
        found = [(_place(words, text), _label(where, source.labels.get(label, label))) for words, label in decisions]
        names = tuple(Named(start, end, label) for (start, end), label in found if end)
        if names:
            yield NamedText(text, names, source.file)


def _posts(data: Path, source: DataSource) -> Iterable[NamedText]:
    if source.head != "sentiment":
        return
    for where, _, raw, label in labelled_rows(data / source.file, source):
        text = model_text("", normalise(raw))
        places: dict[str, tuple[int, int]] = {}
        for match in _CASHTAG.finditer(text):
            places.setdefault(match[0].casefold(), match.span())
        if 0 < len(places) <= MOST_CASHTAGS:
            index = _label(where, source.labels.get(label, label))
            yield NamedText(text, tuple(Named(start, end, index) for start, end in places.values()), source.file)


def _label(where: str, label: str) -> int:
    if label not in SENTIMENTS:
        raise ConfigurationError(f"{where}: label {label!r} is not one of {', '.join(SENTIMENTS)}")
    known: SentimentLabel = label
    return SENTIMENTS.index(known)


def _place(words: str, text: str) -> tuple[int, int]:
    """Where a name stands in `text`: as it is written, else in any case, else as the beginning of a word ("FTILs")."""
    for name in (words, words.replace(*_REPLACED), words.replace(_REPLACED[0], _REPLACED[1].lower())):
        name = model_text("", normalise(name))
        start, end = place_of(name, text)
        if end:
            return start, end
        found = re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text, re.IGNORECASE) or re.search(
            re.escape(name), text, re.IGNORECASE
        )
        if found and name:
            return found.span()
    return 0, 0


def _sides(texts: Sequence[str], known: dict[str, bool], folds: int) -> dict[str, bool]:
    """Which of `texts` are held out, given which of the `known` are; one that touches both sides is on neither."""
    members: defaultdict[int, list[int]] = defaultdict(list)
    for index, group in enumerate(near_duplicate_groups(texts).tolist()):
        members[group].append(index)
    touching = [
        near_duplicates_of(texts, [text for text, out in known.items() if out is side]) for side in (False, True)
    ]
    sides: dict[str, bool] = {}
    for group in members.values():
        learnt, held_out = (bool(touches[group].any()) for touches in touching)
        if learnt and held_out:
            continue
        digest = min(hashlib.sha256(texts[index].encode()).digest() for index in group)
        out = held_out or (not learnt and int.from_bytes(digest[:4], "big") % folds == 0)
        sides |= dict.fromkeys((texts[index] for index in group), out)
    return sides
