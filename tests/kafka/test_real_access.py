"""Users and rules on a real broker, proven by a client that produces and consumes with them."""

import ssl
from dataclasses import replace
from typing import Any

import pytest
from kafka import KafkaConsumer, KafkaProducer
from kafka.errors import GroupAuthorizationFailedError, TopicAuthorizationFailedError

from agentmemory.core.errors import Denied, Invalid
from agentmemory.kafka.admin import KafkaAdmin
from agentmemory.kafka.model import Acl, NewTopicSpec, or_raise
from tests.kafka.conftest import eventually
from tests.kafka.realkafka import RealKafka

pytestmark = pytest.mark.kafka

USER = "acme.agents.writer"
RULES = {
    Acl(f"User:{USER}", "TOPIC", "acme.agents.calls.", "PREFIXED", "READ"),
    Acl(f"User:{USER}", "TOPIC", "acme.agents.calls.", "PREFIXED", "WRITE"),
    Acl(f"User:{USER}", "GROUP", f"{USER}.", "PREFIXED", "READ"),
    Acl(f"User:{USER}", "TRANSACTIONAL_ID", f"{USER}.", "PREFIXED", "WRITE"),
}


def _client(kafka: RealKafka, user: str, password: str) -> dict[str, Any]:
    return {
        "bootstrap_servers": kafka.bootstrap("CLIENTS"),
        "security_protocol": "SASL_SSL",
        "ssl_context": ssl.create_default_context(cadata=kafka.authority.pem),
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": user,
        "sasl_plain_password": password,
    }


async def test_a_client_may_what_its_rules_say(real_kafka: RealKafka, admin: KafkaAdmin) -> None:
    or_raise(await admin.create_topics([NewTopicSpec(f"acme.agents.{name}.events", 1, 1) for name in ("calls", "hr")]))
    await admin.upsert_scram(USER, "SCRAM-SHA-512", "secret")
    assert or_raise(await admin.create_acls(RULES)) == dict.fromkeys(RULES)
    assert or_raise(await admin.create_acls(RULES)) == dict.fromkeys(RULES)  # again is fine
    await eventually(lambda: admin.describe_acls(f"User:{USER}"), lambda found: found == RULES)

    client = _client(real_kafka, USER, "secret")
    with KafkaProducer(**client, acks="all") as producer:
        sent = producer.send("acme.agents.calls.events", key=b"s1", value=b"tool.call").get(timeout=20)
        assert sent.offset == 0
        with pytest.raises(TopicAuthorizationFailedError):
            producer.send("acme.agents.hr.events", value=b"x").get(timeout=20)

    reading = {"auto_offset_reset": "earliest", "consumer_timeout_ms": 20000}
    with KafkaConsumer("acme.agents.calls.events", **client, group_id=f"{USER}.one", **reading) as consumer:
        assert next(iter(consumer)).value == b"tool.call"
    with (
        KafkaConsumer("acme.agents.calls.events", **client, group_id="other.group", **reading) as consumer,
        pytest.raises(GroupAuthorizationFailedError),
    ):
        next(iter(consumer))


async def test_rules_are_deleted_exactly(admin: KafkaAdmin) -> None:
    prefixed = Acl("User:exact", "TOPIC", "t", "PREFIXED", "READ")
    literal = Acl("User:exact", "TOPIC", "t", "LITERAL", "READ")
    or_raise(await admin.create_acls([prefixed, literal]))
    absent = Acl("User:exact", "TOPIC", "other", "LITERAL", "READ")
    assert await admin.delete_acls([literal, absent]) == {literal: None, absent: None}
    await eventually(lambda: admin.describe_acls("User:exact"), lambda found: found == {prefixed})
    assert await admin.describe_acls("User:nobody") == set()


async def test_every_kind_of_rule_comes_back_as_it_went(admin: KafkaAdmin) -> None:
    rules = {
        Acl("User:kinds", "CLUSTER", "kafka-cluster", "LITERAL", "IDEMPOTENT_WRITE"),
        Acl("User:kinds", "CLUSTER", "kafka-cluster", "LITERAL", "ALTER"),
        Acl("User:kinds", "TOPIC", "*", "LITERAL", "DESCRIBE_CONFIGS", permission="DENY", host="10.0.0.1"),
        Acl("User:kinds", "TOPIC", "a.", "PREFIXED", "ALL"),
        Acl("User:kinds", "GROUP", "a.", "PREFIXED", "DELETE"),
        Acl("User:kinds", "TRANSACTIONAL_ID", "a.", "PREFIXED", "DESCRIBE"),
        Acl("User:kinds", "DELEGATION_TOKEN", "t", "LITERAL", "DESCRIBE"),
        Acl("User:kinds", "USER", "u", "LITERAL", "DESCRIBE_TOKENS"),
    }
    or_raise(await admin.create_acls(rules))
    await eventually(lambda: admin.describe_acls("User:kinds"), lambda found: found == rules)


async def test_one_bad_rule_fails_alone(admin: KafkaAdmin) -> None:
    good = Acl("User:mixed", "TOPIC", "a", "LITERAL", "READ")
    bad = Acl("mixed", "TOPIC", "a", "LITERAL", "READ")
    results = await admin.create_acls([bad, good])
    assert results[good] is None
    assert isinstance(results[bad], Invalid)
    assert "ALLOW mixed READ on TOPIC a (LITERAL)" in results[bad].message
    assert "no colon" in results[bad].message


async def test_scram_mechanisms_are_two_slots(admin: KafkaAdmin) -> None:
    await admin.upsert_scram("slots", "SCRAM-SHA-512", "a")
    await admin.upsert_scram("slots", "SCRAM-SHA-256", "b", iterations=8192)
    both = {"slots": {"SCRAM-SHA-512": 4096, "SCRAM-SHA-256": 8192}}
    await eventually(lambda: admin.describe_scram(["slots", "nobody"]), lambda found: found == both)
    await admin.delete_scram("slots", "SCRAM-SHA-512")
    await admin.delete_scram("slots", "SCRAM-SHA-512")
    await eventually(lambda: admin.describe_scram(["slots"]), lambda found: found == {"slots": {"SCRAM-SHA-256": 8192}})


async def test_too_few_iterations(admin: KafkaAdmin) -> None:
    with pytest.raises(Invalid, match="SCRAM user weak: Too few iterations") as caught:
        await admin.upsert_scram("weak", "SCRAM-SHA-512", "a", iterations=10)
    assert caught.value.reason == "UnacceptableCredential"


async def test_rotation_without_a_gap(real_kafka: RealKafka, admin: KafkaAdmin) -> None:
    """The other mechanism's password works while the first one's still does."""
    await admin.upsert_scram("turn", "SCRAM-SHA-512", "old")
    await admin.upsert_scram("turn", "SCRAM-SHA-256", "new")
    old = real_kafka.scram_credentials("turn", "old")
    for credentials in (old, replace(old, password="new", mechanism="SCRAM-SHA-256")):
        client = KafkaAdmin(credentials)
        assert 1000 in (await client.describe_cluster()).brokers
        await client.close()


async def test_a_user_without_rights_is_told_which(real_kafka: RealKafka, admin: KafkaAdmin) -> None:
    await admin.upsert_scram("nobody", "SCRAM-SHA-512", "pw")
    client = KafkaAdmin(real_kafka.scram_credentials("nobody", "pw"))
    assert await client.list_topics() == {}
    results = await client.create_topics([NewTopicSpec("acme.nobody", 1, 1)])
    assert isinstance(results["acme.nobody"], Denied)
    described = await client.describe_topics(["acme.nobody"])
    assert isinstance(described["acme.nobody"], Denied)
    for call in (
        client.quorum(),
        client.describe_acls("User:nobody"),
        client.describe_scram(["nobody"]),
        client.upsert_scram("nobody", "SCRAM-SHA-256", "pw"),
        client.unregister_broker(4000),
    ):
        with pytest.raises(Denied):
            await call
    rule = Acl("User:nobody", "TOPIC", "*", "LITERAL", "ALL")
    refused = (await client.create_acls([rule]))[rule]
    assert isinstance(refused, Denied)
    assert "the principal needs ALTER on the cluster" in refused.message
    await client.close()
