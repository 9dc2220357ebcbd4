"""Alerts on the terminal: everything is told, and nothing that strangers wrote steers the terminal."""

import io
import re
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from sample_messages import NOON, alert, evidence

from processors.errors import ConfigurationError
from processors.messages import Alert, Measure, Term
from processors.reasons import reason_of
from streams.alert_view import (
    alert_details,
    alert_lines,
    band,
    event_reason,
    find_alert,
    list_alerts,
    read_alerts,
    show_alert,
)
from streams.codec import encode
from streams.names import Names
from streams.settings import load_master, load_settings
from streams.sqlite_store import STORE, SqliteStore


def printed(renderable: object, width: int = 100) -> str:
    console = Console(file=io.StringIO(), width=width, color_system=None)
    console.print(renderable)
    return str(console.file.getvalue())  # type: ignore[attr-defined]


def write(folder: Path, *alerts: Alert) -> Path:
    (folder / "alerts.jsonl").write_bytes(b"".join(encode(item) + b"\n" for item in alerts))
    return folder


def test_an_alert_is_told_with_all_its_evidence() -> None:
    text = " ".join(printed(alert_details(alert(), Names()), width=300).split())
    for said in (
        "URGENT · sentiment incident opened",
        "company:BA",
        "Mon 06 May 2024 12:00 UTC",
        "14 new negative stories about Boeing in 4 h, where 2.1 are usual.",
        "about once in 32 years (rung: 0.1 a year)",
        "14 seen, 2.1 expected (95 %: 0 to 6)",
        "14 of 20 seen (70%), 5.4 expected at that volume (95 %: 2 to 10)",
        "less than 9 new negative stories",
        "deliveries halted ×6",
        "06 May 11:53 · wire · desk · reach 120k · 5 times by 4 authors · 93% negative · company-product-news",
        "Boeing halts deliveries, take 2",
        "https://wire.example/1",
        "model minilm 1 (0123456789abcdef) · dictionary fedcba9876543210 · settings 0011223344556677",
    ):
        assert said in text
    assert "oordinated" not in text


def test_a_campaign_is_flagged_on_the_alert_and_on_the_document() -> None:
    text = printed(alert_details(alert(coordinated=True, evidence=(evidence(coordinated=True),)), Names()), width=200)
    assert "one text pushed by many accounts" in text
    assert "· coordinated" in text


def test_an_alert_without_measures_or_evidence_is_told_too() -> None:
    silent = alert(kind="no-data", series="source:wire", company=None, count=None, share=None, evidence=(), terms=())
    assert "no-data incident opened" in printed(alert_details(silent, Names()))


def test_the_incident_so_far_is_told_when_it_has_a_past() -> None:
    later = alert("alert-11bb", sequence=1, event="escalate", tier="flash")
    text = printed(alert_details(later, Names(), [alert(), later]))
    assert "opened" in text and "▸ Mon 06 May 2024 12:00 UTC  escalated  flash" in text


@pytest.mark.parametrize("width", [40, 80, 200])
def test_nothing_is_wider_than_the_terminal(width: int) -> None:
    long = alert(reason="word " * 80, evidence=(evidence(url="https://x.example/" + "a" * 300),))
    assert all(len(line) <= width for line in printed(alert_details(long, Names()), width).splitlines())


@given(st.text(max_size=60))
def test_texts_of_strangers_neither_steer_the_terminal_nor_count_as_markup(text: str) -> None:
    hostile = alert(
        reason=text,
        evidence=(evidence(excerpt=text, author=text, source=text or "x", url=text),),
        terms=(Term(text, 1, 1.0),),
    )
    for character in printed(alert_details(hostile, Names())):
        assert character == "\n" or character.isprintable()


def test_markup_and_escapes_are_shown_as_text() -> None:
    text = printed(
        alert_details(alert(evidence=(evidence(excerpt="[red]x[/red] \x1b[2Jy \u202ez [/] [link=http://a]"),)), Names())
    )
    assert "[red]x[/red] [2Jy z [/] [link=http://a]" in text


@pytest.mark.parametrize("chance", [11.6, 1.0, 0.4, 0.0123, 0.000123, 0.0])
def test_surprise_is_told_in_the_words_of_the_reason(chance: float) -> None:
    item = alert(chance_per_year=chance)
    [words] = re.findall(r"By chance ([^.]*(?:\.\d)?[^.]*)\.", reason_of(item, "Boeing"))
    assert f"rings so loudly {words} (rung" in " ".join(printed(alert_details(item, Names()), width=300).split())


@given(st.integers(0, 500), st.floats(0, 300), st.floats(0, 50), st.floats(0, 50), st.integers(5, 60))
def test_a_band_is_as_wide_as_asked_and_shows_what_was_observed(
    observed: int, expected: float, below: float, above: float, width: int
) -> None:
    measure = Measure(observed, observed, expected, max(0.0, expected - below), expected + above, 0.1)
    bar = band(measure, width).plain
    assert len(bar) == width
    assert bar.count("●") == 1


@pytest.mark.parametrize("form", ["folder", "file", "store folder", "store"])
def test_alerts_are_read_from_a_runs_folder_or_its_store(tmp_path: Path, form: str) -> None:
    alerts = [alert(), alert("alert-22", at=NOON, event="close", sequence=1)]
    if form.startswith("store"):
        store = SqliteStore(tmp_path / STORE)
        store.write_alerts(alerts)
        store.close()
        place = tmp_path / STORE if form == "store" else tmp_path
    else:
        write(tmp_path, *alerts)
        place = tmp_path / "alerts.jsonl" if form == "file" else tmp_path
    assert read_alerts(place) == alerts


def test_an_alert_is_found_by_any_unambiguous_beginning_of_its_id() -> None:
    alerts = [alert("alert-00aa"), alert("alert-00ab"), alert("alert-00ab77")]
    for prefix in ("00aa", "alert-00aa", "alert-00a"[:9] + "a"):
        assert find_alert(alerts, prefix, Path("run")).id == "alert-00aa"
    assert find_alert(alerts, "00ab", Path("run")).id == "alert-00ab"
    with pytest.raises(ConfigurationError, match=r"3 alerts in run begin with '00a'(?s:.*)alert-00aa "):
        find_alert(alerts, "00a", Path("run"))


def test_an_unknown_id_names_the_nearest(tmp_path: Path) -> None:
    write(tmp_path, alert("alert-00aa3366"), alert("alert-ffee9911"))
    console = Console(file=io.StringIO())
    with pytest.raises(ConfigurationError, match=r"begins with 'alert-00aa3399'(?s:.*)alert-00aa3366  Mon 06 May"):
        show_alert(tmp_path, "alert-00aa3399", console, Names())


def test_a_place_without_alerts_is_told_apart_from_a_run_in_which_none_rang(tmp_path: Path) -> None:
    console = Console(file=io.StringIO(), width=200)
    with pytest.raises(ConfigurationError, match="no alerts at"):
        list_alerts(tmp_path, console, Names())
    list_alerts(write(tmp_path), console, Names())
    assert "No alert rang" in console.file.getvalue()  # type: ignore[attr-defined]
    with pytest.raises(ConfigurationError, match="it holds no alert"):
        show_alert(tmp_path, "x", console, Names())


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "alerts.jsonl").write_bytes(b"{}\n")
    with pytest.raises(ConfigurationError, match="alerts.jsonl holds something that is no alert"):
        read_alerts(tmp_path)


def test_the_list_has_a_block_for_each_incident_as_it_was_told_last_and_says_how_to_see_one(tmp_path: Path) -> None:
    later = NOON + timedelta(hours=1)
    write(
        tmp_path,
        alert("alert-00aa3366"),
        alert("alert-11bb", incident="incident-topic"),
        alert("alert-22cc", incident="incident-topic", event="close", sequence=1, continued_by="incident-77"),
        alert("alert-ffee9911", event="escalate", sequence=1, at=later, tier="flash"),
        alert("alert-33dd", event="close", sequence=2, at=later),
        alert("alert-44ee", incident="incident-open", series="company:UPS", at=NOON - timedelta(hours=1)),
    )
    console = Console(file=io.StringIO(), width=140)
    list_alerts(tmp_path, console, Names())
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert text.index("company:UPS  opened  by chance") < text.index("company:BA  escalated, closed since")
    assert "44ee" in text and "ffee9911" in text
    assert not any(id in text for id in ("00aa3366", "11bb", "22cc", "33dd"))
    assert "2 incidents; 6 alerts of them: --events." in " ".join(text.split())


def test_an_alert_that_another_incident_goes_on_from_says_which_and_why() -> None:
    over = alert(series="company-topic:BA/legal-regulation", event="close", continued_by="incident-2")
    whole = alert("alert-99aa", incident="incident-2")
    told = " ".join(printed(alert_details(over, Names(), successor=whole)).split())
    assert "Goes on as company:BA (alert 99aa): the whole company rings now" in told
    same = " ".join(printed(alert_details(alert(continued_by="incident-2"), Names(), successor=whole)).split())
    assert "the share is unusual too now" in same
    assert "incident-2, which is not among" in " ".join(printed(alert_details(over, Names())).split())


def test_with_events_the_list_has_a_block_for_each_alert(tmp_path: Path) -> None:
    console = Console(file=io.StringIO(), width=140)
    written = write(tmp_path, alert("alert-00aa3366"), alert("alert-ffee9911", tier="flash"))
    list_alerts(written, console, Names(), events=True)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "06 May 12:00  URGENT  company:BA  opened" in text
    assert "00aa3366" in text and "ffee9911" in text
    assert "tocsin alerts show ID --in" in text


def test_the_list_tells_the_first_sentence_and_the_alert_all_of_the_reason(tmp_path: Path) -> None:
    item = alert(reason="7 where 0.5 are usual (95 % interval 0–2). By chance about once a year.")
    console = Console(file=io.StringIO(), width=140)
    list_alerts(write(tmp_path, item), console, Names())
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "7 where 0.5 are usual (95 % interval 0–2)." in text
    assert "By chance" not in text
    assert "By chance about once a year." in printed(alert_details(item, Names()), width=200)


def test_a_company_is_called_by_its_name_beside_its_id() -> None:
    names = Names(load_master(load_settings(None, {}, {})))
    assert "company:BA Boeing" in " ".join(printed(alert_details(alert(), names)).split())
    topic = alert(series="company-topic:BA/legal-regulation")
    assert "company-topic:BA/legal-regulation Boeing" in " ".join(printed(alert_lines([topic], names), 200).split())
    assert names.series("company:BA") == "Boeing (BA)"
    assert names.series("company-topic:BA/legal-regulation") == "Boeing (BA), legal-regulation"
    assert [names.series(name) for name in ("market:all", "sector:Services", "topic:ipo", "source:wire")] == [
        "the whole market",
        "sector Services",
        "topic ipo",
        "source wire",
    ]
    assert names.series("company:NOBODY") == Names().series("company:NOBODY") == "NOBODY"
    assert names.company("company:NOBODY") == names.company("sector:BA") == ""


def test_a_revision_is_told_once_and_every_other_event_before_its_reason() -> None:
    late = "UPS: revised, as documents came late or proved to be one story: 3 where 1 is usual. By chance often."
    assert event_reason(alert(event="revise", reason=late)) == late.removesuffix(" By chance often.")
    assert event_reason(alert(event="open", reason="UPS: 3 where 1 is usual.")) == "opened: UPS: 3 where 1 is usual."
