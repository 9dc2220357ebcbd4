"""The work as a user would first write it: a Kafka loop that asks a model for one message at a time.

Two forms: transformers' own pipelines with their defaults, in full precision, one for each question
(`shipped_network`); and the shipped file on ONNX Runtime's defaults, which answers both questions at once. Both use the
cores that the process may run on. Nothing is validated, nothing linked, nothing is safe when the process dies.

    python tests/bench/first_attempt.py FORM SERVERS TOPIC OUT SECONDS

prints documents a second.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from kafka import KafkaConsumer, KafkaProducer

from streams.settings import DEFAULT_MODEL

Classify = Callable[[str], dict[str, str]]

WARM_UP = 10
"""Documents before the clock starts."""

CHECKED = ("Apple cuts its outlook as sales fall", "$T shares rally after a beat, raises guidance http", "Boeing wins")


def shipped_model(folder: Path) -> Classify:
    """One text a call through the shipped model, on ONNX Runtime's defaults."""
    import numpy as np
    import onnxruntime
    from tokenizers import Tokenizer

    description = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = len(os.sched_getaffinity(0))  # it would count cores that it may not use
    session = onnxruntime.InferenceSession(folder / "model.onnx", options, providers=["CPUExecutionProvider"])
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(description["lengths"][-1])

    def classify(text: str) -> dict[str, str]:
        encoding = tokenizer.encode(text)
        inputs = {"input_ids": np.array([encoding.ids]), "attention_mask": np.array([encoding.attention_mask])}
        sentiment, topic = session.run(["p_sentiment", "p_topic"], inputs)
        return {
            "sentiment": description["sentiments"][int(sentiment[0].argmax())],
            "topic": description["topics"][int(topic[0].argmax())],
        }

    return classify


def transformers_pipelines(folder: Path) -> Classify:
    """A `transformers.pipeline` for each question with its defaults, one text a call."""
    from shipped_network import check_equal, networks
    from transformers import pipeline

    check_equal(folder, CHECKED)
    pipelines = {
        name: pipeline("text-classification", model=network, tokenizer=tokenizer, truncation=True)
        for name, (network, tokenizer) in networks(folder).items()
    }
    return lambda text: {name: ask(text)[0]["label"] for name, ask in pipelines.items()}


FORMS: dict[str, Callable[[Path], Classify]] = {"shipped": shipped_model, "pipelines": transformers_pipelines}


def consume(servers: str, topic: str, out: str, classify: Classify, seconds: float) -> float:
    """Documents a second of the loop: read one, classify it, send what came of it; for `seconds` or to the end."""
    consumer = KafkaConsumer(
        topic,
        bootstrap_servers=servers,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        consumer_timeout_ms=5_000,
    )
    producer = KafkaProducer(bootstrap_servers=servers, value_serializer=lambda value: json.dumps(value).encode())
    done, started, elapsed = -WARM_UP, 0.0, 0.0
    for record in consumer:
        document = json.loads(record.value)
        text = f"{document.get('title', '')} {document.get('text', '')}"
        producer.send(out, {**document, **classify(text)})
        done += 1
        if done == 0:
            started = time.perf_counter()
        if done > 0 and (elapsed := time.perf_counter() - started) >= seconds:
            break
    producer.flush()
    consumer.close()
    producer.close()
    if done < 1:
        raise SystemExit(f"{topic} holds too few documents")
    return done / elapsed


if __name__ == "__main__":
    form, servers_, topic_, out_, seconds_ = sys.argv[1:]
    print(consume(servers_, topic_, out_, FORMS[form](DEFAULT_MODEL), float(seconds_)))
