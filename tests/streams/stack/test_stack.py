"""The real servers: started, killed, found again, ended with whoever holds them."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from processors.errors import ConfigurationError, FatalError
from streams.kafka_clients import admin
from streams.service_settings import KafkaSettings
from streams.stack.elasticsearch import Elasticsearch
from streams.stack.kafka import Kafka
from streams.stack.ports import Ports
from streams.stack.stack import Stack
from streams.stack.triton import Triton


def test_kafka_killed_comes_back_with_what_it_had(kafka: Kafka) -> None:
    from kafka import KafkaConsumer, KafkaProducer, TopicPartition
    from kafka.admin import NewTopic

    with admin(KafkaSettings(servers=(kafka.address,))) as client:
        client.create_topics([NewTopic("kept", 1, 1)])
    producer = KafkaProducer(bootstrap_servers=kafka.address)
    producer.send("kept", b"acknowledged").get(30)
    producer.close()
    before = kafka.pid

    kafka.kill()
    assert kafka.pid is None
    kafka.start()

    assert kafka.pid not in (None, before)
    consumer = KafkaConsumer(bootstrap_servers=kafka.address, auto_offset_reset="earliest")
    consumer.assign([TopicPartition("kept", 0)])
    records = consumer.poll(20_000)
    consumer.close()
    assert [record.value for batch in records.values() for record in batch] == [b"acknowledged"]


def test_kafka_makes_no_topic_that_nobody_created(kafka: Kafka) -> None:
    from kafka import KafkaProducer
    from kafka.errors import KafkaError

    producer = KafkaProducer(bootstrap_servers=kafka.address, max_block_ms=2000)
    with pytest.raises(KafkaError):
        producer.send("a-misspelt-topic", b"lost").get(10)
    producer.close(0)


def test_elasticsearch_killed_comes_back_with_what_it_had(elasticsearch: Elasticsearch) -> None:
    def ask(method: str, path: str, body: object = None) -> dict[str, object]:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        with urlopen(Request(f"{elasticsearch.address}/{path}", data, headers, method=method), timeout=30) as answer:
            return dict(json.load(answer))

    ask("PUT", "kept/_doc/1", {"text": "acknowledged"})
    elasticsearch.kill()
    assert elasticsearch.pid is None
    elasticsearch.start()
    assert ask("GET", "kept/_doc/1")["_source"] == {"text": "acknowledged"}


def test_triton_serves_the_shipped_model_and_leaves_no_memory_behind_when_killed(triton: Triton) -> None:
    def regions() -> set[str]:
        return {path.name for path in Path("/dev/shm").glob(f"tocsin_triton_{triton.ports[0]}_*")}

    triton.kill()
    left = regions()
    triton.start()
    assert not left & regions()
    with urlopen(f"http://{triton.http_address}/v2/models/tocsin", timeout=10) as answer:
        assert json.load(answer)["name"] == "tocsin"
    with urlopen(triton.metrics_address, timeout=10) as answer:
        assert b"nv_inference_count" in answer.read()


def test_another_shell_finds_the_servers_and_their_ports(kafka: Kafka, stack: Stack) -> None:
    program = (
        "import sys; from pathlib import Path; from streams.stack.stack import Stack;"
        "states = {s.name: s for s in Stack(Path(sys.argv[1])).status()};"
        "print(states['kafka'].pid, states['kafka'].address, states['kafka'].ready, states['services'].pid)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(stack.folder)], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == [str(kafka.pid), kafka.address, "True", "None"]


def test_a_second_start_leaves_what_runs_alone(kafka: Kafka, stack: Stack) -> None:
    before = kafka.pid
    stack.up({"kafka"})
    assert kafka.pid == before


def test_a_running_stack_does_not_move_to_other_ports(kafka: Kafka, stack: Stack) -> None:
    with pytest.raises(ConfigurationError, match="down` first"):
        Stack(stack.folder, Ports.picked()).up({"kafka"})


def test_a_second_stack_on_the_same_ports_is_told_who_holds_them(kafka: Kafka, stack: Stack, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        Stack(tmp_path, stack.ports).up({"kafka"})
    assert f"port {stack.ports.kafka} is held by" in str(refusal.value)
    assert f"(process {kafka.pid})" in str(refusal.value)


def test_a_server_that_does_not_come_up_is_told_with_the_end_of_its_output(tmp_path: Path) -> None:
    models = tmp_path / "models" / "broken"
    (models / "1").mkdir(parents=True)
    (models / "config.pbtxt").write_text('name: "broken" backend: "python" max_batch_size: nonsense')
    with Stack(tmp_path / "stack", Ports.picked(), models=tmp_path / "models") as stack:
        with pytest.raises(FatalError) as failure:
            stack.up({"triton"})
        assert stack.triton.pid is None
    assert "Triton ended while starting (exit code 1)" in str(failure.value)
    assert "nonsense" in str(failure.value)


def test_servers_end_with_the_process_that_holds_them_however_it_ends(tmp_path: Path) -> None:
    models = tmp_path / "models"
    models.mkdir()
    program = (
        "import sys, time; from pathlib import Path; from streams.stack.stack import Stack; from streams.stack.ports import Ports\n"
        "with Stack(Path(sys.argv[1]), Ports.picked(), models=Path(sys.argv[2])) as stack:\n"
        "    stack.up({'triton'}); print(stack.triton.pid, flush=True); time.sleep(600)"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "stack"), str(models)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        pid = int(holder.stdout.readline())
        os.kill(holder.pid, signal.SIGKILL)
    deadline = time.monotonic() + 20
    while Path(f"/proc/{pid}").exists():
        assert time.monotonic() < deadline, "Triton goes on without its holder"
        time.sleep(0.1)


def test_a_closed_folder_is_told_to_root_before_anything_starts(tmp_path: Path) -> None:
    if os.geteuid():
        pytest.skip("only root's Elasticsearch runs as another user")
    tmp_path.chmod(0o700)
    with pytest.raises(ConfigurationError, match="nobody else may pass through"):
        Stack(tmp_path / "stack", Ports.picked()).up({"elasticsearch"})
