"""The process's settings, read once from the environment."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from agentmemory.core.errors import Invalid

Role = Literal["platform", "tenant", "all"]
Transport = Literal["kopf", "list"]

DEFAULT_IMAGES: Mapping[str, str] = {"kafka": "apache/kafka:{version}", "automq": "automqinc/automq:{version}"}
IMAGE_VARIABLES: Mapping[str, str] = {
    "kafka": "AGENTMEMORY_KAFKA_IMAGE",
    "automq": "AGENTMEMORY_AUTOMQ_IMAGE",
    "kafka-tiered": "AGENTMEMORY_KAFKA_TIERED_IMAGE",
}


@dataclass(frozen=True)
class Settings:
    """What the chart decides. Durations in seconds."""

    role: Role = "all"
    # The operator's own namespace: its Lease and the tenant principals' Secret live there.
    namespace: str = "agent-memory-system"
    pod_name: str = "agent-memory-operator"
    # Engine -> image, `{version}` is filled in. MemoryCluster.spec.image goes before it.
    images: Mapping[str, str] = field(default_factory=lambda: dict(DEFAULT_IMAGES))
    # Only these namespaces are watched for children (pods, services, ...); empty: all.
    cluster_namespaces: tuple[str, ...] = ()
    # Reconciles at once: most of them wait for the same call to Kafka, so many make few and large calls.
    concurrency: int = 256
    # Partitions a second and cluster whose records are thrown away: topics deleted, retentions shortened.
    discard_rate: float = 250.0
    resync: float = 120.0
    port: int = 8080
    # How long running reconciles may take after SIGTERM; below the pod's terminationGracePeriodSeconds.
    stop_limit: float = 20.0
    # How long a cluster's nodes may be in one step (start, registration) before it is called failed.
    engine_timeout: float = 300.0
    # The pause between two looks at something that is on its way.
    engine_poll: float = 2.0
    # What carries the watch's events: our own list and watch, or kopf (docs/adr/0008-list-and-watch.md).
    watch: Transport = "list"
    lease: bool = True
    # Hosts of object storage that pass unchecked, such as 127.0.0.1 in tests: never set where others write buckets.
    s3_allow_hosts: tuple[str, ...] = ()

    @property
    def manager(self) -> str:
        """The field manager of this role's writes, also the name of its Lease."""
        return f"agent-memory-operator-{self.role}"

    def image(self, engine: str, version: str) -> str:
        """The image of an engine's nodes. Raises Invalid for an engine that has none unless somebody names one."""
        if engine not in self.images:
            raise Invalid(
                "ImageRequired",
                f"engine {engine} has no image of its own: name one in spec.image of the MemoryCluster, or for all of "
                f"them in the operator's {IMAGE_VARIABLES[engine]} (docs/image-contract.md says what it must bring)",
            )
        return self.images[engine].format(version=version)


def from_environment(environ: Mapping[str, str], role: str | None = None) -> Settings:
    """Settings from AGENTMEMORY_* variables; `role` (from the command line) goes before AGENTMEMORY_ROLE."""
    defaults = Settings()
    return Settings(
        role=_role(role or environ.get("AGENTMEMORY_ROLE") or defaults.role),
        namespace=environ.get("AGENTMEMORY_NAMESPACE") or defaults.namespace,
        pod_name=environ.get("POD_NAME") or defaults.pod_name,
        images=_images(environ),
        cluster_namespaces=_names(environ.get("AGENTMEMORY_CLUSTER_NAMESPACES", "")),
        concurrency=int(_number(environ, "AGENTMEMORY_CONCURRENCY", defaults.concurrency, least=1)),
        discard_rate=_number(environ, "AGENTMEMORY_DISCARD_PARTITIONS_PER_SECOND", defaults.discard_rate, least=1),
        resync=_number(environ, "AGENTMEMORY_RESYNC_SECONDS", defaults.resync, least=1),
        port=int(_number(environ, "AGENTMEMORY_PORT", defaults.port, least=0)),
        stop_limit=_number(environ, "AGENTMEMORY_STOP_SECONDS", defaults.stop_limit, least=0),
        watch=_watch(environ.get("AGENTMEMORY_WATCH") or defaults.watch),
        lease=environ.get("AGENTMEMORY_LEASE", "true") != "false",
        s3_allow_hosts=_names(environ.get("AGENTMEMORY_S3_ALLOW_HOSTS", "")),
    )


def _images(environ: Mapping[str, str]) -> dict[str, str]:
    named = {engine: environ[name] for engine, name in IMAGE_VARIABLES.items() if environ.get(name)}
    return {**DEFAULT_IMAGES, **named}


def _role(text: str) -> Role:
    for role in get_args(Role):
        if text == role:
            return role  # type: ignore[no-any-return]
    raise Invalid("InvalidSettings", f"role {text!r} is unknown: use one of {', '.join(get_args(Role))}")


def _watch(text: str) -> Transport:
    for transport in get_args(Transport):
        if text == transport:
            return transport  # type: ignore[no-any-return]
    raise Invalid(
        "InvalidSettings", f"AGENTMEMORY_WATCH={text!r} is unknown: use one of {', '.join(get_args(Transport))}"
    )


def _names(text: str) -> tuple[str, ...]:
    return tuple(name for part in text.split(",") if (name := part.strip()))


def _number(environ: Mapping[str, str], name: str, default: float, *, least: float) -> float:
    text = environ.get(name)
    if not text:
        return default
    try:
        value = float(text)
    except ValueError:
        raise Invalid("InvalidSettings", f"{name}={text!r} is not a number") from None
    if not value >= least:
        raise Invalid("InvalidSettings", f"{name}={text!r} is below {least:g}")
    return value
