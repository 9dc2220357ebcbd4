"""Desks and the channels that they are told on, as one TOML file states them; strict, so that no slip silences an alarm.

[desk.energy]
companies = ["XOM", "CVX"]          # by id, as `tocsin alerts` shows them; ["*"] is every company
sectors = ["Basic Materials"]
topics = ["energy-oil"]
false_alarms_a_day = 0.5
channels = ["room"]

[desk.energy.quiet]
begin = "18:00"
end = "08:00"
zone = "America/New_York"
days = ["saturday", "sunday"]
through = "flash"                   # rings all the same

[channel.room]
webhook = "https://hooks.example/tocsin"
secrets = ["${ROOM_SECRET}"]        # from the environment
"""

import json
import os
import re
import tomllib
from calendar import day_name
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import time
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar, get_args
from zoneinfo import ZoneInfo, available_timezones

from annotated_types import Gt, Le
from pydantic import TypeAdapter, ValidationError

from processors.companies import CompanyMaster
from processors.errors import ConfigurationError
from processors.labels import TOPICS
from processors.messages import IncidentEvent, IncidentKind, Tier
from processors.series import kind_of_series
from streams.channels import AppriseChannel, Channel, WebhookChannel
from streams.desks import Desk, Quiet

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
_VARIABLE: Final = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_DAYS: Final = tuple(name.lower() for name in day_name)
_EVERY: Final = "*"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class DeskFile:
    """What a file states, by name."""

    desks: Mapping[str, Desk]
    channels: Mapping[str, Channel]


@dataclass(frozen=True, slots=True)
class _QuietTable:
    zone: str
    begin: time | None = None
    end: time | None = None
    days: tuple[str, ...] = ()
    through: Tier | None = None


@dataclass(frozen=True, slots=True)
class _DeskTable:
    false_alarms_a_day: Annotated[float, Gt(0), Le(1000)]
    channels: tuple[str, ...] = ()
    companies: tuple[str, ...] = ()
    company_topics: bool = False
    topics: tuple[str, ...] = ()
    sectors: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    series: tuple[str, ...] = ()
    tier: Tier = "watch"
    kinds: tuple[IncidentKind, ...] = ("sentiment", "volume")
    quiet: _QuietTable | None = None


@dataclass(frozen=True, slots=True)
class _ChannelTable:
    webhook: str | None = None
    secrets: tuple[str, ...] = ()
    allow_private: bool = False
    apprise: str | None = None
    events: tuple[IncidentEvent, ...] | None = None


def read_desks(path: Path, master: CompanyMaster, *, with_channels: bool = True) -> DeskFile:
    """What the file at `path` states; companies and sectors are those of `master`. Without channels,
    whose secrets may be elsewhere, nothing of them is looked at, and a desk needs none.

    Raises ConfigurationError naming every place that is wrong and, of what is unknown, the nearest that is known.
    """
    try:
        text = path.read_text(encoding="utf-8")
        content = tomllib.loads(text)
    except OSError as error:
        raise ConfigurationError(f"cannot read the desks {path}: {error.strerror}; set deliver.desks") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigurationError(f"{path}: no valid TOML: {error}") from None
    return parse_desks(content, master, os.environ if with_channels else None, str(path))


def parse_desks(
    content: Mapping[str, Any], master: CompanyMaster, environment: Mapping[str, str] | None, place: str
) -> DeskFile:
    """What the tables of `content` state; see `read_desks`. Without an environment channels are not looked at. Errors begin
    with `place`."""
    problems: list[str] = []
    parts: dict[str, dict[str, Any]] = {"desk": {}, "channel": {}}
    problems += _unknown(content, parts, "")
    for kind, tables in parts.items():
        given = content.get(kind, {})
        if not isinstance(given, dict):
            problems.append(f"{kind} is no table: write [{kind}.NAME]")
            continue
        for name, table in given.items():
            where = f"{kind}.{name}"
            try:
                if not _NAME.fullmatch(name):
                    raise ConfigurationError(f"{where}: a name has small letters, digits, - and _, at most 40")
                if kind == "desk":
                    tables[name] = _desk(name, table, master, with_channels=environment is not None)
                elif environment is not None:
                    tables[name] = _channel(name, table, environment)
            except ConfigurationError as error:
                problems += str(error).splitlines()
    stated = content.get("channel", {})
    for desk in parts["desk"].values() if environment is not None else ():
        for channel in desk.channels:
            if isinstance(stated, dict) and channel not in stated:
                problems.append(f"desk.{desk.name}.channels: {nearest('channel', channel, stated)}")
    if problems:
        raise ConfigurationError("\n".join(f"{place}: {problem}" for problem in problems))
    return DeskFile(parts["desk"], parts["channel"])


def _desk(name: str, given: Any, master: CompanyMaster, *, with_channels: bool) -> Desk:
    where = f"desk.{name}"
    if isinstance(given, dict) and isinstance(given.get("quiet"), dict):
        _refuse(_unknown(given["quiet"], _names(_QuietTable), f"{where}.quiet: "))
    table = _read(_DeskTable, given, where)
    sectors = {company.sector for company in master.companies.values()}
    every = list(master.companies)
    companies = every if table.companies == (_EVERY,) else list(table.companies)
    problems = [
        *_strangers(f"{where}.companies", "company", companies, every),
        *_strangers(f"{where}.sectors", "sector", table.sectors, sectors),
        *_strangers(f"{where}.topics", "topic", table.topics, TOPICS),
        *_strangers(f"{where}.quiet.days", "day", table.quiet.days if table.quiet else (), _DAYS),
    ]
    for series in table.series:
        try:
            kind_of_series(series)
        except ValueError as error:
            problems.append(f"{where}.series: {error}, such as company-topic:AAPL/earnings")
    watched = {f"company:{company}" for company in companies}
    if table.company_topics:
        watched |= {f"company-topic:{company}/{topic}" for company in companies for topic in TOPICS}
    watched |= {f"topic:{topic}" for topic in table.topics} | {f"sector:{sector}" for sector in table.sectors}
    watched |= {f"source:{source}" for source in table.sources} | set(table.series)
    if not watched:
        problems.append(f"{where} watches nothing: name companies, topics, sectors, sources or series")
    if not table.kinds:
        problems.append(f"{where}.kinds: one of {', '.join(get_args(IncidentKind))} at least")
    if with_channels and not table.channels:
        problems.append(f"{where}.channels: a desk without a channel is told nothing")
    _refuse(problems)
    quiet = _quiet(table.quiet, f"{where}.quiet") if table.quiet else None
    desk = Desk(
        name, frozenset(watched), table.false_alarms_a_day, table.tier, frozenset(table.kinds), quiet, table.channels
    )
    if desk.size == 0:
        raise ConfigurationError(f"{where} watches silence only, and that of no source: name sources")
    return desk


def _quiet(table: _QuietTable, where: str) -> Quiet:
    if table.zone not in available_timezones():
        raise ConfigurationError(f"{where}.zone: {nearest('time zone', table.zone, available_timezones())}")
    if (table.begin is None) != (table.end is None) or (table.begin is not None and table.begin == table.end):
        raise ConfigurationError(f"{where}: give both begin and end, as 18:00 and 08:00, and not the same")
    if table.begin is None and not table.days:
        raise ConfigurationError(f"{where}: say when: begin and end, or days")
    if len(set(table.days)) == len(_DAYS):
        raise ConfigurationError(f"{where}.days: a desk that is quiet every day would never be told")
    if any(at is not None and at.tzinfo is not None for at in (table.begin, table.end)):
        raise ConfigurationError(f"{where}: begin and end are times on the clocks of zone, without an offset")
    days = frozenset(_DAYS.index(day) for day in table.days)
    return Quiet(ZoneInfo(table.zone), table.begin, table.end, days, table.through)


def _channel(name: str, given: Any, environment: Mapping[str, str]) -> Channel:
    where = f"channel.{name}"
    table = _read(_ChannelTable, _filled(given, environment, where), where)
    if (table.webhook is None) == (table.apprise is None):
        raise ConfigurationError(f"{where}: give webhook or apprise, one of the two")
    channel: Channel
    if table.webhook is not None:
        channel = WebhookChannel(name, table.webhook, table.secrets, table.allow_private)
    elif table.secrets or table.allow_private:
        raise ConfigurationError(f"{where}: secrets and allow_private are a webhook's")
    else:
        channel = AppriseChannel(name, table.apprise or "")
    try:
        channel.check()
    except ValueError as error:
        raise ConfigurationError(f"{where}: {error}") from None
    return channel if table.events is None else channel.telling(table.events)


def _filled(given: Any, environment: Mapping[str, str], where: str) -> Any:
    """`given` with every ``${NAME}`` replaced by what the environment says."""
    if isinstance(given, dict):
        return {key: _filled(value, environment, f"{where}.{key}") for key, value in given.items()}
    if isinstance(given, list):
        return [_filled(value, environment, where) for value in given]
    if not isinstance(given, str):
        return given
    missing = [name for name in _VARIABLE.findall(given) if name not in environment]
    if missing:
        raise ConfigurationError(f"{where}: the environment has no {', '.join(missing)}: set it")
    return _VARIABLE.sub(lambda found: environment[found[1]], given)


def _read(kind: type[T], given: Any, where: str) -> T:
    """`given` as a table of `kind`; values are never shown, for some are secret."""
    if not isinstance(given, dict):
        raise ConfigurationError(f"{where} is no table: write [{where}]")
    _refuse(_unknown(given, _names(kind), f"{where}: "))
    adapter = TypeAdapter(kind)
    try:
        return adapter.validate_json(json.dumps(given, default=str), strict=True)
    except ValidationError as error:
        raise ConfigurationError(
            "\n".join(_told(detail, where) for detail in error.errors(include_url=False))
        ) from None


def _told(detail: Mapping[str, Any], where: str) -> str:
    path = ".".join([where, *(str(part) for part in detail["loc"] if not isinstance(part, int))])
    if detail["type"] in ("missing", "missing_argument"):
        return f"{path} is missing"
    return f"{path} should {str(detail['msg']).removeprefix('Input should ')}"


def _unknown(given: Mapping[str, Any], known: Iterable[str], where: str) -> list[str]:
    return [f"{where}{nearest('key', name, known)}" for name in given if name not in known]


def _strangers(where: str, what: str, given: Iterable[str], known: Iterable[str]) -> Iterator[str]:
    known = set(known)
    return (f"{where}: {nearest(what, name, known)}" for name in given if name not in known)


def nearest(what: str, name: str, known: Iterable[str]) -> str:
    """That there is no `what` of that name, and the nearest that is known."""
    near = get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(sorted(known)[:12])}"
    return f"there is no {what} {name[:80]!a}: {hint}"


def _names(kind: type) -> list[str]:
    return [f.name for f in fields(kind)]


def _refuse(problems: Iterable[str]) -> None:
    if problems := list(problems):
        raise ConfigurationError("\n".join(problems))
