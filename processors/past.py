"""What a partition remembers of its past, piece by piece: series, days, models and hours of the week."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Final, Self

from processors.messages import DocumentSummary, Versions
from processors.seasons import WEEK


@dataclass(slots=True)
class Series:
    """What is known of a series: its company's sector and time zone ("" and UTC for wide series), and the second of
    its latest document."""

    sector: str
    time_zone: str
    latest: int

    def copy(self) -> Self:
        """A copy."""
        return type(self)(self.sector, self.time_zone, self.latest)

    def pack(self) -> Any:
        """JSON-ready content."""
        return [self.sector, self.time_zone, self.latest]

    @classmethod
    def unpack(cls, packed: Any) -> Self:
        """The series whose `pack()` this is."""
        return cls(*packed)


_FIRST_LANGUAGE: Final = "en"  # it was the only one once, and states that were kept then name no language


def model_of(document: DocumentSummary) -> str:
    """What labelled `document`, as far as shares depend on it: model, dictionary, language. Holds no space."""
    versions, language = document.versions, document.language
    model = f"{versions.model_hash}/{versions.dictionary_hash}"
    return model if language == _FIRST_LANGUAGE else f"{model}/{language}"


def _language_in(model: str) -> str:
    """The language in what `model_of` gave."""
    return "".join(model.split("/")[2:]) or _FIRST_LANGUAGE


@dataclass(slots=True)
class Era:
    """Where the partition stands: the next day to fold (None before the first tick), how many days with documents
    were folded, the present models (one for each language, see `model_of`; None before the first) and their number, gaps of
    the feed as [start, end) hours, and the last hour with documents that was looked at."""

    day: int | None = None
    live_days: int = 0
    model: str | None = None
    epoch: int = 0
    gaps: list[list[int]] = field(default_factory=list)
    heard: int | None = None

    def knows(self, model: str) -> bool:
        """Whether `model` is one of the present ones."""
        return model in (self.model or "").split()

    def follow(self, documents: Mapping[str, int]) -> None:
        """Take the model of each language from the `documents` of a day, by model: that which labelled most of them.

        Where a language has another model than before, a new epoch begins. A language that is new begins none: what is
        read in the others stays comparable.
        """
        present = {_language_in(model): model for model in (self.model or "").split()}
        latest: dict[str, str] = {}
        for model in sorted(documents, key=lambda each: (-documents[each], each)):
            latest.setdefault(_language_in(model), model)
        if self.model is None or any(present.get(language, model) != model for language, model in latest.items()):
            self.epoch += 1
        self.model = " ".join(sorted((present | latest).values()))

    def copy(self) -> Self:
        """A copy that shares nothing mutable."""
        return replace(self, gaps=[gap[:] for gap in self.gaps])

    def pack(self) -> Any:
        """JSON-ready content."""
        return [getattr(self, f.name) for f in fields(self)]

    @classmethod
    def unpack(cls, packed: Any) -> Self:
        """The era whose `pack()` this is."""
        return cls(*packed)


@dataclass(slots=True)
class Models:
    """Documents of one day by what labelled them (see `model_of`)."""

    documents: dict[str, int] = field(default_factory=dict)

    def copy(self) -> Self:
        """A copy that shares nothing mutable."""
        return type(self)({**self.documents})

    def pack(self) -> Any:
        """JSON-ready content."""
        return self.documents

    @classmethod
    def unpack(cls, packed: Any) -> Self:
        """The counts whose `pack()` this is."""
        return cls(packed)


@dataclass(slots=True)
class Activity:
    """Decayed novel stories by local hour of the week, as of `day`."""

    day: int
    counts: list[float] = field(default_factory=lambda: [0.0] * WEEK)

    def copy(self) -> Self:
        """A copy that shares nothing mutable."""
        return type(self)(self.day, self.counts[:])

    def pack(self) -> Any:
        """JSON-ready content."""
        return [self.day, self.counts]

    @classmethod
    def unpack(cls, packed: Any) -> Self:
        """The activity whose `pack()` this is."""
        return cls(*packed)


@dataclass(slots=True)
class Progress:
    """The first hour since 1970 that is not closed (None before the first tick), and the versions last seen."""

    open_hour: int | None = None
    versions: Versions | None = None

    def copy(self) -> Self:
        """A copy."""
        return type(self)(self.open_hour, self.versions)

    def pack(self) -> Any:
        """JSON-ready content."""
        seen = self.versions
        return [
            self.open_hour,
            seen and [seen.model, seen.model_version, seen.model_hash, seen.dictionary_hash, seen.settings_hash],
        ]

    @classmethod
    def unpack(cls, packed: Any) -> Self:
        """The progress whose `pack()` this is."""
        return cls(packed[0], packed[1] and Versions(*packed[1]))
