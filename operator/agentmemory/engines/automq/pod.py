"""What of a node's pod is AutoMQ's: its start, its memory, its Secrets. The rest is engines.kafka.pod. Pure."""

from agentmemory.api.labels import GROUP
from agentmemory.engines.automq import names
from agentmemory.engines.automq.buckets import authorities
from agentmemory.engines.automq.memory import GIB, share_out
from agentmemory.engines.automq.properties import files
from agentmemory.engines.base import NodePlan, Object
from agentmemory.engines.kafka import jvm
from agentmemory.engines.kafka.names import CONFIG
from agentmemory.engines.kafka.pod import pod as kafka_pod
from agentmemory.engines.kafka.shape import Additions, Shape

CREDENTIALS_HASH = f"{GROUP}/credentials-hash"
KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
SESSION = "AWS_SESSION_TOKEN"

_OPENED = (
    *("java.lang", "java.lang.invoke", "java.lang.reflect", "java.io", "java.net", "java.nio", "java.util"),
    *("java.util.concurrent", "sun.nio.ch", "jdk.internal.ref"),
)
# As bin/kafka-run-class.sh and kafka-server-start.sh of the vendor's have them; the second takes its own when
# KAFKA_OPTS is set.
OPTIONS = " ".join(
    (
        *(f"--add-opens=java.base/{package}=ALL-UNNAMED" for package in _OPENED),
        "-Dio.netty.tryReflectionSetAccessible=true",
        "-Dio.netty.allocator.maxOrder=11",
    )
)
# The image asks for ZGC, which wants room: below this much memory the JVM's usual collector does better.
ZGC_FROM = 4 * GIB
_USUAL = "-server -XX:+UseG1GC -Djava.awt.headless=true"


def environment(plan: NodePlan) -> dict[str, str]:
    """The variables that AutoMQ's start scripts read; nothing secret."""
    made = jvm.environment(plan.resources)
    made["KAFKA_HEAP_OPTS"] = share_out(plan.resources.memory).options
    made["KAFKA_OPTS"] += f" {OPTIONS}"
    made["AGENTMEMORY_KAFKA_HOME"] = names.HOME
    if plan.resources.memory < ZGC_FROM:
        made.setdefault("KAFKA_JVM_PERFORMANCE_OPTS", _USUAL)
    return made


def additions(plan: NodePlan) -> Additions:
    """Credentials by reference, the balancer's password, the buckets' authorities, the metrics' port."""
    storage, asked = plan.storage, plan.cluster.spec.object_storage
    secret = None if storage is None else storage.credentials
    maps = authorities(storage)
    return Additions(
        env=() if secret is None else tuple(_from_secret(secret, key) for key in (*KEYS, SESSION)),
        mounts=(_mount("balancer", names.BALANCER), *(_mount(f"ca-{k}", f"{names.BUCKET_CA}/{k}") for k in maps)),
        volumes=(
            {
                "name": "balancer",
                "secret": {"secretName": names.balancer_secret(plan.node.cluster), "defaultMode": 0o440},
            },
            *({"name": f"ca-{name}", "configMap": {"name": found}} for name, found in maps.items()),
        ),
        ports=(("metrics", names.METRICS_PORT),),
        annotations={} if storage is None or secret is None else {CREDENTIALS_HASH: storage.credentials_hash},
        service_account=asked.service_account_name if asked is not None and secret is None else None,
    )


SHAPE = Shape(
    files=files,
    environment=environment,
    logging=f"-Dlog4j.configuration=file:{CONFIG}/log4j.properties",
    formats=False,
    # A broker uploads what is only in its log, and hands its partitions over: minutes on a slow bucket (the vendor's
    # compose files give it 1 to 2 minutes).
    grace={"broker": 180, "controller": 120},
    additions=additions,
)


def pod(plan: NodePlan) -> Object:
    """The pod as it is to be made."""
    return kafka_pod(plan, SHAPE)


def _from_secret(name: str, key: str) -> Object:
    optional = {"optional": True} if key == SESSION else {}
    return {"name": key, "valueFrom": {"secretKeyRef": {"name": name, "key": key, **optional}}}


def _mount(name: str, path: str) -> Object:
    return {"name": name, "mountPath": path, "readOnly": True}
