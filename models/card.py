"""The model card (Mitchell et al. 2019), written from the configuration and the measures."""

from pathlib import Path
from typing import Any, Final

from models.config import TrainingConfig

TITLES: Final = {
    "accuracy": "accuracy",
    "weighted_f1": "weighted F1",
    "macro_f1": "macro F1",
    "micro_f1": "micro F1",
    "exact": "texts whose labels are exactly right",
}

_USE = """\
Reads one news item or social post ({languages}) about companies, markets or the economy, and gives the probabilities of
{heads}. Made for counting many texts (how much of what is written about a company
is negative, and whether that is more than usual), not for judging one text: single labels are often wrong, see below.
It is no advice to buy or sell.

Text is prepared by `processors.model_input.model_text` on top of `processors.normalise.normalise`, in training and in
serving alike. Inputs `input_ids` and `attention_mask`, int64 [batch, length]; outputs are calibrated probabilities.
"""

_TRAINING = """\
Encoder `{encoder}`, mean pooling, one linear layer a head, {epochs} epochs{start}; every setting stands in the configuration.
Weights are stored as int8 (a scale per output channel, and per row of the embeddings) and computed with in full
precision.
"""

_REPRODUCE = """\
`make train TOCSIN_DATA=FOLDER` fetches the encoder and runs all stages. Each is
seeded; on another machine or number of threads sums round differently, and scores differ within their intervals.
"""

_ENGLISH_LIMITS = """\
- **Its world is English finance tweets of 2019 to 2022.** Other registers are less certain: no measured figure is
  claimed for newspaper prose, the newswire of 1987 or tweets of 2014, whose labels nobody has given us.
- The labels it learnt from are noisy: "hedge funds are selling X" is negative there, "warming up to X" positive, news
  of disasters without a listed company neutral.
"""

_LIMITS = """\
- Other languages are not read at all: the language routing keeps them away.
- {names}
- Topics overlap (company news, stock commentary and general news most of all: see the confusion in
  `validation.json`), and the rare ones have few examples.
- Irony, slang and emoji are largely unseen.
- Only the first {longest} tokens are read; it was trained on texts of at most {trained}.
- The temperature was fitted on the held-out fold itself: one number a head, so its calibration error is slightly
  flattered.
"""


_AS_A_WHOLE = """\
Sentiment is that of the text as a whole. In a text about two companies of opposite luck both get one label."""

_APART = """\
`p_sentiment` is that of the text as a whole; what `p_company` says of each company was learnt from headlines, and
  from few posts."""

_NAMES = """\
`p_company`, float [batch, length, 3], is the sentiment towards what each token names; a company's is the mean over its
tokens. A small network reads it from the hidden states of the encoder, which stays as it was trained. It learnt from
{texts_learnt:,} texts whose names are labelled (headlines name by name, posts with the label of the post for each cashtag)
and from {texts_joined:,} made of two headlines. Of the held-out texts, the share of names that get their label: by what
is said of the name, by what is said of the text as a whole, and as it is served (the former where a text names
several). Texts with all names right count those with several. Expected calibration error {calibration_error:.3f}.
"""


def write_card(config: TrainingConfig, description: dict[str, Any], measures: dict[str, Any], path: Path) -> None:
    """Write the card of the model that `description` (``model.json``) and `measures` (``validation.json``) tell of."""
    lengths = description["lengths"]
    learnt = measures["texts_learnt"]
    parts = [
        f"# {config.name} {config.version}\n",
        f"Content hash `{description['hash']}` · licence {description['licence']}, data and encoder: see NOTICE.\n",
        "## Use\n",
        _USE.format(
            languages=", ".join(config.languages), heads=", ".join(head["name"] for head in description["heads"])
        ),
        "## Data and training\n",
        _TRAINING.format(
            encoder=config.encoder.path,
            epochs=config.optimiser.epochs,
            start=_training(config),
        ),
        _table(
            ["file", "teaches", "texts learnt from"],
            [[source.file, source.head, str(learnt[source.head])] for source in config.data],
        ),
        _split(config),
        "## Scores on the held-out fold\n",
        "Of the packaged file itself, with 95 % bootstrap intervals over texts (1,000 resamples).\n",
        _scores(measures),
    ]
    if "row_dependence" in measures:
        found = measures["row_dependence"]
        parts.append(
            "Labels do not depend on neighbours: alone, in mixed batches and at every padded length, "
            f"{found['changed_labels']} labels of 512 held-out texts change, and no probability by more than "
            f"{found['largest_difference']:.1e}.\n"
        )
    for name, head in measures["heads"].items():
        rows = [
            [label, *(f"{values[key]:.3f}" for key in ("precision", "recall", "f1")), f"{values['support']:.0f}"]
            for label, values in head["classes"].items()
        ]
        parts += [f"### {name}, by class\n", _table(["label", "precision", "recall", "F1", "texts"], rows)]
    if "calibration_error" in measures.get("names", {}):
        parts += ["### names\n", _NAMES.format(**measures["names"]), _names(measures["names"]["by_source"])]
    parts += [
        "## Limits\n",
        *([_ENGLISH_LIMITS] if config.languages == ("en",) else []),
        _LIMITS.format(
            longest=lengths[-1],
            trained=config.encoder.max_length,
            names=_APART if "names" in description else _AS_A_WHOLE,
        ),
        "## Reproduce\n",
        _REPRODUCE,
    ]
    path.write_text("\n".join(parts), encoding="utf-8")


def _training(config: TrainingConfig) -> str:
    """What else made the weights than epochs over labelled texts."""
    method, rank = config.tuning.method, config.tuning.rank
    parts = {
        f" from the weights of the run in `{config.start}`": bool(config.start),
        f", by {method} of rank {rank} beside the encoder's own weights": method != "full",
        ", with parts of the encoder frozen": bool(config.encoder.frozen),
        f", taught by the model in `{config.teacher}`": bool(config.teacher),
    }
    return "".join(text for text, said in parts.items() if said)


def _split(config: TrainingConfig) -> str:
    if config.split.held_out < 0:
        return "Trained on all of it; nothing was held out, so there are no scores of these weights.\n"
    return (
        f"Fold {config.split.held_out} of {config.split.folds} was held out. The folds are stratified and recomputed from the "
        "texts alone; groups of near-duplicates (Jaccard similarity of words and word pairs ≥ 0.5, over all files "
        "together) are never divided. These are not the published splits of the data sets: do not compare with "
        "published figures.\n"
    )


def _scores(measures: dict[str, Any]) -> str:
    rows = []
    for name, head in measures["heads"].items():
        for key, (low, high) in head["interval_95"].items():
            full = head["full_precision"][key]
            rows.append([name, TITLES[key], f"{head[key]:.4f}", f"{low:.3f} to {high:.3f}", f"{full:.4f}"])
        if "calibration_error" in head:
            rows.append([name, "expected calibration error", f"{head['calibration_error']:.4f}", "", ""])
    return _table(["head", "measure", "score", "95 % interval", "before compression"], rows)


def _names(by_source: dict[str, Any]) -> str:
    rows = []
    for source, kinds in by_source.items():
        for kind, row in kinds.items():
            shares = [
                f"{row[way]['share']:.3f} ({row[way]['interval_95'][0]:.3f} to {row[way]['interval_95'][1]:.3f})"
                for way in ("own", "whole", "served", "advantage")
            ]
            texts = f"{row['whole_texts_right']['served']:.3f}; {row['whole_texts_right']['whole']:.3f}"
            rows.append([source, kind, f"{row['names']:,} in {row['texts']:,}", *shares, texts])
    header = [
        "file",
        "texts with",
        "names in texts",
        "name",
        "text",
        "served",
        "advantage over text",
        "all right: served; text",
    ]
    return _table(header, rows)


def _table(header: list[str], rows: list[list[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
