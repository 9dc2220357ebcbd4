"""Triton away, slow, wrong, of another version, refusing; and a model that must not look at neighbours."""

import base64
import json
import time
from collections import defaultdict
from typing import Final

from faulty_servers import go_wrong, swap, swap_back
from matrix import scenario
from trial import Trial

from streams.model_inputs import load_model
from streams.settings import DEFAULT_MODEL

STILL_SECONDS: Final = 5.0
NOTICEABLE: Final = 1e-3
WORD: Final = b"update"


@scenario(
    6,
    "Without Triton no label is invented and time stands still: no document and no tick passes, until it is back.",
    quick=True,
)
def model_down(trial: Trial) -> None:
    with trial.load():
        for _ in range(1 if trial.quick else 3):
            trial.pause()
            trial.hit("kill -9 of Triton")
            trial.stack.triton.kill()
            trial.until(
                lambda: "Triton" in trial.deployment.waits_for("enrich"), "enrich says that it waits for Triton"
            )
            stands_still(trial)
            trial.stack.up({"triton"})
            trial.over()
            trial.recovered("enrich")
    assert not trial.deployment.restarts, "nobody ended over it"


@scenario(
    6, "A model that takes five seconds an answer, then longer than is waited for, only delays, even a kill meanwhile."
)
def model_slow(trial: Trial) -> None:
    with trial.load(10, documents=3500):
        for seconds in (5.0, 12.0):
            trial.pause()
            go_wrong(trial.stack, "slow", seconds=seconds)
            trial.hit(f"Triton takes {seconds:.0f} s an answer")
            time.sleep(15)
            trial.end("enrich")  # with documents in hand that wait for their labels
            trial.deployment.start("enrich")
            time.sleep(5)
            go_wrong(trial.stack, "")
            trial.over()
            trial.recovered("enrich")
    assert not trial.deployment.restarts, "nobody ended over it"


@scenario(6, "Answers that are no probabilities, or of the wrong shape, label nothing: enrich ends, and says why.")
def model_answers_wrongly(trial: Trial) -> None:
    with trial.load(documents=3500):
        for kind, told in (("nan", "what is no number"), ("shape", "instead of")):
            trial.pause()
            go_wrong(trial.stack, kind)
            trial.hit(f"Triton answers wrongly: {kind}")
            trial.ended("enrich", 1, told)
            trial.deployment.start("enrich")
            trial.ended("enrich", 1, told)
            stands_still(trial)
            go_wrong(trial.stack, "")
            trial.over()
            trial.deployment.start("enrich")
            trial.recovered("enrich")


@scenario(6, "Another version of the model, swapped in while all runs, labels nothing: enrich ends naming both.")
def model_swapped(trial: Trial) -> None:
    with trial.load(documents=3500):
        trial.pause()
        swap(trial.stack)
        try:
            trial.hit("another version of the model swapped in")
            trial.ended("enrich", 2, "but the tokenizer at hand belongs to", seconds=120)
            stands_still(trial)
        finally:
            swap_back(trial.stack)
        trial.until(lambda: trial.stack.triton.is_ready(), "Triton has the former version again")
        time.sleep(3)  # it looks at its repository once a second
        trial.over()
        trial.deployment.start("enrich")
        trial.recovered("enrich")


@scenario(6, "A text that the model refuses costs that document alone, whichever others are in its batch.")
def model_refuses_one(trial: Trial) -> None:
    [encoded] = load_model(DEFAULT_MODEL)[0].encode([WORD.decode()])
    go_wrong(trial.stack, "refuse", tokens=encoded.ids[1:-1])
    try:
        with trial.load(documents=3500):
            trial.pause(10, 12)
        judged = trial.judge()
    finally:
        go_wrong(trial.stack, "")
    refused = judged.verdict.dead["model-refused"]
    trial.done["text refused by the model"] = refused
    assert refused > 0, judged.verdict.dead
    letters = [letter for letter in trial.witness.letters() if letter["reason"] == "model-refused"]
    others = [text for letter in letters if WORD not in (text := base64.b64decode(letter["original"]).lower())]
    assert not others, f"{others[0]!r} was refused with another"


@scenario(6, "A text has the same labels whatever batch it came in.")
def labels_alone(trial: Trial) -> None:
    with trial.load(80):
        trial.pause(10, 12)
    trial.judge()
    labels: defaultdict[str, list[float]] = defaultdict(list)
    for document in trial.witness.indexed("documents"):
        source = document.source
        if source["status"] == "labelled":
            text = json.dumps([source["title"], source["text"]])
            labels[text].append(source["sentiment"]["negative"])
    repeated = {text: values for text, values in labels.items() if len(values) > 1}
    trial.done["texts that came more than once"] = len(repeated)
    apart = [text for text, values in repeated.items() if max(values) - min(values) > NOTICEABLE]
    assert repeated, "no text came twice"
    assert not apart, f"{len(apart)} of {len(repeated)} texts have several labels, {apart[0]} among them"


def stands_still(trial: Trial) -> None:
    """No document and no tick passes enrich, though some wait."""
    written = trial.count("documents", "mentions", "wide")
    time.sleep(STILL_SECONDS)
    assert trial.count("documents", "mentions", "wide") == written, "something passed"
    assert sum(trial.witness.lag("enrich").values()) > 0, "something waits"
