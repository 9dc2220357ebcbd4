"""Draw a company's sentiment by day, as Elasticsearch has it, into an SVG file that any browser shows.

python streams/examples/chart_sentiment.py COMPANY [--out FILE] [--server URL] [--prefix PREFIX]
"""

import argparse
from pathlib import Path
from xml.sax.saxutils import escape

from elasticsearch import Elasticsearch

WIDTH, HEIGHT, LEFT, BOTTOM = 960, 320, 56, 40

parser = argparse.ArgumentParser(description="A company's sentiment by day, from Elasticsearch, as SVG.")
parser.add_argument("company", help="its id, as in AAPL")
parser.add_argument("--out", type=Path, default=Path("sentiment.svg"))
parser.add_argument("--server", default="http://127.0.0.1:9200")
parser.add_argument("--prefix", default="tocsin")
asked = parser.parse_args()

with Elasticsearch(asked.server) as client:
    answer = client.search(
        index=f"{asked.prefix}-series",
        size=0,
        query={"term": {"series": f"company:{asked.company}"}},
        aggregations={
            "days": {
                "date_histogram": {"field": "start", "calendar_interval": "day", "format": "yyyy-MM-dd"},
                "aggregations": {name: {"sum": {"field": name}} for name in ("negative", "neutral", "positive")},
            }
        },
    )
buckets = answer["aggregations"]["days"]["buckets"] if "aggregations" in answer else []
days = [
    (bucket["key_as_string"], *(bucket[name]["value"] for name in ("negative", "neutral", "positive")))
    for bucket in buckets
]
if not any(sum(counts) for _, *counts in days):
    raise SystemExit(f"nothing of {asked.company} in {asked.prefix}-series at {asked.server}")

most = max(sum(counts) for _, *counts in days)
step = (WIDTH - LEFT - 16) / len(days)
middle = (HEIGHT - BOTTOM) / 2
parts = []
line = []
for number, (day, negative, neutral, positive) in enumerate(days):
    total = negative + neutral + positive
    x = LEFT + number * step
    height = (HEIGHT - BOTTOM - 16) * total / most
    parts.append(
        f'<rect x="{x:.1f}" y="{HEIGHT - BOTTOM - height:.1f}" width="{max(step - 1, 0.5):.1f}" height="{height:.1f}" '
        f'fill="#d8dee6"><title>{day}: {negative:.0f} negative, {neutral:.0f} neutral, {positive:.0f} positive</title></rect>'
    )
    if total:
        net = (positive - negative) / total
        line.append(f"{x + step / 2:.1f},{middle - net * (middle - 16):.1f}")
parts.append(f'<line x1="{LEFT}" x2="{WIDTH - 16}" y1="{middle}" y2="{middle}" stroke="#8894a3"/>')
parts.append(f'<polyline points="{" ".join(line)}" fill="none" stroke="#b3261e" stroke-width="2"/>')
for y, text in ((16, "+1"), (middle, "0"), (HEIGHT - BOTTOM - 8, "−1")):
    parts.append(f'<text x="{LEFT - 8}" y="{y + 4:.0f}" text-anchor="end">{text}</text>')
parts.append(f'<text x="{LEFT}" y="{HEIGHT - 12}">{days[0][0]}</text>')
parts.append(f'<text x="{WIDTH - 16}" y="{HEIGHT - 12}" text-anchor="end">{days[-1][0]}</text>')
title = escape(f"{asked.company}: net sentiment by day (line), documents (bars, up to {most:.0f})")
asked.out.write_text(
    f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="13">'
    f'<rect width="100%" height="100%" fill="white"/><text x="{WIDTH / 2}" y="14" text-anchor="middle">{title}</text>'
    f"{''.join(parts)}</svg>\n",
    encoding="utf-8",
)
print(f"{len(days)} days in {asked.out}")
