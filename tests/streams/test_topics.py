"""The topics of a prefix: names, partitions, what each keeps."""

from hypothesis import given
from hypothesis import strategies as st

from streams.codec import MAX_MESSAGE_BYTES, MAX_RECORD_BYTES
from streams.service_settings import KafkaSettings
from streams.topics import Topics, TopicSpec

DAY_MS = 86_400_000


def specs(**settings: object) -> dict[str, TopicSpec]:
    return {spec.name: spec for spec in Topics(KafkaSettings(**settings)).specs()}  # type: ignore[arg-type]


def test_every_name_begins_with_the_prefix() -> None:
    topics = Topics(KafkaSettings(prefix="desk"))
    assert all(spec.name.startswith("desk.") for spec in topics.specs())
    assert topics.inputs["news"] == ("desk.news", 4)
    assert topics.group("enrich") == "desk-enrich"


@given(news=st.integers(1, 50), social=st.integers(1, 50), mentions=st.integers(1, 50))
def test_partitions_follow_the_settings_that_each_topic_names(news: int, social: int, mentions: int) -> None:
    found = specs(news_partitions=news, social_partitions=social, mention_partitions=mentions)
    counted = {name: (spec.partitions, spec.counted_by.split()[0]) for name, spec in found.items()}
    assert counted["tocsin.news"] == (news, "kafka.news_partitions")
    assert counted["tocsin.social"] == (social, "kafka.social_partitions")
    assert counted["tocsin.mentions"] == (mentions, "kafka.mention_partitions")
    assert {found[f"tocsin.{name}"].partitions for name in ("alerts", "series", "state")} == {mentions + 1}
    topics = Topics(KafkaSettings(news_partitions=news, social_partitions=social, mention_partitions=mentions))
    assert topics.wide_output == mentions
    assert len(topics.origins) == news + social


def test_the_log_is_kept_by_age_and_state_by_key_and_the_broker_stamps_everything() -> None:
    found = specs(input_days=3, result_days=5, alert_days=700)
    assert found["tocsin.state"].configuration["cleanup.policy"] == "compact"
    assert "retention.ms" not in found["tocsin.state"].configuration
    for name, days in (("social", 3), ("mentions", 5), ("deadletters", 5), ("alerts", 700)):
        assert found[f"tocsin.{name}"].configuration["retention.ms"] == str(days * DAY_MS)
        assert found[f"tocsin.{name}"].configuration["cleanup.policy"] == "delete"
    assert {spec.configuration["message.timestamp.type"] for spec in found.values()} == {"LogAppendTime"}


def test_a_record_at_its_limit_fits_with_its_key_and_headers() -> None:
    found = specs()
    assert int(found["tocsin.news"].configuration["max.message.bytes"]) > MAX_RECORD_BYTES + 10_000
    assert int(found["tocsin.documents"].configuration["max.message.bytes"]) > MAX_MESSAGE_BYTES + 10_000
