"""The work as a user would first write it: a Kafka loop that asks a model for one message at a time.

What `tests/bench/bench_stream.py` compares enrich with. Two forms: transformers' own pipelines with their defaults, in
full precision, one for each question; and the shipped model on ONNX Runtime, which answers both at once. Weights of
the pipelines are random in the shipped model's shape: arithmetic takes as long whatever the numbers are.
"""

import json
import re
import time
from collections.abc import Callable
from pathlib import Path

from kafka import KafkaConsumer, KafkaProducer

Classify = Callable[[str], dict[str, str]]


def shipped_model(folder: Path) -> Classify:
    """One text a call through the shipped model, on ONNX Runtime's defaults."""
    import numpy as np
    import onnxruntime
    from tokenizers import Tokenizer

    description = json.loads((folder / "model.json").read_text())
    session = onnxruntime.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])
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
    """Two `transformers.pipeline`s with their defaults, in full precision, one text a call."""
    import onnx
    from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast, pipeline

    description = json.loads((folder / "model.json").read_text())
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_file=str(folder / "tokenizer.json"), pad_token="[PAD]", model_max_length=description["lengths"][-1]
    )
    names = [tensor.name for tensor in onnx.load(folder / "model.onnx").graph.initializer]
    layers = {match[1] for name in names if (match := re.search(r"\.layer\.(\d+)\.", name))}
    pipelines = {}
    for head in ("sentiments", "topics"):
        shape = BertConfig(
            vocab_size=tokenizer.vocab_size,
            hidden_size=384,
            num_hidden_layers=len(layers),
            num_attention_heads=12,
            intermediate_size=1536,
            id2label=dict(enumerate(description[head])),
        )
        model = BertForSequenceClassification(shape).eval()
        pipelines[head] = pipeline("text-classification", model=model, tokenizer=tokenizer, truncation=True)

    def classify(text: str) -> dict[str, str]:
        return {
            "sentiment": pipelines["sentiments"](text)[0]["label"],
            "topic": pipelines["topics"](text)[0]["label"],
        }

    return classify


def consume(servers: str, topic: str, out: str, classify: Classify, seconds: float) -> float:
    """Documents a second of the loop: read one, classify it, send what came of it; for `seconds` after the first."""
    consumer = KafkaConsumer(topic, bootstrap_servers=servers, auto_offset_reset="earliest", enable_auto_commit=False)
    producer = KafkaProducer(bootstrap_servers=servers, value_serializer=lambda value: json.dumps(value).encode())
    done, started = 0, None
    for record in consumer:
        if ("type", b"tick") in record.headers:
            continue
        document = json.loads(record.value)
        text = f"{document.get('title', '')} {document.get('text', '')}"
        producer.send(out, {**document, **classify(text)})
        if started is None:
            started = time.perf_counter()
            continue
        done += 1
        if (elapsed := time.perf_counter() - started) >= seconds:
            break
    producer.flush()
    consumer.close()
    producer.close()
    return done / elapsed
