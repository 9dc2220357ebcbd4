"""How much of the bare model's rate `tocsin classify` keeps: reading, normalising, tokenising and writing included.

Both do the same texts in the same run, in turns; the bare model gets its inputs ready-made, in the same batches.

    python tests/bench/bench_classify.py FILE.csv [--column text] [--rows 2000] [--turns 3]
"""

import argparse
import csv
import io
import os
import statistics
import tempfile
import time
from pathlib import Path

from processors.model_input import model_text
from processors.normalise import normalise
from streams.classifier import EmbeddedClassifier
from streams.classify import classify_csv
from streams.settings import Settings


def main() -> None:
    """Print one line for each turn, and the median ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--column", default="text")
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--turns", type=int, default=3)
    arguments = parser.parse_args()

    with arguments.file.open(encoding="utf-8", newline="") as file:
        texts = [row[arguments.column] for row in csv.DictReader(file)][: arguments.rows]
    classifier = EmbeddedClassifier(Settings().classifier.model)
    inputs = [model_text("", normalise(text)) for text in texts]
    ready = [
        batch
        for start in range(0, len(inputs), 1024)
        for batch in classifier.inputs.batches(inputs[start : start + 1024])
    ]
    classifier.classify(inputs[:64])

    ratios = []
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "texts.csv"
        with source.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([["text"], *([text] for text in texts)])
        for _ in range(arguments.turns):
            started = time.perf_counter()
            for batch in ready:
                classifier.run(batch)
            bare = len(texts) / (time.perf_counter() - started)
            started = time.perf_counter()
            for _ in classify_csv(source, "text", io.StringIO(), [classifier]):
                pass
            whole = len(texts) / (time.perf_counter() - started)
            ratios.append(whole / bare)
            print(f"bare model {bare:7.1f} texts/s   tocsin classify {whole:7.1f} texts/s   ratio {ratios[-1]:.3f}")
    print(f"median ratio {statistics.median(ratios):.3f} on {os.cpu_count()} cores, {len(texts)} texts")


if __name__ == "__main__":
    main()
