"""Enrichment: what one document becomes, before and after its classification."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from processors.companies import CompanyMaster
from processors.enrichment import EXCERPT_CHARACTERS, Enricher, ModelIdentity, classification_of, places_of
from processors.errors import ConfigurationError
from processors.labels import SENTIMENTS, TOPICS
from processors.messages import Document
from streams.settings import Settings, load_master

NOW = datetime(2020, 6, 1, 12, tzinfo=UTC)
NEGATIVE = classification_of((0.7, 0.2, 0.1), [0.9, *[0.1 / 19] * 19])


@pytest.fixture(scope="module")
def master() -> CompanyMaster:
    return load_master(Settings())


@pytest.fixture(scope="module")
def enricher(master: CompanyMaster) -> Enricher:
    model = ModelIdentity("m", "2", "h" * 16, frozenset({"en"}))
    return Enricher(master, [model], "s" * 16, timedelta(hours=24))


def document(text: str = "", title: str = "", **more: Any) -> Document:
    return Document(id="1", source="feed", kind="news", published_at=NOW, title=title, text=text, **more)


def test_each_company_gets_one_mention_and_the_document_one_wide_record(enricher: Enricher) -> None:
    prepared = enricher.prepare(document("Boeing and Apple fall; $AAPL and $BA lead the Dow lower"), NOW)
    enriched = enricher.assemble(prepared, NEGATIVE)

    assert [(m.company, m.companies_in_document) for m in enriched.mentions] == [("AAPL", 2), ("BA", 2)]
    assert enriched.wide is not None
    assert enriched.wide.companies == ("AAPL", "BA")
    assert enriched.wide.sectors == tuple(sorted({m.sector for m in enriched.mentions}))
    assert len({m.id for m in enriched.mentions}) == 2


def test_each_of_several_companies_is_told_by_what_the_text_says_of_it(enricher: Enricher) -> None:
    prepared = enricher.prepare(
        document("Boeing soars &amp; rallies as Apple slips; GE waits", title="GE &amp; more"), NOW
    )
    assert [prepared.model_text[slice(*place)] for place in prepared.names] == ["GE", "Boeing", "Apple"]
    up, down = (0.1, 0.2, 0.7), (0.8, 0.1, 0.1)
    said = classification_of((0.3, 0.4, 0.3), [0.9, *[0.1 / 19] * 19], (None, up, down))
    enriched = enricher.assemble(prepared, said)

    labels = {mention.company: mention.document.sentiment.label for mention in enriched.mentions}
    assert labels == {"GE": "neutral", "BA": "positive", "AAPL": "negative"}, "GE's: that of the text as a whole"
    links = {link.company: link.sentiment for link in enriched.document.companies}
    assert links == {"GE": None, "BA": said.names[1], "AAPL": said.names[2]}
    assert enriched.document.sentiment == said.sentiment
    assert enriched.wide is not None
    assert enriched.wide.document.sentiment == said.sentiment


def test_of_a_text_with_one_company_nothing_is_asked_apart(enricher: Enricher) -> None:
    prepared = enricher.prepare(document("Boeing soars, Boeing slips"), NOW)
    assert prepared.names == ()
    enriched = enricher.assemble(prepared, NEGATIVE)
    assert enriched.document.companies == prepared.companies
    assert enriched.mentions[0].document.sentiment == NEGATIVE.sentiment


def test_markup_and_entities_reach_neither_model_nor_evidence(enricher: Enricher) -> None:
    prepared = enricher.prepare(document("<p>Apple &amp; Boeing <b>fall</b></p>", title="Markets &gt; today"), NOW)
    enriched = enricher.assemble(prepared, NEGATIVE)

    assert "<" not in prepared.model_text and "&amp;" not in prepared.model_text
    assert enriched.wide is not None
    assert enriched.wide.document.excerpt == "Markets > today\nApple & Boeing fall"
    assert enriched.document.text == "<p>Apple &amp; Boeing <b>fall</b></p>", "what the source sent is kept"


def test_what_made_the_judgement_travels_with_it(enricher: Enricher, master: CompanyMaster) -> None:
    enriched = enricher.assemble(enricher.prepare(document("$AAPL falls"), NOW), NEGATIVE)
    versions = enriched.mentions[0].document.versions
    assert (versions.model, versions.model_version, versions.dictionary_hash) == ("m", "2", master.hash)
    assert enriched.document.versions == versions


@pytest.mark.parametrize("text", ["", "https://example.com/x", "苹果公司股价今天大幅下跌"])
def test_what_no_model_reads_is_kept_unlabelled_and_feeds_no_series(enricher: Enricher, text: str) -> None:
    prepared = enricher.prepare(document(text), NOW)
    assert prepared.model_text == ""

    enriched = enricher.assemble(prepared, None)
    assert (enriched.document.status, enriched.document.sentiment) == ("unlabelled", None)
    assert enriched.mentions == ()
    assert enriched.wide is None


def test_each_language_has_a_model_of_its_own_which_travels_with_the_judgement(master: CompanyMaster) -> None:
    models = [
        ModelIdentity(name, "1", name * 16, frozenset({language})) for name, language in (("e", "en"), ("c", "zh"))
    ]
    enricher = Enricher(master, models, "s" * 16, timedelta(hours=24))
    texts = [
        "Apple falls after a weak quarter",
        "苹果公司股价今天大幅下跌",
        "La acción de Apple cae después de un trimestre débil",
    ]
    prepared = [enricher.prepare(document(text), NOW) for text in texts]

    assert [places_of(prepared, model) for model in models] == [[0], [1]]
    assert prepared[2].model_text == ""
    for one, model in zip(prepared, models, strict=False):
        versions = enricher.assemble(one, NEGATIVE).document.versions
        assert versions is not None
        assert versions.model_hash == model.hash


def test_two_models_of_one_language_are_refused_by_name(master: CompanyMaster) -> None:
    models = [ModelIdentity(name, "1", "h", frozenset({"zh", name})) for name in ("one", "two")]
    with pytest.raises(ConfigurationError, match="one 1 and two 1 both read 'zh'"):
        Enricher(master, models, "s" * 16, timedelta(hours=24))


def test_a_repost_names_its_original_by_identity(enricher: Enricher) -> None:
    enriched = enricher.assemble(enricher.prepare(document("$AAPL falls", repost_of="77"), NOW), NEGATIVE)
    assert enriched.mentions[0].document.repost_of == "feed/77"


def test_late_is_judged_by_the_clock_and_not_before_there_is_one(enricher: Enricher) -> None:
    old = document("$AAPL falls")
    assert not enricher.prepare(old, None).late
    assert not enricher.prepare(old, NOW + timedelta(hours=24)).late
    assert enricher.prepare(old, NOW + timedelta(hours=24, seconds=1)).late


def test_a_long_text_is_cut_in_the_evidence_only(enricher: Enricher) -> None:
    enriched = enricher.assemble(enricher.prepare(document("$AAPL falls. " + "word " * 1000), NOW), NEGATIVE)
    excerpt = enriched.mentions[0].document.excerpt
    assert len(excerpt) <= EXCERPT_CHARACTERS
    assert excerpt.endswith("…")
    assert len(enriched.document.text) > 5000


def test_the_likeliest_labels_win_and_probabilities_keep_six_decimals() -> None:
    answer = classification_of((0.1234567, 0.2, 0.6765433), [0.0] * 18 + [0.75, 0.25])
    assert answer.sentiment.label == SENTIMENTS[2]
    assert answer.sentiment.negative == 0.123457
    assert (answer.topic.label, answer.topic.probability) == (TOPICS[18], 0.75)
