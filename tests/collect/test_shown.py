"""What people see of sources: doctor's findings, a look at each; texts of strangers stay texts."""

from datetime import UTC, datetime
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from processors.messages import Document
from streams.collect.check import Checked, checked_view
from streams.collect.declared import sources_of
from streams.doctor.deployment import examine_sources
from streams.settings import load_settings
from tests.collect.collecting import declare, feed

HOSTILE = ["a\x1b[2J\x1b[Hb", "a\r\nforged: all is well", "a\u202eb", "a[red]b[/red]", "a:bomb:b"]


def levels(**flags: str) -> list[str]:
    named = {name.replace("__", "."): value for name, value in flags.items()}
    return [finding.level for finding in examine_sources(load_settings(None, {}, named))]


def test_doctor_says_what_is_wrong_with_the_sources_and_who_should_be_told(tmp_path: Path) -> None:
    path = str(declare(tmp_path / "sources.toml", feed("wire", "https://example.org/feed")))
    assert levels() == []
    assert levels(collect__sources=path) == ["ok", "warn"]
    assert levels(collect__sources=path, collect__contact="desk@example.org") == ["ok"]
    assert levels(collect__sources=str(tmp_path / "none.toml")) == ["fail"]


@pytest.mark.parametrize("text", HOSTILE)
def test_what_a_feed_says_steers_no_terminal(text: str) -> None:
    entry = {"name": "wire", "kind": "news", "url": "https://a.example/", "licence": text, "purpose": text}
    [source] = sources_of({"source": [entry]}, "")
    document = Document(
        "1", "wire", "news", datetime(2024, 5, 6, tzinfo=UTC), text, metadata={"collected": {"time": text}}
    )
    console = Console(width=100, record=True, file=StringIO(), markup=False, emoji=False)
    console.print(checked_view(source, Checked(True, [document], [text]), 3))
    shown = console.export_text()
    assert all(character.isprintable() or character == "\n" for character in shown)
    assert "forged" not in [line.strip()[:6] for line in shown.splitlines()]
    assert text.isprintable() is (text in shown)
