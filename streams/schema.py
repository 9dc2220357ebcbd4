"""The JSON Schema (2020-12) of what travels on each topic, made from the message types themselves.

Input is closed: what the schema does not name is refused. All other topics are open: readers ignore what they do not
know. A few rules of the input have no place in a schema (identity at most 512 bytes, nothing in the future); see
`streams.codec`.
"""

from dataclasses import MISSING, fields
from typing import Any, Final, get_args, get_type_hints

from annotated_types import DocInfo
from pydantic import TypeAdapter

from processors.errors import ConfigurationError
from processors.messages import (
    SCHEMA_VERSION,
    Alert,
    Canary,
    DeadLetter,
    Document,
    Feedback,
    LabelledDocument,
    Mention,
    SeriesPoint,
    Tick,
    Unlabelled,
    WideRecord,
)
from streams.codec import ID_PATTERN, SOURCE_PATTERN, TIMESTAMP_PATTERN

MESSAGES: Final[dict[str, type]] = {
    "input": Document,
    "news": Document,
    "social": Document,
    "ticks": Tick,
    "documents": LabelledDocument,
    "mentions": Mention,
    "wide": WideRecord,
    "series": SeriesPoint,
    "alerts": Alert,
    "deadletters": DeadLetter,
    "canary": Canary,
    "unlabelled": Unlabelled,
    "feedback": Feedback,
}
"""What is described: the values of each topic, the lines of input files (``input``), and what stands among them: ticks, and
documents that nobody labelled."""

UNDEFINED: Final = ("state", "deliveries")
"""Topics whose messages have no definition yet."""


def schema_of(name: str) -> dict[str, Any]:
    """The JSON Schema of the messages called `name`. Raises ConfigurationError for a name that is none."""
    if name in UNDEFINED:
        raise ConfigurationError(
            f"the messages of the topic {name!r} are not defined yet: choose one of {', '.join(MESSAGES)}"
        )
    if name not in MESSAGES:
        raise ConfigurationError(f"there is no topic {name!r}: choose one of {', '.join(MESSAGES)}")
    message_type = MESSAGES[name]
    schema = TypeAdapter(message_type).json_schema()
    _drop_titles(schema)
    schema["properties"]["schema"]["const"] = SCHEMA_VERSION
    if message_type is Document:
        _close_input(schema, name)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:tocsin:schema:{name}:{SCHEMA_VERSION}",
        **schema,
    }


def _close_input(schema: dict[str, Any], name: str) -> None:
    """What `decode_document` refuses beyond types, and the null that it takes for absent."""
    properties = schema["properties"]
    properties["id"]["pattern"] = ID_PATTERN
    properties["source"]["pattern"] = SOURCE_PATTERN
    properties["published_at"]["pattern"] = TIMESTAMP_PATTERN
    for f in fields(Document):
        if (f.default is not MISSING or f.default_factory is not MISSING) and "anyOf" not in properties[f.name]:
            default = {"default": properties[f.name].pop("default")} if "default" in properties[f.name] else {}
            properties[f.name] = {"anyOf": [properties[f.name], {"type": "null"}], **default}
    for field, hint in get_type_hints(Document, include_extras=True).items():
        properties[field]["description"] = _description(hint)
    if name in ("news", "social"):
        properties["kind"]["enum"] = [name]
        schema["required"].remove("kind")
    some_text = {"type": "string", "pattern": r"\S"}
    schema["anyOf"] = [{"properties": {part: some_text}, "required": [part]} for part in ("title", "text")]
    schema["additionalProperties"] = False


def _description(hint: Any) -> str:
    """The `doc` of an annotated type, or of the annotated member of a union."""
    for annotation in (hint, *get_args(hint)):
        for item in getattr(annotation, "__metadata__", ()):
            if isinstance(item, DocInfo):
                return item.documentation
    raise ValueError(f"no description for {hint}")


def _drop_titles(schema: dict[str, Any]) -> None:
    """Without the titles that only repeat a property's name."""
    for definition in (schema, *schema.get("$defs", {}).values()):
        for value in definition.get("properties", {}).values():
            value.pop("title", None)
