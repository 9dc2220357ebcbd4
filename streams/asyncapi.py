"""The topics that others write and read, as an AsyncAPI 3.0 document made from the message types and the settings."""

from importlib.metadata import version
from typing import Any, Final, Literal

from processors.errors import InvariantError
from processors.messages import SCHEMA_VERSION
from streams.cloud_events import CONTENT_TYPE, EVENT_TYPE
from streams.schema import schema_of
from streams.service_settings import KafkaSettings
from streams.topics import Topics, TopicSpec

_READ: Final = "receive"
_WRITTEN: Final = "send"

_PUBLIC: Final[dict[str, tuple[Literal["receive", "send"], str, str]]] = {
    "news": (_READ, "News to be read: one document a record, at most 1 MiB, without transactions.", "any"),
    "social": (_READ, "Social text to be read, as news.", "any"),
    "alerts": (_WRITTEN, "Every event of every incident, complete in itself; read it read_committed.", "the incident"),
    "documents": (_WRITTEN, "Every document with what was found out about it; the first of an identity counts.", "the identity"),
    "series": (_WRITTEN, "Closed buckets of every series, revisions too; read it read_committed.", "the series"),
    "deadletters": (_WRITTEN, "Every refused record, with its reason.", "the dead letter's id"),
    "feedback": (_WRITTEN, "What people said of incidents, and did about them.", "the incident"),
}  # fmt: skip
"""By topic: what Tocsin does with it, what travels on it, and what its key is."""

_MILLISECONDS: Final = "in decimal milliseconds since 1970"


def asyncapi_of(settings: KafkaSettings) -> dict[str, Any]:
    """The document for the topics of the prefix of `settings`; `send` is what Tocsin writes, `receive` what it reads."""
    topics = Topics(settings)
    specs = {spec.name: spec for spec in topics.specs()}
    schemas: dict[str, Any] = {}
    messages = {name: _message(name, schemas) for name in _PUBLIC}
    return {
        "asyncapi": "3.0.0",
        "id": f"urn:tocsin:{settings.prefix}",
        "info": {
            "title": "Tocsin",
            "version": f"{SCHEMA_VERSION}.0.0",
            "description": (
                f"Topics of Tocsin {version('tocsin')}. Within a major version fields are only ever added: readers "
                "ignore what they do not know."
            ),
        },
        "defaultContentType": CONTENT_TYPE,
        "servers": {
            f"kafka-{number}": {"host": server, "protocol": "kafka-secure" if _secure(settings) else "kafka"}
            for number, server in enumerate(settings.servers)
        },
        "channels": {name: _channel(name, specs[topics.name(name)]) for name in _PUBLIC},
        "operations": {
            f"{action}-{name}": {
                "action": action,
                "channel": {"$ref": f"#/channels/{name}"},
                "summary": summary,
                "messages": [{"$ref": f"#/channels/{name}/messages/{name}"}],
            }
            for name, (action, summary, _) in _PUBLIC.items()
        },
        "components": {"messages": messages, "schemas": schemas},
    }


def _secure(settings: KafkaSettings) -> bool:
    return settings.security in ("SSL", "SASL_SSL")


def _channel(name: str, spec: TopicSpec) -> dict[str, Any]:
    configured = spec.configuration
    kept: dict[str, Any] = {"cleanup.policy": [configured["cleanup.policy"]]}
    kept |= {key: int(configured[key]) for key in ("retention.ms", "max.message.bytes") if key in configured}
    return {
        "address": spec.name,
        "messages": {name: {"$ref": f"#/components/messages/{name}"}},
        "bindings": {
            "kafka": {
                "topic": spec.name,
                "partitions": spec.partitions,
                "topicConfiguration": kept,
                "bindingVersion": "0.5.0",
            }
        },
    }


def _message(name: str, schemas: dict[str, Any]) -> dict[str, Any]:
    """The message of a topic; what its payload consists of goes into `schemas`."""
    schema = schema_of(name)
    for key in ("$schema", "$id"):
        del schema[key]
    parts = {**schema.pop("$defs", {}), name: schema}
    for part, described in parts.items():
        described = _referring(described)
        if schemas.setdefault(part, described) != described:
            raise InvariantError(f"two messages mean different things by {part}")
    message = {
        "name": name,
        "contentType": CONTENT_TYPE,
        "payload": {"$ref": f"#/components/schemas/{name}"},
        "bindings": {
            "kafka": {"key": {"type": "string", "description": _PUBLIC[name][2]}, "bindingVersion": "0.5.0"},
        },
    }
    return message | ({"headers": _alert_headers()} if name == "alerts" else {})


def _alert_headers() -> dict[str, Any]:
    def said(description: str, **more: Any) -> dict[str, Any]:
        return {"type": "string", "description": description, **more}

    stages = {
        "published": "When the document that rang was published",
        "received": "when the broker received it",
        "labelled": "when it was labelled",
        "rang": "when the alert was written",
    }
    return {
        "type": "object",
        "description": "A CloudEvent in binary mode (Kafka protocol binding 1.0), and when each stage was reached",
        "required": ["ce_specversion", "ce_id", "ce_source", "ce_type", "ce_time", "ce_subject", "content-type"],
        "properties": {
            "ce_specversion": said("Version of CloudEvents", const="1.0"),
            "ce_id": said("The alert's id: it follows from the incident and its sequence"),
            "ce_source": said("urn:tocsin: and the prefix; with the id it names the event for good"),
            "ce_type": said(f"What happened to the incident, as in {EVENT_TYPE}.open"),
            "ce_subject": said("The series"),
            "ce_time": said("The alert's `at`", format="date-time"),
            "ce_dataschema": said("The $id of the JSON Schema of the value"),
            "content-type": said("Of the value", const=CONTENT_TYPE),
            "offset": said("Offset, in the log, of the record that brought it about"),
            **{name: said(f"{text}, {_MILLISECONDS}") for name, text in stages.items()},
        },
    }


def _referring(schema: Any) -> Any:
    """`schema` with references to where a document of this kind keeps what is shared."""
    if isinstance(schema, list):
        return [_referring(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: value.replace("#/$defs/", "#/components/schemas/") if key == "$ref" else _referring(value)
        for key, value in schema.items()
    }
