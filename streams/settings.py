"""Every setting of Tocsin: where it may be set, what it may be, and where its value came from.

A setting is a field of a section of `Settings`; units, defaults and descriptions stand beside the fields. Later sources
win: the default, a TOML file, the environment (``TOCSIN_CLASSIFIER_THREADS``), flags (``classifier.threads=2``). Whatever
is not known is refused, with the nearest name that is; only what container platforms tell every process of a service
called tocsin (``TOCSIN_SERVICE_HOST``, ``TOCSIN_PORT_8080_TCP``) is let alone.
"""

import json
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Final, get_origin, get_type_hints

from annotated_types import Ge, Le
from pydantic import ConfigDict, TypeAdapter, ValidationError

from processors.companies import CompanyMaster
from processors.detection import (
    CampaignSettings,
    DetectionSettings,
    DetectorSettings,
    EvidenceSettings,
    StorySettings,
)
from processors.errors import ConfigurationError
from processors.identity import canonical_json, content_hash
from processors.parameters import parameter
from streams.service_settings import (
    ClockSettings,
    CollectSettings,
    DeliverSettings,
    DetectSettings,
    ElasticsearchSettings,
    EnrichSettings,
    IndexSettings,
    KafkaSettings,
    PushSettings,
    ServiceSettings,
    TritonSettings,
    WebSettings,
)

ENVIRONMENT_PREFIX: Final = "TOCSIN_"
RESERVED_VARIABLES: Final = frozenset({"TOCSIN_SETTINGS", "TOCSIN_DATA"})
"""The settings file itself, and the data sets of the tests."""

PLATFORM_VARIABLES: Final = re.compile(
    r"TOCSIN_(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT(_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)"
)
"""What Kubernetes sets for a service called tocsin (the variables of Docker's links, which it repeats, included)."""

_ROOT: Final = Path(__file__).resolve().parent.parent
DEFAULT_MODEL: Final = _ROOT / "models" / "default"
DEFAULT_MASTER: Final = _ROOT / "processors" / "company_master.json"


@dataclass(frozen=True, slots=True)
class ClassifierSettings:
    """The embedded classifier."""

    model: Path = parameter(DEFAULT_MODEL, "folder of the model", unit="path")
    others: tuple[Path, ...] = parameter(
        (),
        "folders of models for languages that it does not read: each text goes to the model of its language",
        unit="path",
    )
    threads: Annotated[int, Ge(0), Le(256)] = parameter(0, "threads of one request; 0 takes one per core")
    batch_size: Annotated[int, Ge(1), Le(8192)] = parameter(256, "documents handed to the model at once")

    @property
    def folders(self) -> tuple[Path, ...]:
        """Of every model, the first one first."""
        return self.model, *self.others


@dataclass(frozen=True, slots=True)
class CompaniesSettings:
    """Which companies are watched."""

    master: Path = parameter(DEFAULT_MASTER, "file of the company master", unit="path")


@dataclass(frozen=True, slots=True)
class Settings:
    """All sections."""

    classifier: ClassifierSettings = field(default_factory=ClassifierSettings)
    companies: CompaniesSettings = field(default_factory=CompaniesSettings)
    detection: DetectionSettings = field(default_factory=DetectionSettings)
    stories: StorySettings = field(default_factory=StorySettings)
    campaigns: CampaignSettings = field(default_factory=CampaignSettings)
    evidence: EvidenceSettings = field(default_factory=EvidenceSettings)
    kafka: KafkaSettings = field(default_factory=KafkaSettings)
    triton: TritonSettings = field(default_factory=TritonSettings)
    elasticsearch: ElasticsearchSettings = field(default_factory=ElasticsearchSettings)
    services: ServiceSettings = field(default_factory=ServiceSettings)
    enrich: EnrichSettings = field(default_factory=EnrichSettings)
    detect: DetectSettings = field(default_factory=DetectSettings)
    index: IndexSettings = field(default_factory=IndexSettings)
    clock: ClockSettings = field(default_factory=ClockSettings)
    web: WebSettings = field(default_factory=WebSettings)
    collect: CollectSettings = field(default_factory=CollectSettings)
    push: PushSettings = field(default_factory=PushSettings)
    deliver: DeliverSettings = field(default_factory=DeliverSettings)

    @property
    def detector(self) -> DetectorSettings:
        """What a detector is set by: the sections that judgements depend on."""
        return DetectorSettings(self.detection, self.stories, self.campaigns, self.evidence)


@dataclass(frozen=True, slots=True)
class Declaration:
    """One setting as it is declared; `path` is ``section.field``."""

    path: str
    type: Any
    default: Any
    unit: str
    description: str

    @property
    def variable(self) -> str:
        """The environment variable that sets it."""
        return ENVIRONMENT_PREFIX + self.path.replace(".", "_").upper()


@dataclass(frozen=True, slots=True)
class Resolution:
    """The settings in force, and for each path that is not at its default, where its value came from."""

    settings: Settings
    sources: Mapping[str, str]


def load_settings(path: Path | None, environment: Mapping[str, str], flags: Mapping[str, str]) -> Settings:
    """The settings from a TOML file, the environment and flags (``section.field`` → text), the last winning.

    Raises ConfigurationError for anything unknown or out of range, naming for each where it stands and what is allowed.
    """
    return resolve_settings(path, environment, flags).settings


def resolve_settings(path: Path | None, environment: Mapping[str, str], flags: Mapping[str, str]) -> Resolution:
    """As `load_settings`, with the origin of each value."""
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    problems = []
    for given in (*_from_file(path), *_from_environment(environment), *_from_flags(flags)):
        try:
            declaration = _find(given)
            values[declaration.path] = _checked(declaration, given)
            sources[declaration.path] = given.source
        except ConfigurationError as error:
            problems.append(str(error))
    if problems:
        raise ConfigurationError("\n".join(problems))
    return Resolution(_build(Settings, "", values), sources)


def settings_hash(settings: Settings) -> str:
    """The hash of what alerts depend on beside model and company master, which have hashes of their own."""
    return content_hash(canonical_json(settings.detector))


def load_master(settings: Settings) -> CompanyMaster:
    """The company master that `settings` name. Raises ConfigurationError for a file that is missing or wrong."""
    path = settings.companies.master
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigurationError(
            f"cannot read the company master {path}: {error.strerror}; set companies.master to a file"
        ) from None
    return CompanyMaster.parse(content)


@cache
def declarations() -> dict[str, Declaration]:
    """Every setting by its path, in the order of declaration."""
    return {declaration.path: declaration for declaration in _declared(Settings, "")}


def value_of(settings: Settings, path: str) -> Any:
    """The value at ``section.field``."""
    value: Any = settings
    for name in path.split("."):
        value = getattr(value, name)
    return value


def _declared(section: type, prefix: str) -> Iterable[Declaration]:
    hints = get_type_hints(section, include_extras=True)
    for f in fields(section):
        if is_dataclass(hints[f.name]):
            yield from _declared(hints[f.name], f"{prefix}{f.name}.")
        else:
            unit, description = f.metadata["unit"], f.metadata["description"]
            yield Declaration(prefix + f.name, hints[f.name], f.default, unit, description)


def _build(section: type, prefix: str, values: Mapping[str, Any]) -> Any:
    hints = get_type_hints(section)
    given = {}
    for f in fields(section):
        if is_dataclass(hints[f.name]):
            given[f.name] = _build(hints[f.name], f"{prefix}{f.name}.", values)
        elif prefix + f.name in values:
            given[f.name] = values[prefix + f.name]
    try:
        return section(**given)
    except ValueError as error:
        raise ConfigurationError(f"{prefix.rstrip('.')}: {error}") from None


@dataclass(frozen=True, slots=True)
class _Given:
    """One value as somebody gave it: under a path, or as a `variable`; as `text`, or as TOML has types."""

    name: str
    value: Any
    source: str
    variable: bool = False
    text: bool = False


def _from_file(path: Path | None) -> Iterable[_Given]:
    if path is None:
        return
    try:
        text = path.read_text(encoding="utf-8")
        tables = tomllib.loads(text)
    except OSError as error:
        raise ConfigurationError(f"cannot read the settings file {path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{path}: byte {error.start} is no UTF-8: save the file as UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{path}: no valid TOML: {error}") from None
    for name, value in _flatten(tables, ""):
        yield _Given(name, value, f"{path}:{_line_of(text, name)}")


def _from_environment(environment: Mapping[str, str]) -> Iterable[_Given]:
    for name in sorted(environment):
        ours = name.startswith(ENVIRONMENT_PREFIX) and name not in RESERVED_VARIABLES
        if ours and not PLATFORM_VARIABLES.fullmatch(name):
            yield _Given(name, environment[name], f"environment {name}", variable=True, text=True)


def _from_flags(flags: Mapping[str, str]) -> Iterable[_Given]:
    for name, value in flags.items():
        yield _Given(name, value, "--set", text=True)


def _flatten(tables: Mapping[str, Any], prefix: str) -> Iterable[tuple[str, Any]]:
    for name, value in tables.items():
        if isinstance(value, dict):
            yield from _flatten(value, f"{prefix}{name}.")
            if not value and not any(path.startswith(f"{prefix}{name}.") for path in declarations()):
                yield prefix + name, value
        else:
            yield prefix + name, value


def _find(given: _Given) -> Declaration:
    known = declarations()
    if given.variable:
        known = {declaration.variable: declaration for declaration in known.values()}
    if given.name in known:
        return known[given.name]
    near = get_close_matches(given.name, known, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]}?" if near else "`tocsin settings` prints all"
    raise ConfigurationError(f"{given.source}: there is no setting {given.name}: {hint}")


def _checked(declaration: Declaration, given: _Given) -> Any:
    """The value as the declared type: strictly by type from TOML, read from text otherwise (lists by commas)."""
    value = given.value
    adapter = TypeAdapter(declaration.type, config=ConfigDict(allow_inf_nan=False))
    try:
        if not given.text:
            return adapter.validate_json(json.dumps(value, default=str), strict=True)
        if get_origin(declaration.type) is tuple:
            return adapter.validate_python(tuple(item.strip() for item in value.split(",") if item.strip()))
        return adapter.validate_strings(value)
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]["msg"].removeprefix("Input should ")
        unit = f" (unit: {declaration.unit})" if declaration.unit else ""
        raise ConfigurationError(
            f"{given.source}: {declaration.path} should {problem}{unit}, not {value!r}; it is: {declaration.description}"
        ) from None


def _line_of(text: str, name: str) -> int:
    """The line on which the key `name` (dotted) stands; that of its table where the key is written otherwise."""
    table, _, key = name.rpartition(".")
    current, found = "", 1
    for number, line in enumerate(text.splitlines(), start=1):
        if header := re.match(r"\s*\[([^\[\]]+)\]", line):
            current = header[1].strip()
            found = number if current == table else found
        elif current == table and re.match(rf"\s*[\"']?{re.escape(key)}[\"']?\s*=", line):
            return number
    return found
