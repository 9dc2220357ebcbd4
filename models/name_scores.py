"""How often a packaged model tells rightly what is said of each name in a text. Needs no torch."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.evaluate import Labels, Probabilities, calibration_error
from models.named_texts import NamedText
from models.onnx_model import OnnxModel, inputs_of
from processors.model_input import NAMES_OUTPUT, tokens_in

_RESAMPLES: Final = 1_000
_ROWS: Final = 32


@dataclass(frozen=True)
class Answers:
    """What a model says of the names in texts: for each name its probabilities [names, 3], those of its text as a whole, its
    label, and which of the texts it stands in."""

    own: Probabilities
    whole: Probabilities
    labels: Labels
    texts: NDArray[np.int64]


def asked(folder: Path, texts: Sequence[NamedText]) -> Answers:
    """What the packaged model in `folder` says of the names in `texts`; names beyond what it reads are passed over."""
    model = OnnxModel(folder)
    encodings = model.tokenizer.encode_batch([each.text for each in texts])
    order = sorted(range(len(texts)), key=lambda row: len(encodings[row]))
    own, whole, labels, places = [], [], [], []
    for first in range(0, len(order), _ROWS):
        rows = order[first : first + _ROWS]
        inputs = inputs_of([encodings[row].ids for row in rows], model.padded_length(len(encodings[rows[-1]])))
        sentiment, tokens = model.session.run(["p_sentiment", NAMES_OUTPUT], inputs)
        for place, row in enumerate(rows):
            for name in texts[row].names:
                if span := tokens_in(encodings[row].offsets, name.start, name.end):
                    own.append(tokens[place, list(span)].mean(axis=0, dtype=np.float64))
                    whole.append(sentiment[place].astype(np.float64))
                    labels.append(name.label)
                    places.append(row)
    return Answers(np.array(own), np.array(whole), np.array(labels, np.int64), np.array(places, np.int64))


def measured(found: Answers, texts: Sequence[NamedText]) -> dict[str, Any]:
    """Accuracy over names by the file that texts come from and by what they name, with 95 % bootstrap intervals over texts,
    ready for JSON; see `_row`."""
    counts = np.array([len(each.names) for each in texts])[found.texts]
    differs = np.array([each.differs for each in texts])[found.texts]
    sources = np.array([each.source for each in texts])[found.texts]
    kinds = {"all": counts > 0, "one name": counts == 1, "several names": counts > 1, "names that differ": differs}
    return {
        "calibration_error": round(calibration_error(found.labels, found.own), 5),
        "by_source": {
            str(source): {
                kind: _row(found, rows & (sources == source))
                for kind, rows in kinds.items()
                if (rows & (sources == source)).any()
            }
            for source in dict.fromkeys(sources.tolist())
        },
    }


def _row(found: Answers, rows: NDArray[np.bool_]) -> dict[str, Any]:
    """Of the names at `rows`: the share that is right by what the model says of the name (`own`), by what it says of the text
    as a `whole`, by the one where the text has several names and else the other (`served`), and the advantage of that over
    the whole; and the share of texts in which all names are right (`whole_texts_right`)."""
    places, group = np.unique(found.texts[rows], return_inverse=True)
    sizes = np.bincount(group)
    own = found.own[rows].argmax(1) == found.labels[rows]
    whole = found.whole[rows].argmax(1) == found.labels[rows]
    served = np.where(np.bincount(found.texts)[found.texts[rows]] > 1, own, whole)
    right = {"own": own, "whole": whole, "served": served, "advantage": served.astype(np.int64) - whole}
    sums = {name: np.bincount(group, weights=values) for name, values in right.items()}
    drawn = np.random.default_rng(0).integers(0, len(places), (_RESAMPLES, len(places)))
    names = sizes[drawn].sum(1)
    return {
        "names": int(sizes.sum()),
        "texts": len(places),
        **{
            name: {
                "share": round(float(values.sum() / sizes.sum()), 5),
                "interval_95": [round(float(q), 5) for q in np.quantile(values[drawn].sum(1) / names, (0.025, 0.975))],
            }
            for name, values in sums.items()
        },
        "whole_texts_right": {
            name: round(float((sums[name] == sizes).mean()), 5) for name in ("own", "whole", "served")
        },
    }
