"""The proof of a model as one self-contained HTML page: tables, and plots drawn as SVG; no script, nothing fetched."""

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any, Final

_MEASURES: Final = (("weighted_f1", "weighted F1"), ("accuracy", "accuracy"), ("macro_f1", "macro F1"))
_SIDE: Final = 300
"""Pixels of a square plot's inner side."""
_MARGIN: Final = 44

_STYLE: Final = """
:root { color-scheme: light dark; --ink: #1b1f24; --paper: #fff; --line: #c9d1d9; --mark: #0b6bcb; --other: #c4520a; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6edf3; --paper: #0d1117; --line: #3d444d; --mark: #58a6ff; --other: #f0883e; }
}
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); margin: 2rem auto; max-width: 70rem;
  padding: 0 1rem; }
table { border-collapse: collapse; margin: .5rem 0 1.5rem; }
th, td { border-bottom: 1px solid var(--line); padding: .2rem .7rem; text-align: left; vertical-align: top;
  unicode-bidi: isolate; }
td.number { text-align: right; font-variant-numeric: tabular-nums; }
figure { display: inline-block; margin: .5rem 1.5rem .5rem 0; vertical-align: top; }
figcaption { font-weight: 600; }
svg text { fill: var(--ink); font: 11px system-ui, sans-serif; }
svg .axis { stroke: var(--line); fill: none; } svg .diagonal { stroke: var(--line); stroke-dasharray: 4 4; }
svg .curve { stroke: var(--mark); fill: none; stroke-width: 1.5; opacity: .75; } svg .dot { fill: var(--mark); }
svg .cell { fill: var(--mark); }
.scroll { overflow-x: auto; }
"""


def page(proof: dict[str, Any]) -> str:
    """The page of what `models.proof.prove` found."""
    model, against = proof["model"], proof["against"]
    title = f"{model['name']} {model['version']}"
    intro = (
        f"<p>Content hash <code>{escape(model['hash'])}</code>. {proof['texts']:,} texts, of which "
        f"{proof['near_duplicates']:,} are near-duplicates of a text that the model learnt from. Intervals are 95 % "
        "bootstrap intervals over texts.</p>"
    )
    parts = [f"<h1>{escape(title)}</h1>", intro]
    if against:
        parts.append(
            f"<p>Beside it: {escape(against['name'])} {escape(against['version'])}, "
            f"<code>{escape(against['hash'])}</code>, on the same texts.</p>"
        )
    for name, head in proof["heads"].items():
        parts += _head(name, head, bool(against))
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head>\n<body>\n"
        + "\n".join(parts)
        + "\n</body></html>\n"
    )


def _head(name: str, head: dict[str, Any], compared: bool) -> Iterable[str]:
    yield f"<h2>{escape(name)}</h2>"
    yield _table(["measure", "score", "95 % interval"], _summary(head))
    if compared and "against" in head:
        yield from _comparison(head["against"])
    yield _figure("Reliability", reliability_diagram(head["reliability"]))
    yield _figure("ROC, one label against the rest", roc_plot(head["roc"]))
    yield _figure(
        "Confusion: truth by rows, share of the row", confusion_plot(head["confusion"], list(head["classes"]))
    )
    yield "<h3>By label</h3>"
    yield _table(
        ["label", "precision", "recall", "F1", "ROC-AUC", "texts"],
        [
            [
                label,
                *(_number(row[key]) for key in ("precision", "recall", "f1")),
                _number(head["roc_auc"][label]),
                f"{row['support']:.0f}",
            ]
            for label, row in head["classes"].items()
        ],
    )
    for key, title in (("by_length", "By length"), ("by_source", "By source")):
        yield f"<h3>{title}</h3>"
        yield _table(["texts of", *_slice_header()], [[slice_, *_slice_row(row)] for slice_, row in head[key].items()])
    yield "<h3>Without near-duplicates of what was learnt</h3>"
    yield _table(_slice_header(), [_slice_row(head["without_near_duplicates"])])
    yield "<h3>Worst errors</h3>"
    yield _table(
        ["text", "truth", "predicted", "p of truth", "p of predicted"],
        [
            [row["text"], row["truth"], row["predicted"], _number(row["p_truth"]), _number(row["p_predicted"])]
            for row in head["worst"]
        ],
    )


def _summary(head: dict[str, Any]) -> list[list[str]]:
    rows = [[title, _number(head[key]), _interval(head["interval_95"][key])] for key, title in _MEASURES]
    return [
        *rows,
        ["mean ROC-AUC", _number(head["macro_roc_auc"]), ""],
        ["expected calibration error", _number(head["calibration_error"]), ""],
        ["negative log-likelihood, nats", _number(head["negative_log_likelihood"]), ""],
        ["temperature that would suit these texts", _number(head["remaining_temperature"]), ""],
    ]


def _comparison(against: dict[str, Any]) -> Iterable[str]:
    yield "<h3>Beside the other model</h3>"
    yield _table(
        ["measure", "the other's score", "our advantage", "95 % interval"],
        [
            [
                title,
                _number(against[key]),
                f"{against['advantage'][key]['value']:+.4f}",
                _interval(against["advantage"][key]["interval_95"]),
            ]
            for key, title in _MEASURES
        ],
    )
    test = against["mcnemar"]
    yield (
        f"<p>{against['changed_labels']:,} labels differ. Only ours is right in {test['only_first']:,} texts, only the other "
        f"in {test['only_second']:,} (McNemar's exact test: p = {test['p_value']:.3g}).</p>"
    )


def reliability_diagram(bins: Sequence[dict[str, float]]) -> str:
    """Accuracy over confidence; the area of a dot is its bin's share of the texts."""
    total = sum(entry["texts"] for entry in bins)
    dots = (
        f'<circle class="dot" cx="{_x(entry["confidence"])}" cy="{_y(entry["accuracy"])}" '
        f'r="{2 + 16 * (entry["texts"] / total) ** 0.5:.1f}" fill-opacity=".6"><title>{entry["texts"]:.0f} texts: '
        f"confidence {entry['confidence']:.3f}, accuracy {entry['accuracy']:.3f}</title></circle>"
        for entry in bins
    )
    return _unit_square("confidence", "accuracy", "".join(dots))


def roc_plot(curves: dict[str, Sequence[Sequence[float]]]) -> str:
    """True over false positive rate, one curve a label; its name shows under the pointer."""
    lines = (
        f'<polyline class="curve" points="{" ".join(f"{_x(x)},{_y(y)}" for x, y in curve)}">'
        f"<title>{escape(label)}</title></polyline>"
        for label, curve in curves.items()
    )
    return _unit_square("false positive rate", "true positive rate", "".join(lines))


def confusion_plot(matrix: Sequence[Sequence[int]], labels: Sequence[str]) -> str:
    """Rows are true labels; the shade is the share of the row, and the number the count."""
    cell, left, top = max(26, 120 // len(labels)), 8 + 7 * max(map(len, labels)), 8 + 5 * max(map(len, labels))
    marks = []
    for row, counts in enumerate(matrix):
        y = top + row * cell
        marks.append(f'<text x="{left - 6}" y="{y + cell / 2 + 4:.0f}" text-anchor="end">{escape(labels[row])}</text>')
        x = left + row * cell + cell / 2
        turned = f'transform="rotate(-45 {x:.0f} {top - 6})"'
        marks.append(f'<text x="{x:.0f}" y="{top - 6}" {turned}>{escape(labels[row])}</text>')
        for column, count in enumerate(counts):
            share = count / max(1, sum(counts))
            place = f'x="{left + column * cell}" y="{y}" width="{cell}" height="{cell}"'
            marks.append(
                f'<rect class="cell" {place} fill-opacity="{share:.3f}"><title>{escape(labels[row])} read as '
                f"{escape(labels[column])}: {count}</title></rect>"
            )
            if count:
                middle = f'x="{left + column * cell + cell / 2:.0f}" y="{y + cell / 2 + 4:.0f}"'
                marks.append(f'<text {middle} text-anchor="middle">{count}</text>')
    side = cell * len(labels)
    frame = f'<rect class="axis" x="{left}" y="{top}" width="{side}" height="{side}"/>'
    return _svg(left + side + top, top + side + 8, frame + "".join(marks))


def _unit_square(across: str, up: str, content: str) -> str:
    ticks = "".join(
        f'<text x="{_x(value)}" y="{_y(0) + 16}" text-anchor="middle">{value:g}</text>'
        f'<text x="{_x(0) - 6}" y="{_y(value) + 4}" text-anchor="end">{value:g}</text>'
        for value in (0, 0.5, 1)
    )
    frame = f'<rect class="axis" x="{_x(0)}" y="{_y(1)}" width="{_SIDE}" height="{_SIDE}"/>'
    diagonal = f'<line class="diagonal" x1="{_x(0)}" y1="{_y(0)}" x2="{_x(1)}" y2="{_y(1)}"/>'
    middle = _MARGIN + _SIDE / 2
    titles = (
        f'<text x="{middle}" y="{_y(0) + 34}" text-anchor="middle">{across}</text>'
        f'<text x="12" y="{middle}" text-anchor="middle" transform="rotate(-90 12 {middle})">{up}</text>'
    )
    side = _SIDE + 2 * _MARGIN
    return _svg(side, side, frame + diagonal + ticks + titles + content)


def _x(value: float) -> float:
    return round(_MARGIN + value * _SIDE, 1)


def _y(value: float) -> float:
    return round(_MARGIN + (1 - value) * _SIDE, 1)


def _svg(width: float, height: float, content: str) -> str:
    return f'<svg role="img" width="{width}" height="{height}" viewBox="0 0 {width} {height}">{content}</svg>'


def _figure(caption: str, drawing: str) -> str:
    return f'<figure><figcaption>{escape(caption)}</figcaption><div class="scroll">{drawing}</div></figure>'


def _slice_header() -> list[str]:
    return ["texts", *(part for _, title in _MEASURES for part in (title, "95 % interval"))]


def _slice_row(row: dict[str, Any]) -> list[str]:
    if "interval_95" not in row:
        return [f"{row['texts']:,}", "too few for scores"]
    return [
        f"{row['texts']:,}",
        *(part for key, _ in _MEASURES for part in (_number(row[key]), _interval(row["interval_95"][key]))),
    ]


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def _interval(bounds: Sequence[float]) -> str:
    return f"{bounds[0]:.3f} to {bounds[1]:.3f}"


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(cell)}</th>" for cell in header)
    body = "".join(f"<tr>{''.join(_cell(cell) for cell in row)}</tr>" for row in rows)
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _cell(value: str) -> str:
    numeric = value.replace(",", "").replace(".", "").lstrip("+-").isdigit()
    return f'<td class="number">{value}</td>' if numeric else f"<td>{escape(value)}</td>"
