"""Explanations by the shipped model: of a text, of the evidence of an alarm; what cannot be told is refused."""

import io
import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console
from sample_messages import VERSIONS, alert, evidence, labelled_document
from typer.testing import CliRunner

from processors.explanation import explained
from processors.messages import Alert, CompanyLink
from processors.model_input import model_text
from streams.alert_view import show_alert
from streams.classifier import EmbeddedClassifier
from streams.cli import app
from streams.codec import encode
from streams.explain import Explainer
from streams.explain_view import evidence_marks, marked
from streams.names import Names
from streams.settings import DEFAULT_MODEL

CRASH = "Boeing shares plunge after crash"
LONG = f"{CRASH}. " + "The company will hold its annual meeting in Chicago on the third of May. " * 3


@pytest.fixture(scope="module")
def explainer() -> Explainer:
    return Explainer(EmbeddedClassifier(DEFAULT_MODEL, threads=1))


def ringing(explainer: Explainer, *texts: tuple[str, float]) -> Alert:
    """An alarm whose evidence are `texts` (excerpt, probability of negative)."""
    documents = [evidence(n, excerpt=text, p_negative=p) for n, (text, p) in enumerate(texts)]
    return alert(evidence=tuple(documents), versions=(replace(VERSIONS, model_hash=explainer.model.hash),))


def explainer_reads(text: str) -> str:
    return EmbeddedClassifier(DEFAULT_MODEL, threads=1).inputs.read(text)


def p_negative(text: str) -> float:
    [found] = EmbeddedClassifier(DEFAULT_MODEL, threads=1).classify([model_text("", text)])
    return found.sentiment.negative


def test_the_words_that_anyone_would_name_carry_the_label(explainer: Explainer) -> None:
    assert set(explainer.explain("", CRASH).leading(2)) <= {"plunge", "crash", "shares"}
    beats = explainer.explain("", "Apple beats estimates and raises its dividend")
    assert (beats.label, "beats" in beats.leading(3)) == (2, True)


def test_only_what_the_model_reads_is_explained() -> None:
    text = f"{CRASH}. " + "word " * 300
    read = explainer_reads(text)
    assert text.startswith(read)
    assert len(read) < len(text)
    assert explainer_reads(CRASH) == CRASH


def test_evidence_is_explained_by_the_document_in_full_or_by_its_excerpt(explainer: Explainer) -> None:
    rang = ringing(explainer, (CRASH, p_negative(CRASH)), (LONG[:100], p_negative(LONG)))
    whole = labelled_document("1", title="", text=LONG, versions=rang.versions[0])
    first, second = explainer.evidence(rang, {whole.identity: whole}.get)
    assert first.explanation
    assert first.explanation.text == CRASH
    assert second.explanation
    assert second.explanation.text == LONG.strip()


def test_of_a_text_with_several_companies_the_words_about_the_one_that_rings_are_told(explainer: Explainer) -> None:
    text = "Boeing shares plunge after crash, while Airbus beats estimates"
    [said] = EmbeddedClassifier(DEFAULT_MODEL, threads=1).classify([text], [((0, 6), (40, 46))])
    bad, good = said.names
    assert bad and good
    assert (bad.label, good.label) == ("negative", "positive")
    links = (CompanyLink("BA", "Boeing", 0, "name", bad), CompanyLink("AIR", "Airbus", 40, "name", good))
    ours = replace(VERSIONS, model_hash=explainer.model.hash)
    whole = labelled_document("0", title="", text=text, companies=links, versions=ours)
    [found] = explainer.evidence(ringing(explainer, (text, bad.negative)), {whole.identity: whole}.get)
    assert found.explanation
    assert found.explanation.probability == pytest.approx(bad.negative, abs=1e-3)
    assert {"plunge", "crash,"} & set(found.explanation.leading(3))
    assert "beats" not in found.explanation.leading(3)


def test_a_text_that_is_not_what_the_model_read_is_refused(explainer: Explainer) -> None:
    [found] = explainer.evidence(ringing(explainer, (CRASH, p_negative(CRASH) - 0.01)), lambda _: None)
    assert (found.explanation, found.refusal) == (None, "text-cut")


def test_what_another_model_labelled_is_refused(explainer: Explainer) -> None:
    rang = replace(ringing(explainer, (CRASH, p_negative(CRASH))), versions=(VERSIONS,))
    [found] = explainer.evidence(rang, lambda _: None)
    assert (found.explanation, found.refusal) == (None, "other-model")


def test_evidence_in_a_language_that_another_model_reads_is_refused_beside_that_of_this_one(
    explainer: Explainer,
) -> None:
    rang = ringing(explainer, (CRASH, p_negative(CRASH)), ("波音 股价 下跌", 0.9))
    ours, theirs = (replace(VERSIONS, model_hash=hash) for hash in (explainer.model.hash, "f" * 64))
    whole = [
        labelled_document("0", title="", text=CRASH, versions=ours),
        labelled_document("1", title="", text="波音 股价 下跌", versions=theirs),
    ]
    found = list(explainer.evidence(rang, {each.identity: each for each in whole}.get))
    assert [each.refusal for each in found] == ["", "other-model"]


def test_an_alert_is_shown_with_its_words_underlined_and_the_models_version(
    explainer: Explainer, tmp_path: Path
) -> None:
    rang = ringing(explainer, (CRASH, p_negative(CRASH)))
    (tmp_path / "alerts.jsonl").write_bytes(encode(rang) + b"\n")
    console = Console(file=io.StringIO(), width=200, force_terminal=True, color_system="standard")
    show_alert(tmp_path, rang.id, console, Names(), partial(evidence_marks, explainer, tmp_path))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "\x1b[1;4;31mplunge\x1b[0m" in text or "\x1b[4;31mplunge\x1b[0m" in text
    assert explainer.model.hash[:12] in text


@given(st.text(max_size=80))
@settings(max_examples=60)
def test_no_text_steers_the_terminal(text: str) -> None:
    found = explained(f"\x1b[31mloss\x07 \u202e{text}", lambda texts: np.tile([0.9, 0.1], (len(texts), 1)))
    assert all(character.isprintable() for character in marked(found, "negative").plain)


def test_the_command_tells_programs_and_people_the_same() -> None:
    runner = CliRunner()
    record = json.loads(runner.invoke(app, ["explain", CRASH, "--json"], catch_exceptions=False).output)
    assert (record["label"], record["head"]) == ("negative", "sentiment")
    assert [record["text"][w["start"] : w["end"]] for w in record["words"]] == CRASH.split()
    hostile = runner.invoke(app, ["explain", "-"], input=f"\x1b]0;owned\x07 {CRASH}", catch_exceptions=False)
    assert "negative" in hostile.output
    assert "\x1b" not in hostile.output.replace("\x1b[", "")
    topic = json.loads(runner.invoke(app, ["explain", CRASH, "--head", "topic", "--json"]).output)
    assert topic["label"] == "stock-movement"


def test_a_label_of_another_head_or_no_text_is_a_mistake() -> None:
    runner = CliRunner()
    for arguments in (["explain"], ["explain", CRASH, "--label", "macro"], ["explain", "  "]):
        assert runner.invoke(app, arguments).exit_code != 0


def test_words_are_asked_for_where_they_can_be_underlined_and_that_is_told_meanwhile(
    explainer: Explainer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "alerts.jsonl").write_bytes(encode(ringing(explainer, (CRASH, p_negative(CRASH)))) + b"\n")
    show = ["alerts", "show", "alert-00aa", "--in", str(tmp_path)]
    on_terminal = CliRunner().invoke(app, show, env={"FORCE_COLOR": "1"}, catch_exceptions=False)
    assert "Underlined: " in on_terminal.stdout and "asking the model" in on_terminal.stderr

    def loaded(*_: object) -> None:
        raise AssertionError("a model is loaded")

    monkeypatch.setattr("streams.classifier.EmbeddedClassifier", loaded)
    piped = CliRunner().invoke(app, show, catch_exceptions=False)
    assert CRASH in piped.stdout and "Underlined" not in piped.stdout and not piped.stderr
    plain = CliRunner().invoke(app, [*show, "--no-words"], env={"FORCE_COLOR": "1"}, catch_exceptions=False)
    assert CRASH in plain.stdout and "Underlined" not in plain.stdout
