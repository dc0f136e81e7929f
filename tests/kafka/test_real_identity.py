"""Who the brokers think we are: the operator's roles by certificate, and quick words for what is wrong."""

import time
from dataclasses import replace

import pytest

from agentmemory.core.errors import Denied, Invalid, OperatorError
from agentmemory.kafka.admin import KafkaAdmin
from agentmemory.kafka.connection import Credentials
from agentmemory.kafka.model import Acl, CreatedTopic, NewTopicSpec, or_raise
from tests.kafka.authority import Authority
from tests.kafka.realkafka import RealKafka

pytestmark = pytest.mark.kafka


async def _refusal(credentials: Credentials) -> OperatorError:
    """What the first call raises; it must not take long to find out."""
    admin = KafkaAdmin(credentials, limit=15)
    start = time.monotonic()
    with pytest.raises(OperatorError) as caught:
        await admin.describe_cluster()
    assert time.monotonic() - start < 5
    await admin.close()
    return caught.value


async def test_the_tenant_role_has_only_what_it_is_given(real_kafka: RealKafka, admin: KafkaAdmin) -> None:
    tenant = KafkaAdmin(real_kafka.credentials("tenant-operator"))
    spec = NewTopicSpec("role.agents.calls.events", 1, 1)
    assert isinstance((await tenant.create_topics([spec]))[spec.name], Denied)
    principal = "User:tenant-operator"
    or_raise(
        await admin.create_acls(
            [
                Acl(principal, "TOPIC", "role.", "PREFIXED", "CREATE"),
                Acl(principal, "TOPIC", "role.", "PREFIXED", "DESCRIBE"),
                Acl(principal, "TOPIC", "role.", "PREFIXED", "DESCRIBE_CONFIGS"),
                Acl(principal, "TOPIC", "role.", "PREFIXED", "ALTER_CONFIGS"),
            ]
        )
    )
    made = (await tenant.create_topics([spec]))[spec.name]
    assert isinstance(made, CreatedTopic)
    assert await tenant.alter_configs({spec.name: {"retention.ms": "1000"}}) == {spec.name: None}
    assert isinstance((await tenant.delete_topics(ids=[made.topic_id]))[made.topic_id], Denied)
    assert isinstance((await tenant.create_topics([NewTopicSpec("else.x", 1, 1)]))["else.x"], Denied)
    await tenant.close()


async def test_another_role_name_has_no_rights(real_kafka: RealKafka) -> None:
    """The mapping takes the two known names only; a node's name needs a node's unit and the cluster's organization."""
    impostors = [
        real_kafka.authority.operator("other-operator"),
        real_kafka.authority.issue("platform-operator", unit="guests"),
        real_kafka.authority.node("testcluster-1000", cluster="othercluster"),
    ]
    for pair in impostors:
        credentials = replace(real_kafka.credentials(), cert_pem=pair.cert, key_pem=pair.key)
        guest = KafkaAdmin(credentials)
        assert isinstance((await guest.create_topics([NewTopicSpec("impostor", 1, 1)]))["impostor"], Denied)
        await guest.close()


async def test_a_bad_password_is_told_at_once(real_kafka: RealKafka, admin: KafkaAdmin) -> None:
    await admin.upsert_scram("known", "SCRAM-SHA-512", "right")
    good = real_kafka.scram_credentials("known", "right")
    for credentials in (replace(good, password="wrong"), replace(good, mechanism="SCRAM-SHA-256")):
        error = await _refusal(credentials)
        assert type(error) is Denied
        assert error.reason == "SaslAuthenticationFailed"
        assert "Check user and password" in error.message


async def test_trust_that_is_missing_on_either_side(real_kafka: RealKafka) -> None:
    good = real_kafka.credentials()
    other = Authority().operator("platform-operator")
    wrong = {
        "we do not know the broker's authority": replace(good, ca_pem=Authority("other").pem),
        "it does not know ours": replace(good, cert_pem=other.cert, key_pem=other.key),
        "we show no certificate": replace(good, cert_pem=None, key_pem=None),
        "a password where a certificate is asked": Credentials(good.bootstrap, good.ca_pem, username="a", password="b"),
    }
    for case, credentials in wrong.items():
        error = await _refusal(credentials)
        assert (type(error), error.reason) == (Denied, "TlsRefused"), case


async def test_a_controllers_port_is_not_a_brokers(real_kafka: RealKafka) -> None:
    port = real_kafka.nodes[0].ports["CONTROLLER"]
    error = await _refusal(replace(real_kafka.credentials(), bootstrap=f"127.0.0.1:{port}"))
    assert type(error) is Invalid
    assert "controller's" in error.message
