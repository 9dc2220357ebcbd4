"""Whether what the settings name is there and as it has to be: model, Kafka, Triton, Elasticsearch, services."""

import asyncio
import json
import logging
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from logging.handlers import BufferingHandler
from pathlib import Path
from typing import Final
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import urlopen

from processors.errors import ConfigurationError, TocsinError
from streams.collect.declared import load_sources
from streams.desk_file import read_desks
from streams.doctor.finding import Finding
from streams.elastic_client import answers, connect
from streams.services.enrich_models import TritonModels, load_inputs
from streams.services.resilience import Breaker
from streams.services.runner import services_of
from streams.settings import Settings, load_master
from streams.stack.ports import holder_of, is_free
from streams.topics_admin import faults_of, list_topics

_SECONDS: Final = 5.0
"""Longest wait for each part."""

_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})
_STACK: Final = "`tocsin stack up` starts one on this machine"


def examine_deployment(settings: Settings) -> Iterator[Finding]:
    """Look at every part at the same time; findings come in a fixed order."""
    checks: tuple[Callable[[Settings], Iterable[Finding]], ...] = (
        examine_files,
        examine_sources,
        examine_desks,
        examine_kafka,
        examine_triton,
        examine_elasticsearch,
        examine_services,
    )
    with ThreadPoolExecutor(len(checks)) as pool:
        for findings in pool.map(lambda check: list(check(settings)), checks):
            yield from findings


def examine_files(settings: Settings) -> Iterator[Finding]:
    """The model and the company master."""
    try:
        for folder, inputs in zip(settings.classifier.folders, load_inputs(settings.classifier), strict=True):
            model, languages = inputs.model, ", ".join(sorted(inputs.model.languages))
            yield Finding(
                "ok", "model", f"{model.name} {model.version} ({model.hash[:12]}) for {languages} in {folder}"
            )
    except TocsinError as error:
        yield Finding("fail", "model", str(error), "install it again, or set classifier.model and classifier.others")
    try:
        companies = load_master(settings).companies
        yield Finding("ok", "companies", f"{len(companies):,} in {settings.companies.master}")
    except ConfigurationError as error:
        yield Finding(
            "fail", "companies", str(error), "set companies.master to a file that `tocsin settings` describes"
        )


def examine_sources(settings: Settings) -> Iterator[Finding]:
    """Whether the sources that collect takes documents from are declared as they have to be."""
    if not settings.collect.sources:
        return
    try:
        sources = load_sources(Path(settings.collect.sources))
    except ConfigurationError as error:
        yield Finding("fail", "sources", str(error), "collect does not start before")
        return
    yield Finding("ok", "sources", f"{len(sources):,} in {settings.collect.sources}")
    if any(source.url for source in sources) and not settings.collect.contact:
        mend = "set collect.contact to an address: publishers want to know whom to write to"
        yield Finding("warn", "sources", "feeds are asked without saying by whom", mend)


def examine_desks(settings: Settings) -> Iterator[Finding]:
    """Who is told of alarms."""
    if not settings.deliver.desks:
        yield Finding("warn", "desks", "none is stated, so that nobody is told of alarms", "set deliver.desks")
        return
    try:
        stated = read_desks(Path(settings.deliver.desks), load_master(settings))
        text = f"{len(stated.desks)} on {len(stated.channels)} channels, in {settings.deliver.desks}"
        yield Finding("ok", "desks", text)
    except ConfigurationError as error:
        yield Finding("fail", "desks", str(error), "mend the file; `tocsin deliver test DESK` shows that it works")


def examine_kafka(settings: Settings) -> Iterator[Finding]:
    """Whether it answers, and its topics are there with the right partitions and configuration."""
    kafka = settings.kafka
    where = ", ".join(kafka.servers)
    if kafka.security in ("PLAINTEXT", "SASL_PLAINTEXT") and not _all_local(kafka.servers):
        yield Finding("warn", "Kafka", f"{where} is spoken to without encryption", "set kafka.security to SASL_SSL")
    try:
        topics = list_topics(settings)
    except TocsinError as error:
        yield Finding("fail", "Kafka", str(error), _STACK if _all_local(kafka.servers) else "")
        return
    yield Finding("ok", "Kafka", f"answers at {where}")
    missing = [spec.name for spec, state in topics if state is None]
    faults = [fault for spec, state in topics for fault in faults_of(spec, state)]
    if missing:
        yield Finding("fail", "topics", f"missing: {', '.join(missing)}", "tocsin topics create")
    for fault in faults:
        yield Finding("fail", "topics", fault)
    if not missing and not faults:
        yield Finding("ok", "topics", f"{len(topics)} of the prefix {kafka.prefix}, as they have to be")


def examine_triton(settings: Settings) -> Iterator[Finding]:
    """Whether it answers and serves the very model that is at hand."""
    where = settings.triton.server
    try:
        inputs = load_inputs(settings.classifier)
    except TocsinError:
        return  # told already; without it there is nothing to compare

    async def check() -> None:
        models = TritonModels(settings.triton, settings.services, inputs, Breaker(), lambda waiting: None)
        try:
            await asyncio.wait_for(models.check(), _SECONDS)
        finally:
            await models.close()

    log, heard = logging.getLogger("tocsin"), BufferingHandler(1_000)
    log.addHandler(heard)  # what a check says meanwhile is a finding here, and no line above the table
    try:
        asyncio.run(check())
    except TimeoutError:
        mend = "start it, or set triton.server" + (f"; {_STACK}" if _is_local(where) else "")
        yield Finding("fail", "Triton", f"no answer from {where} within {_SECONDS:.0f} s", mend)
    except TocsinError as error:
        yield Finding("fail", "Triton", str(error))
    else:
        served = ", ".join(f"{each.model.name} {each.model.version}" for each in inputs)
        yield Finding("ok", "Triton", f"serves {served} at {where}")
        for record in heard.buffer:
            yield Finding("warn", "Triton", record.getMessage())
    finally:
        log.removeHandler(heard)


def examine_elasticsearch(settings: Settings) -> Iterator[Finding]:
    """Whether it answers, is of a version that the client speaks, and has its shards. Alarms ring without it."""
    elastic = settings.elasticsearch
    where, local = ", ".join(elastic.servers), _all_local(elastic.servers)
    if not local and not elastic.username:
        mend = "set elasticsearch.username and elasticsearch.password"
        yield Finding("warn", "Elasticsearch", f"{where} is spoken to without an account", mend)
    try:
        client = connect(elastic).options(request_timeout=_SECONDS)
        with answers():
            health = client.cluster.health()
            nodes = client.nodes.info(filter_path="nodes.*.version")["nodes"]
        client.close()
    except TocsinError as error:
        yield Finding("fail", "Elasticsearch", str(error), _STACK if local else "")
        return
    versions = sorted({str(node["version"]) for node in nodes.values()})
    if any(not version.startswith("8.") for version in versions):
        mend = "Tocsin speaks to version 8: use such a cluster"
        yield Finding("fail", "Elasticsearch", f"version {', '.join(versions)} at {where}", mend)
    elif health["status"] == "red":
        mend = "find the lost shards: GET /_cluster/allocation/explain"
        yield Finding("fail", "Elasticsearch", f"{where} has lost shards (status red)", mend)
    else:
        yield Finding("ok", "Elasticsearch", f"{', '.join(versions)}, status {health['status']}, at {where}")


def examine_services(settings: Settings) -> Iterator[Finding]:
    """Which services run here, and whether the ports of the others are free."""
    for name in services_of(settings):
        port = getattr(settings.services, f"{name}_port")
        health = _health(port)
        if health is None and is_free(port):
            yield Finding("ok", name, f"does not run here; its port {port} is free")
        elif health is None or health.get("service") != name:
            holder = holder_of(port) or "a process of another user"
            yield Finding(
                "fail", name, f"its port {port} is held by {holder}", f"end that, or set services.{name}_port"
            )
        elif not health.get("ready"):
            waiting = health.get("waiting_for") or "what it has to do"
            mend = "see its log; on a local stack `tocsin stack logs services`"
            yield Finding("fail", name, f"runs, but makes no progress: it waits for {waiting}", mend)
        else:
            yield Finding("ok", name, f"runs and makes progress, port {port}")


def _health(port: int) -> dict[str, object] | None:
    """What answers ``/readyz`` on `port` of this machine, None where it is no service of Tocsin's."""
    try:
        with urlopen(f"http://127.0.0.1:{port}/readyz", timeout=2) as answer:
            content = json.load(answer)
    except HTTPError as error:  # 503: not ready, and why
        try:
            content = json.load(error)
        except (OSError, ValueError):
            return None
    except (URLError, OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None


def _all_local(servers: Iterable[str]) -> bool:
    return all(_is_local(server) for server in servers)


def _is_local(server: str) -> bool:
    return urlsplit(server if "//" in server else f"//{server}").hostname in _LOOPBACK
