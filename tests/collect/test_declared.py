"""Sources are declared strictly: what is wrong is told, all of it, with the nearest name that is right."""

from pathlib import Path
from typing import Any

import pytest

from processors.errors import ConfigurationError
from streams.collect.declared import load_sources, sources_of

FEED = {"name": "wire", "kind": "news", "url": "https://example.org/feed", "licence": "public", "purpose": "research"}
ROOT = Path(__file__).resolve().parents[2]


def fault(*entries: dict[str, Any], **more: Any) -> str:
    with pytest.raises(ConfigurationError) as caught:
        sources_of({"source": list(entries), **more}, "sources.toml")
    return str(caught.value)


def test_a_source_is_a_feed_a_file_or_pushed() -> None:
    file = FEED | {"name": "desk", "url": "", "path": "/var/desk.jsonl"}
    pushed = {name: value for name, value in FEED.items() if name != "url"} | {"name": "partner", "push": True}
    found = sources_of({"source": [FEED, file, pushed]}, "sources.toml")
    assert [source.way for source in found] == ["feed", "file", "push"]
    assert found[0].interval == 300 and found[0].host == "example.org"
    assert found[0].terms == {"licence": "public", "purpose": "research"}


@pytest.mark.parametrize("missing", ["name", "kind", "licence", "purpose"])
def test_without_name_kind_licence_and_purpose_nothing_is_taken(missing: str) -> None:
    assert f"{missing} is missing" in fault({name: value for name, value in FEED.items() if name != missing})


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ({"licens": "x"}, "licens is not known: did you mean licence?"),
        ({"url": ""}, "give one of url, path and push"),
        ({"path": "x"}, "give one of url, path and push"),
        ({"url": "ftp://example.org/"}, "is no http or https address"),
        ({"url": "https:///feed"}, "is no http or https address"),
        ({"url": "https://example.org:x/"}, "is no http or https address"),
        ({"interval": 0}, "interval should be greater than or equal to 1, not 0"),
        ({"interval": "5m"}, "interval should be a valid integer, not '5m'"),
        ({"kind": "blog"}, "kind should be 'news' or 'social', not 'blog'"),
        ({"name": "a/b"}, "no slash"),
        ({"name": "tocsin-canary"}, "taken, by the canary"),
        ({"licence": "  "}, "licence says nothing"),
        ({"url": "", "push": True, "interval": 20}, "interval is for a source with a url"),
    ],
)
def test_what_is_wrong_is_told_with_its_source(entry: dict[str, Any], told: str) -> None:
    message = fault(FEED | entry)
    assert told in message and "source 1" in message


def test_everything_that_is_wrong_is_told_at_once() -> None:
    message = fault(FEED, FEED, FEED | {"name": "x", "licens": 1}, sources=[])
    assert "2 sources are called 'wire'" in message
    assert "sources is not known: did you mean source?" in message
    assert "source 3 ('x')" in message


@pytest.mark.parametrize("text", ["", "source = 3", "[source]\nname='x'", "x", "source = [3]"])
def test_a_file_that_declares_none_says_how_to_begin(tmp_path: Path, text: str) -> None:
    path = tmp_path / "sources.toml"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match=r"\[\[source\]\]|no valid TOML"):
        load_sources(path)


def test_a_file_that_is_not_there_or_no_text_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"set collect\.sources"):
        load_sources(tmp_path / "none.toml")
    path = tmp_path / "binary.toml"
    path.write_bytes(b"\xff")
    with pytest.raises(ConfigurationError, match="UTF-8"):
        load_sources(path)


def test_the_example_is_sound_once_its_lines_are_taken_in() -> None:
    """Its sources are commented out: whoever uses one has looked at its terms."""
    example = ROOT / "compose" / "sources" / "sources.example.toml"
    lines = example.read_text().splitlines()
    taken = "\n".join(line.removeprefix("#") for line in lines if not line.startswith("# "))
    import tomllib

    found = sources_of(tomllib.loads(taken), example.name)
    assert {source.way for source in found} == {"feed", "file", "push"}
    assert all(source.url.startswith("https://") for source in found if source.url)
    assert "not checked" in example.read_text()
