"""What a training set may contain, and how a fault in it is told."""

import gzip
import json
from dataclasses import replace
from pathlib import Path

import pytest

from models.config import DEFAULT_CONFIG, DataSource, Head, load_config
from models.datasets import Example, labelled_rows, load_examples
from processors.errors import ConfigurationError
from processors.labels import SENTIMENTS, TOPICS

HEAD = Head(name="mood", labels=("bad", "good"))
ROWS = "text,label\nShares fall,bad\nShares drop,bad\nShares rise,good\nShares soar,good\n"


def load(folder: Path, content: str, name: str = "set.csv", **options: object) -> dict[str, dict[str, int]]:
    (folder / name).write_text(content, encoding="utf-8")
    source = DataSource(file=name, head="mood", **options)  # type: ignore[arg-type]
    return {example.text: dict(example.targets) for example in load_examples(folder, [source], [HEAD])}


def test_a_csv_teaches_its_head(tmp_path: Path) -> None:
    assert load(tmp_path, ROWS)["Shares rise"] == {"mood": 1}


def test_json_lines_teach_like_a_csv(tmp_path: Path) -> None:
    lines = [json.dumps({"text": f"text {n}", "label": "good" if n % 2 else "bad"}) for n in range(4)]
    assert load(tmp_path, "\n".join(lines), "set.jsonl")["text 3"] == {"mood": 1}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("set.csv.gz", ROWS),
        ("set.json.gz", json.dumps([{"text": "Shares rise", "label": label} for label in ("good", "bad")])),
        ("set.jsonl.gz", '{"text": "Shares rise", "label": "good"}\n{"text": "Shares fall", "label": "bad"}\n'),
    ],
)
def test_a_packed_file_is_read_as_its_name_says(tmp_path: Path, name: str, content: str) -> None:
    whole = gzip.compress(content.encode())
    source = DataSource(file=name, head="mood")
    (tmp_path / name).write_bytes(whole)
    rows = list(labelled_rows(tmp_path / name, source))
    assert ("", "Shares rise", "good") in [row[1:] for row in rows]
    (tmp_path / name).write_bytes(whole[:-9])
    with pytest.raises(ConfigurationError, match=f"{name}: no whole gzip file"):
        list(labelled_rows(tmp_path / name, source))


def test_labels_of_the_file_are_translated(tmp_path: Path) -> None:
    content = ROWS.replace("bad", "0").replace("good", "1")
    assert load(tmp_path, content, labels={"0": "bad", "1": "good"}) == load(tmp_path, ROWS)


def test_texts_that_differ_by_link_and_markup_only_are_one(tmp_path: Path) -> None:
    content = ROWS + "Shares  rise https://a.b/c,good\nShares rise https://d.e/f,good\n"
    assert len(load(tmp_path, content)) == 5


def test_a_headline_whose_companies_fare_differently_teaches_nothing(tmp_path: Path) -> None:
    content = (
        "text,label\nUp,{'A': 'good'}\nUp too,\"{'A': 'good', 'B': 'good'}\"\nDown,{'A': 'bad'}\n"
        "Osian's down,{'Osian's': 'bad'}\nMixed,\"{'A': 'good', 'B': 'bad'}\"\n"
    )
    found = load(tmp_path, content, per_entity=True)
    assert found == {"Up": {"mood": 1}, "Up too": {"mood": 1}, "Down": {"mood": 0}, "Osian's down": {"mood": 0}}


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (ROWS + "Shares stay,meh\n", "set.csv, row 6: label 'meh' is not one of head 'mood': bad, good"),
        (ROWS + "Shares stay,\n", "set.csv, row 6: the label in column 'label' is empty"),
        (ROWS + "Shares stay\n", "set.csv, row 6: column 'label' is missing"),
        (ROWS + " ,good\n", "set.csv, row 6: the text is empty"),
        ("text,tag\nShares fall,bad\n", "set.csv, row 2: column 'label' is missing"),
        ("text,label\nA,bad\nB,bad\nC,good\n", "label 'good' has 1 example"),
    ],
)
def test_a_fault_is_told_with_its_place(tmp_path: Path, content: str, told: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path, content)
    assert told in str(caught.value)


def test_what_a_spreadsheet_puts_before_the_header_is_no_part_of_it(tmp_path: Path) -> None:
    assert load(tmp_path, "\ufeff" + ROWS) == load(tmp_path, ROWS)


@pytest.mark.parametrize(
    ("name", "told"), [("set.csv", "no CSV file in UTF-8"), ("set.jsonl", "line 1: not valid JSON")]
)
def test_a_file_in_another_encoding_is_told(tmp_path: Path, name: str, told: str) -> None:
    (tmp_path / name).write_bytes('"text","label"\n"Société","bad"\n'.encode("latin-1"))
    with pytest.raises(ConfigurationError, match=told):
        load_examples(tmp_path, [DataSource(file=name, head="mood")], [HEAD])


def several(folder: Path, rows: list[list[object]], *heads: Head, **options: object) -> list[Example]:
    (folder / "set.json").write_text(json.dumps(rows), encoding="utf-8")
    sources = [DataSource(file="set.json", head=head.name, text="0", label="1", **options) for head in heads]  # type: ignore[arg-type]
    return load_examples(folder, sources, heads)


def test_rows_of_an_array_may_carry_several_labels_of_which_a_head_of_one_takes_the_first(tmp_path: Path) -> None:
    rows: list[list[object]] = [["A", "x good"], ["B", "good bad"], ["A", "bad"], ["C", "x"], ["D", "bad bad"]]
    both = replace(HEAD, name="both", several=True)
    found = several(tmp_path, rows, HEAD, both, separator=" ", only_listed=True, labels={"good": "good", "bad": "bad"})
    assert [(each.text, dict(each.targets), dict(each.several)) for each in found] == [
        ("A", {"mood": 1}, {"both": (0, 1)}),
        ("B", {"mood": 1}, {"both": (0, 1)}),
        ("D", {"mood": 0}, {"both": (0,)}),
    ]


def test_lines_of_objects_in_a_file_named_as_one_array_are_told_their_own_name(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"not one JSON array .*named \.jsonl"):
        load(tmp_path, '{"text": "A", "label": "bad"}\n{"text": "B", "label": "bad"}\n', "set.json")


def test_labels_that_the_data_do_not_teach_are_let_alone_where_the_head_says_so(tmp_path: Path) -> None:
    rows: list[list[object]] = [["A", "bad"], ["B", "bad"]]
    with pytest.raises(ConfigurationError, match="label 'good' has 0 example"):
        several(tmp_path, rows, HEAD)
    assert len(several(tmp_path, rows, replace(HEAD, partial=True))) == 2


def test_a_title_stands_before_the_text(tmp_path: Path) -> None:
    content = "head,text,label\nOil,Crude falls,bad\n,Up,good\nGas,Down,bad\n,Upper,good\n"
    assert list(load(tmp_path, content, title="head")) == ["Oil. Crude falls", "Up", "Gas. Down", "Upper"]


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"nowhere\.csv: no such file"):
        load_examples(tmp_path, [DataSource(file="nowhere.csv", head="mood")], [HEAD])


def test_a_misspelt_setting_is_refused_with_the_nearest_name(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text('name = "x"\nversion = "1"\nheads = []\ndata = []\n[optimiser]\nlearning_rat = 1.0\n')
    with pytest.raises(ConfigurationError, match="unknown key 'learning_rat'; did you mean 'learning_rate'"):
        load_config(path)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ('heads = [{ name = "m", labels = ["a", "a"] }]', "no label twice"),
        ('heads = [{ name = "m", labels = ["a"] }]', "two labels at least"),
        (
            'heads = [{ name = "m", labels = ["a", "b"], class_weights = { c = 2 } }]',
            r"labels that it has not: \['c'\]",
        ),
        ('data = [{ file = "x.csv", head = "moot" }]', r"x.csv: there is no head named 'moot'; heads are \['m'\]"),
        ("languages = []", "languages: one at least is needed"),
        ('tuning = { method = "lorra" }', "method 'lorra' is none of full, lora"),
        ('tuning = { method = "lora" }\nencoder = { frozen = 1 }', "frozen goes with tuning.method 'full' only"),
        ("optimiser = { epochs = 0 }", "epochs is 0: at least 1 is needed"),
        ("split = { held_out = 5 }", "fold 5 of 5 cannot be held out: 0 to 4, or -1 for none"),
        ("split = { held_out = -1 }\noptimiser = { patience = 1 }", "patience needs a fold that is held out"),
    ],
)
def test_what_cannot_be_trained_is_refused_before_anything_is_read(tmp_path: Path, changed: str, told: str) -> None:
    given = {"heads": 'heads = [{ name = "m", labels = ["a", "b"] }]', "data": "data = []"}
    lines = [line for key, line in given.items() if not changed.startswith(key)]
    (tmp_path / "own.toml").write_text("\n".join(['name = "x"', 'version = "1"', *lines, changed]))
    with pytest.raises(ConfigurationError, match=told):
        load_config(tmp_path / "own.toml")


def test_a_configuration_states_only_what_differs_from_the_one_it_extends(tmp_path: Path) -> None:
    (tmp_path / "base.toml").write_text(
        'name = "x"\nversion = "1"\nheads = []\ndata = []\n[optimiser]\nepochs = 4\nbatch_size = 8\n'
    )
    (tmp_path / "own.toml").write_text('extends = "base.toml"\nseed = 7\n[optimiser]\nepochs = 2\n')
    config = load_config(tmp_path / "own.toml")
    assert (config.name, config.seed, config.optimiser.epochs, config.optimiser.batch_size) == ("x", 7, 2, 8)


def test_a_configuration_that_extends_itself_is_refused(tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text('extends = "own.toml"\n')
    with pytest.raises(ConfigurationError, match="expected the name of another file beside it"):
        load_config(tmp_path / "own.toml")


def test_the_default_model_has_the_labels_of_the_contract_in_their_order() -> None:
    config = load_config(DEFAULT_CONFIG)
    heads = {head.name: head.labels for head in config.heads if head.exported}
    assert heads == {"sentiment": SENTIMENTS, "topic": TOPICS}


@pytest.mark.data
def test_the_two_orders_of_sentiment_labels_are_not_confused(data_dir: Path) -> None:
    config = load_config(DEFAULT_CONFIG)
    examples = {example.text: example.targets for example in load_examples(data_dir, config.data, config.heads)}
    downgrade = next(text for text in examples if text.startswith("$CX - Cemex cut"))
    assert examples[downgrade]["sentiment"] == SENTIMENTS.index("negative")
    jump = next(text for text in examples if text.startswith("Enochian Bio +18%"))
    assert examples[jump]["sentiment"] == SENTIMENTS.index("positive")
