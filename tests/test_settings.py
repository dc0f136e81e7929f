"""Settings from the environment."""

import pytest

from agentmemory.core.errors import Invalid
from agentmemory.settings import Settings, from_environment


def test_defaults() -> None:
    assert from_environment({}) == Settings()
    assert Settings().resync == 120.0
    assert Settings().concurrency == 256
    assert Settings().discard_rate == 250.0


def test_everything_can_be_set() -> None:
    settings = from_environment(
        {
            "AGENTMEMORY_ROLE": "tenant",
            "AGENTMEMORY_NAMESPACE": "ops",
            "POD_NAME": "pod-1",
            "AGENTMEMORY_KAFKA_IMAGE": "registry.example/kafka:{version}-1",
            "AGENTMEMORY_CLUSTER_NAMESPACES": "a, b,,c ",
            "AGENTMEMORY_CONCURRENCY": "4",
            "AGENTMEMORY_DISCARD_PARTITIONS_PER_SECOND": "12.5",
            "AGENTMEMORY_RESYNC_SECONDS": "60",
            "AGENTMEMORY_PORT": "9090",
            "AGENTMEMORY_STOP_SECONDS": "5",
            "AGENTMEMORY_LEASE": "false",
            "AGENTMEMORY_WATCH": "list",
            "AGENTMEMORY_S3_ALLOW_HOSTS": "127.0.0.1, localhost",
        }
    )
    assert (settings.role, settings.namespace, settings.pod_name) == ("tenant", "ops", "pod-1")
    assert settings.image("kafka", "4.3.1") == "registry.example/kafka:4.3.1-1"
    assert settings.cluster_namespaces == ("a", "b", "c")
    assert (settings.concurrency, settings.resync, settings.port, settings.stop_limit) == (4, 60.0, 9090, 5.0)
    assert settings.discard_rate == 12.5
    assert not settings.lease
    assert settings.watch == "list"
    assert settings.s3_allow_hosts == ("127.0.0.1", "localhost")
    assert settings.manager == "agent-memory-operator-tenant"


def test_the_command_line_goes_before_the_environment() -> None:
    assert from_environment({"AGENTMEMORY_ROLE": "tenant"}, "platform").role == "platform"


def test_an_engines_image_is_named_by_itself() -> None:
    settings = from_environment({"AGENTMEMORY_AUTOMQ_IMAGE": "registry.example/automq:{version}"})
    assert settings.image("automq", "1.7.3") == "registry.example/automq:1.7.3"
    assert settings.image("kafka", "4.3.1") == "apache/kafka:4.3.1"
    assert Settings().image("automq", "1.7.3") == "automqinc/automq:1.7.3"
    with pytest.raises(Invalid, match=r"engine kafka-tiered has no image of its own: name one in spec\.image"):
        Settings().image("kafka-tiered", "4.3.1")


def test_the_default_image_follows_the_version() -> None:
    assert Settings().image("kafka", "4.3.1") == "apache/kafka:4.3.1"
    with pytest.raises(KeyError):
        Settings().image("external", "4.3.1")


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({"AGENTMEMORY_ROLE": "boss"}, "role 'boss' is unknown: use one of platform, tenant, all"),
        ({"AGENTMEMORY_RESYNC_SECONDS": "soon"}, "AGENTMEMORY_RESYNC_SECONDS='soon' is not a number"),
        ({"AGENTMEMORY_RESYNC_SECONDS": "0"}, "below 1"),
        ({"AGENTMEMORY_RESYNC_SECONDS": "nan"}, "below 1"),
        ({"AGENTMEMORY_CONCURRENCY": "0"}, "below 1"),
        ({"AGENTMEMORY_DISCARD_PARTITIONS_PER_SECOND": "0"}, "below 1"),
        ({"AGENTMEMORY_PORT": "-1"}, "below 0"),
        ({"AGENTMEMORY_WATCH": "poll"}, "AGENTMEMORY_WATCH='poll' is unknown: use one of kopf, list"),
    ],
)
def test_bad_values_are_named(environ: dict[str, str], said: str) -> None:
    with pytest.raises(Invalid, match=said):
        from_environment(environ)
