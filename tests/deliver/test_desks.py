"""What a desk is, what passes it, when it is left alone, and what its file may say."""

import tomllib
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from processors.errors import ConfigurationError
from processors.labels import TOPICS
from streams import cli
from streams.channels import AppriseChannel, WebhookChannel
from streams.codec import encode
from streams.desk_file import DeskFile, parse_desks, read_desks
from streams.desks import Desk, Quiet, simulate
from streams.settings import Settings, load_master
from tests.deliver.receiver import OTHER, SECRET
from tests.streams.sample_messages import NOON, alert

NEW_YORK = ZoneInfo("America/New_York")
MASTER = load_master(Settings())
HOUR = timedelta(hours=1)


def desk(**changes: Any) -> Desk:
    return replace(Desk("d", frozenset({"company:BA", "company:GE"}), 0.1), **changes)


def test_what_passes_is_rare_enough_for_the_budget_shared_by_all_series() -> None:
    assert desk().threshold == pytest.approx(365 * 0.1 / 2)
    limit = desk().threshold
    assert desk().passes(alert(chance_per_year=limit))
    assert not desk().passes(alert(chance_per_year=limit * 1.01))
    assert not desk().passes(alert(series="company:AAPL"))
    assert desk(least="urgent").passes(alert()) and not desk(least="flash").passes(alert())
    assert not desk().passes(alert(kind="no-data")) and desk(kinds=frozenset({"no-data"})).watches(
        alert(kind="no-data")
    )


@given(st.integers(1, 200), st.floats(0.001, 100))
def test_by_chance_a_desk_rings_no_more_often_than_its_budget(series: int, budget: float) -> None:
    many = Desk("d", frozenset(f"company:{n}" for n in range(series)), budget)
    assert many.threshold * many.size == pytest.approx(365 * budget)


def test_the_silence_of_a_source_counts_beside_its_surges() -> None:
    series = frozenset({"source:wire", "company:BA"})
    assert Desk("d", series, 1).size == 2
    assert Desk("d", series, 1, kinds=frozenset({"sentiment", "no-data"})).size == 3
    assert Desk("d", series, 1, kinds=frozenset({"no-data"})).size == 1


def test_the_topics_of_a_company_share_the_budget_as_one() -> None:
    topics = [
        f"company-topic:{company}/{topic}" for company in ("BA", "XOM") for topic in ("earnings", "markets", "ipo")
    ]
    assert Desk("d", frozenset({"company:BA", "topic:ipo", *topics}), 1).size == 4


NIGHT = Quiet(NEW_YORK, time(18), time(8), frozenset({5, 6}), "flash")


@pytest.mark.parametrize(
    ("now", "until"),
    [
        ((2024, 5, 6, 12), None),  # a Monday
        ((2024, 5, 6, 18), (2024, 5, 7, 8)),
        ((2024, 5, 7, 7, 59), (2024, 5, 7, 8)),
        ((2024, 5, 7, 8), None),
        ((2024, 5, 10, 17, 59), None),
        ((2024, 5, 10, 18), (2024, 5, 13, 8)),  # Friday evening: the weekend and its nights
        ((2024, 5, 11, 12), (2024, 5, 13, 8)),
        ((2024, 3, 9, 20), (2024, 3, 11, 8)),  # the clocks go forward that night
    ],
)
def test_quiet_lasts_until_its_end_on_the_clocks_of_its_zone(now: Any, until: Any) -> None:
    found = NIGHT.until(datetime(*now, tzinfo=NEW_YORK))
    assert found == (datetime(*until, tzinfo=NEW_YORK) if until else None)
    assert found is None or found.tzinfo is UTC


@given(st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)))
def test_the_end_of_quiet_is_not_quiet_and_lies_ahead(now: datetime) -> None:
    until = NIGHT.until(now)
    assert until is None or (until > now and NIGHT.until(until) is None)


def test_what_is_loud_enough_rings_through_the_quiet() -> None:
    night = datetime(2024, 5, 7, 3, tzinfo=NEW_YORK)
    quiet = desk(quiet=NIGHT)
    assert quiet.quiet_until(alert(tier="urgent"), night) is not None
    assert quiet.quiet_until(alert(tier="flash"), night) is None
    assert desk().quiet_until(alert(), night) is None


def test_a_simulation_rings_each_incident_once_with_its_first_event_that_passes() -> None:
    limit = desk().threshold
    events = [
        alert("a2", sequence=2, event="close", at=NOON + 9 * HOUR, chance_per_year=limit / 9),
        alert("a1", sequence=1, event="escalate", at=NOON + HOUR, chance_per_year=limit / 2),
        alert("a0", chance_per_year=limit * 2),
        alert("b0", incident="b", at=NOON + 24 * HOUR, chance_per_year=limit * 2),
        alert("b1", incident="b", event="close", sequence=1, at=NOON + 25 * HOUR, chance_per_year=limit / 9),
        alert("c0", incident="c", series="market:all"),
    ]
    rung = simulate(desk(quiet=NIGHT), events, NOON)
    assert [one.id for one in rung.alerts] == ["a1"]
    assert (rung.watched, rung.by_day, rung.held) == (2, {date(2024, 5, 6): 1}, 0)
    later = simulate(desk(), events, NOON + 2 * HOUR)
    assert (later.alerts, later.watched) == ([], 2), "what rang before does not ring anew"
    assert simulate(desk(quiet=replace(NIGHT, begin=time(9), end=time(10))), events, NOON).held == 1, (
        "13:00 UTC is 9:00 there"
    )


GOOD = f"""
[desk.energy]
companies = ["BA"]
company_topics = true
sectors = ["Utilities"]
topics = ["energy-oil"]
sources = ["wire"]
series = ["market:all"]
false_alarms_a_day = 0.5
kinds = ["sentiment", "no-data"]
tier = "urgent"
channels = ["room", "mail"]

[desk.energy.quiet]
begin = "18:00"
end = "08:00"
zone = "America/New_York"
days = ["saturday", "sunday"]
through = "flash"

[desk.all]
companies = ["*"]
false_alarms_a_day = 1
channels = ["room"]

[channel.room]
webhook = "https://hooks.example/${{PATH_OF_ROOM}}"
secrets = ["{SECRET}", "{OTHER}"]

[channel.mail]
apprise = "mailtos://user:${{MAIL}}@example.com"
events = ["open"]
"""
ENVIRONMENT = {"PATH_OF_ROOM": "tocsin", "MAIL": "secret"}


def parsed(text: str = GOOD, old: str = "", new: str = "") -> DeskFile:
    assert old in text
    return parse_desks(tomllib.loads(text.replace(old, new, 1) if old else text), MASTER, ENVIRONMENT, "desks.toml")


def test_a_file_states_desks_and_channels() -> None:
    stated = parsed()
    energy, everybody = stated.desks["energy"], stated.desks["all"]
    topics = {f"company-topic:BA/{topic}" for topic in TOPICS}
    assert energy.series == topics | {"company:BA", "sector:Utilities", "topic:energy-oil", "source:wire", "market:all"}
    assert (energy.size, energy.least, energy.quiet) == (7, "urgent", NIGHT)
    assert everybody.series == {f"company:{id}" for id in MASTER.companies}
    room, mail = stated.channels["room"], stated.channels["mail"]
    assert isinstance(room, WebhookChannel) and room.url == "https://hooks.example/tocsin" and len(room.keys()) == 2
    assert isinstance(mail, AppriseChannel) and "secret" in mail.url and mail.events == ("open",)
    assert "secret" not in repr(stated) and SECRET not in repr(stated)


WRONG = [
    ("[desk.energy]", "[desks.energy]", "no key 'desks': did you mean desk?"),
    ("tier =", "teir =", "desk.energy: there is no key 'teir': did you mean tier?"),
    ("zone =", "timezone =", "desk.energy.quiet: there is no key 'timezone': did you mean zone?"),
    ('["BA"]', '["BAx"]', "desk.energy.companies: there is no company 'BAx': did you mean BA?"),
    ('["Utilities"]', '["Utility"]', "no sector 'Utility': did you mean Utilities?"),
    ('["energy-oil"]', '["energy"]', "no topic 'energy': did you mean energy-oil?"),
    ('["market:all"]', '["market"]', "desk.energy.series: 'market' is no name of a series"),
    ("America/New_York", "America/New York", "no time zone 'America/New York': did you mean America/New_York?"),
    ('["room", "mail"]', '["rome", "mail"]', "desk.energy.channels: there is no channel 'rome': did you mean room?"),
    ("= 0.5", "= 0", "false_alarms_a_day should be greater than 0"),
    ("= 0.5", "= nan", "false_alarms_a_day"),
    ("= 0.5", '= "0.5"', "false_alarms_a_day should be a valid number"),
    ("false_alarms_a_day = 0.5\n", "", "desk.energy.false_alarms_a_day is missing"),
    ('tier = "urgent"', 'tier = "loud"', "desk.energy.tier should be 'watch', 'urgent' or 'flash'"),
    ('end = "08:00"', "", "give both begin and end"),
    ('end = "08:00"', 'end = "18:00"', "not the same"),
    ('["saturday", "sunday"]', '["sat"]', "no day 'sat': did you mean saturday?"),
    ("[desk.energy]", "[desk.'no good']", "small letters"),
    ("https://hooks.example", "http://hooks.example", "plain http"),
    ("https://hooks.example", "ftp://hooks.example", "no URL of http or https"),
    (f'["{SECRET}", "{OTHER}"]', "[]", "secrets: one at least"),
    (SECRET, "whsec_c2hvcnQ=", "secret 1 is not whsec_"),
    ("${MAIL}", "${MAIl}", "channel.mail.apprise: the environment has no MAIl"),
    ("mailtos://", "mailtoss://", "apprise does not know this address of 'mailtoss'"),
    ("apprise =", 'webhook = "https://a.example"\napprise =', "webhook or apprise, one of the two"),
]


@pytest.mark.parametrize(("old", "new", "told"), WRONG, ids=[told[:50] for *_, told in WRONG])
def test_a_slip_is_refused_with_its_place_and_what_was_meant(old: str, new: str, told: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        parsed(GOOD, old, new)
    assert told in str(error.value)
    assert all(line.startswith("desks.toml: ") for line in str(error.value).splitlines())
    assert SECRET not in str(error.value) and "secret@" not in str(error.value)


def test_all_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(ConfigurationError) as error:
        parsed(GOOD.replace('["BA"]', '["BAx"]').replace("${MAIL}", "${X}"))
    assert len(str(error.value).splitlines()) == 2


def test_desks_are_tried_on_a_run_without_the_secrets_of_their_channels(tmp_path: Path) -> None:
    path = tmp_path / "desks.toml"
    path.write_text(GOOD)
    with pytest.raises(ConfigurationError, match=r"desks\.toml: channel\.room\.webhook: the environment has no PATH"):
        read_desks(path, MASTER)
    run = tmp_path / "alerts.jsonl"
    run.write_bytes(
        encode(alert(chance_per_year=0.001)) + b"\n" + encode(alert("x", incident="i", tier="watch")) + b"\n"
    )
    done = CliRunner().invoke(cli.app, ["desk", "simulate", str(path), "--alerts", str(run)])
    text = " ".join(done.output.split())
    assert done.exit_code == 0
    assert "energy: 1 of 2 incidents in 30 days" in text
    assert (
        "7 series (the topics of a company as one) share 0.5 false alarms a day: by chance at most 15.0 of these"
        in text
    )
    assert "Mon 06 May 2024" in text and "company:BA Boeing" in text
    refused = CliRunner().invoke(cli.app, ["desk", "simulate", str(path)])
    assert isinstance(refused.exception, ConfigurationError)
    with pytest.raises(ConfigurationError, match=r"set deliver\.desks"):
        read_desks(tmp_path / "none.toml", MASTER)


def test_a_trial_needs_no_channels_and_a_file_without_a_desk_is_told(tmp_path: Path) -> None:
    path, run = tmp_path / "desks.toml", tmp_path / "alerts.jsonl"
    run.write_bytes(encode(alert(chance_per_year=0.001)) + b"\n")
    trial = ["desk", "simulate", str(path), "--alerts", str(run)]
    for channels in ("", 'channels = ["nowhere"]'):
        path.write_text(f'[desk.energy]\ncompanies = ["BA"]\nfalse_alarms_a_day = 0.5\n{channels}')
        assert "energy: 1 of 1 incidents" in CliRunner().invoke(cli.app, trial).output
        with pytest.raises(ConfigurationError, match=r"desk\.energy\.channels"):
            read_desks(path, MASTER)
    path.write_text("# [desk.energy]\n")
    refused = CliRunner().invoke(cli.app, trial)
    assert isinstance(refused.exception, ConfigurationError)
    assert f"{path} declares no desk: begin with a line [desk.NAME]" in str(refused.exception)


def test_the_deployments_file_tells_of_keys_that_there_are_and_states_nothing_as_it_is() -> None:
    shipped = (Path(__file__).resolve().parent.parent.parent / "compose" / "desks" / "desks.toml").read_text()
    assert tomllib.loads(shipped) == {}
    stated = "\n".join(line.removeprefix("# ") for line in shipped.split("\n\n", 1)[1].splitlines())
    found = parse_desks(
        tomllib.loads(stated.replace("whsec_...", SECRET)), MASTER, {"MAIL_PASSWORD": "x"}, "desks.toml"
    )
    assert set(found.desks["energy"].channels) == set(found.channels) == {"room", "mail"}
