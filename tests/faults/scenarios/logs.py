"""Input topics as they must not be: with a hole, compacted, written in transactions."""

from dataclasses import dataclass, field

from kafka import KafkaProducer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType
from matrix import scenario
from trial import SERVICES, Trial
from witness import Record, Witness
from writer import administering


@dataclass(frozen=True)
class Remembering(Witness):
    """A witness that saw input records which are there no longer."""

    gone: list[Record] = field(default_factory=list)

    def arrivals(self) -> list[Record]:
        """Those too, before the others of their partition."""
        return sorted([*self.gone, *super().arrivals()], key=lambda record: record.place)


@scenario(
    16,
    "Records that were deleted before enrich read them are counted as a hole, exactly as many, and all others go their way.",
)
def hole_in_the_log(trial: Trial) -> None:
    with trial.load(60, documents=3500):
        trial.pause(4, 5)
        trial.deployment.stop("enrich")
        read = trial.witness.committed("enrich")
        trial.until(
            lambda: all(end > read.get(spot, 0) + 40 for spot, end in trial.witness.ends("news", "social").items()),
            "records wait",
        )
        seen = [
            one
            for one in trial.witness.arrivals()
            if one.place.offset < read.get((one.place.topic, one.place.partition), 0)
        ]
        missing = 0
        with administering(trial.witness) as admin:
            for (topic, partition), offset in read.items():
                admin.delete_records({TopicPartition(topic, partition): offset + 10})
                missing += 10
        trial.witness = Remembering(
            trial.witness.servers, trial.witness.prefix, trial.witness.index_url, trial.witness.index_prefix, seen
        )
        trial.hit("ten records of each input partition deleted unread", "enrich")
        trial.deployment.start("enrich")
        trial.recovered("enrich")
        counted = trial.metric("enrich", "tocsin_log_holes_total")
        assert counted == missing, f"{missing} records were deleted, {counted:.0f} are counted"
        assert "the log has nothing from" in trial.deployment.log("enrich")


@scenario(
    16,
    "An input topic that is compacted, or that somebody writes to in transactions, is refused at the start by every service, "
    "which names the setting.",
)
def input_topics_of_other_kinds(trial: Trial) -> None:
    social = f"{trial.witness.prefix}.social"
    with administering(trial.witness) as admin:
        admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, social, {"cleanup.policy": "compact"})])
    for service in SERVICES:
        trial.deployment.start(service)
        trial.ended(service, 2, f"the topic {social} has cleanup.policy=compact")
    trial.done["compacted input topic"] += 1
    trial.deployment.command("topics", "create")
    with trial.load(documents=3500):
        trial.pause(5, 6)
    trial.judge()
    producer = KafkaProducer(
        bootstrap_servers=trial.witness.servers, transactional_id=f"{trial.witness.prefix}-stranger"
    )
    producer.init_transactions()
    producer.begin_transaction()
    producer.send(social, b"{}", partition=1).get(30)
    producer.commit_transaction()
    producer.close()
    for service in SERVICES:
        trial.deployment.start(service)
        trial.ended(service, 2, f"{social}, partition 1, is written in transactions")
    trial.done["transactional input topic"] += 1
