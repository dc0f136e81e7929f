"""AutoMQ's own rules on a rendered server.properties: what breaks one would not boot, or would lose or show data. Pure.

Each rule looks at the settings and yields what is wrong with them. Sources: AutoMQ 1.7.3 (AutoMQConfig, BucketURI,
DefaultWalFactory, StorageUtil, NodeRuntimeMetadata, AutoBalancer's configs) and Kafka 3.9's KafkaConfig.
"""

import re
from collections.abc import Callable, Iterator, Mapping

from agentmemory.core.errors import Bug
from agentmemory.engines.automq import uris
from agentmemory.engines.automq.memory import MAX_UPLOAD
from agentmemory.engines.automq.names import LAST_CONTROLLER_ID

Settings = Mapping[str, str]
Rule = Callable[[Settings], Iterator[str]]

_POLICIES = ("POOLED_HEAP", "POOLED_DIRECT")
_ONE = re.compile(r"(^|\.)(replication\.factor|min\.isr|min\.insync\.replicas)$")
_NOT_IN_3_9 = re.compile(r"^(share\.|group\.share\.|controller\.quorum\.auto\.join|group\.streams\.)")
_OLD = re.compile(r"^s3\.(endpoint|region|bucket|path\.style|ops\.bucket|wal\.(capacity|thread|iops))$")
_SECRET = re.compile(r'password="(?!\$\{)|user_[^=]+="(?!\$\{)')


def verify(text: str) -> str:
    """The text itself. Raises Bug with everything that is wrong with it: we rendered it, so the fault is ours."""
    found = faults(text)
    if found:
        raise Bug("WouldNotBoot", f"a rendered configuration of engine automq breaks its rules: {'; '.join(found)}")
    return text


def faults(text: str) -> list[str]:
    """Everything that is wrong, in the rules' order; empty for a configuration that boots."""
    settings = parse(text)
    return [found for rule in RULES for found in rule(settings)]


def parse(text: str) -> dict[str, str]:
    """`key=value` lines; comments and empty lines are passed over. Raises Bug for any other, and for a key twice."""
    made: dict[str, str] = {}
    for line in text.splitlines():
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        key, equals, value = line.partition("=")
        if not equals or key in made:
            raise Bug("WouldNotBoot", f"line {line!r} is no setting, or stands twice")
        made[key] = value
    return made


def storage_is_on(settings: Settings) -> Iterator[str]:
    """On every node, controllers too; and not the mock that keeps all in memory."""
    if settings.get("elasticstream.enable") != "true":
        yield "elasticstream.enable is not true: the node would keep records on its own disk"
    if settings.get("s3.mock.enable", "false") != "false":
        yield "s3.mock.enable keeps records in memory"


def identity(settings: Settings) -> Iterator[str]:
    """Role and id; which of them is a broker is known to AutoMQ by the number."""
    role, node = settings.get("process.roles", ""), settings.get("node.id", "")
    if role not in ("controller", "broker"):
        yield f"process.roles={role} is neither controller nor broker"
    elif not node.isdigit():
        yield f"node.id={node} is no number"
    elif (int(node) <= LAST_CONTROLLER_ID) != (role == "controller"):
        yield f"node.id={node} is not a {role}'s: controllers are below {LAST_CONTROLLER_ID + 1}, brokers from there on"
    if not re.fullmatch(r"[A-Za-z0-9_-]{22}", settings.get("cluster.id", "")):
        yield "cluster.id is missing or no UUID in base64: nothing would format the volume"


def quorum(settings: Settings) -> Iterator[str]:
    """Static: the voters stand in the file, the controller itself among them."""
    voters = settings.get("controller.quorum.voters", "").split(",")
    ids = [voter.partition("@")[0] for voter in voters]
    if not all(re.fullmatch(r"\d{1,3}@[A-Za-z0-9.-]+:\d+", voter) for voter in voters) or len(set(ids)) != len(ids):
        yield "controller.quorum.voters is not a list of id@host:port with ids below 1000, each once"
    elif (settings.get("node.id") in ids) != (settings.get("process.roles") == "controller"):
        yield "node.id and controller.quorum.voters disagree on whether this node votes"
    if "controller.quorum.bootstrap.servers" in settings:
        yield "controller.quorum.bootstrap.servers belongs to a dynamic quorum"


def buckets(settings: Settings) -> Iterator[str]:
    """Data, operations and the log that is written ahead, each by AutoMQ's grammar and without keys."""
    for key in ("s3.data.buckets", "s3.ops.buckets", "s3.wal.path"):
        if key not in settings:
            yield f"{key} is missing"
            continue
        yield from (f"{key}: {fault}" for fault in uris.faults(settings[key], wal=key == "s3.wal.path"))
    if "automq.zonerouter.channels" in settings:
        channel = uris.faults(settings["automq.zonerouter.channels"])
        yield from (f"automq.zonerouter.channels: {fault}" for fault in channel)
    data, ops, wal = (uris.bucket(settings.get(f"s3.{key}", "")) for key in ("data.buckets", "ops.buckets", "wal.path"))
    if data == ops:
        yield "s3.data.buckets and s3.ops.buckets are one bucket"
    if data != wal:
        yield "s3.wal.path is not in the data bucket: the two would be backed up and deleted apart"
    yield from (f"{key} is an old setting" for key in settings if _OLD.search(key))


def memory(settings: Settings) -> Iterator[str]:
    """Both caches or neither; the upload threshold within AutoMQ's bounds."""
    wal, block = settings.get("s3.wal.cache.size"), settings.get("s3.block.cache.size")
    if (wal is None) != (block is None):
        yield "of s3.wal.cache.size and s3.block.cache.size only one is set"
    if settings.get("s3.stream.allocator.policy", "POOLED_HEAP") not in _POLICIES:
        yield f"s3.stream.allocator.policy is none of {', '.join(_POLICIES)}"
    threshold = settings.get("s3.wal.upload.threshold")
    if wal is not None and threshold is not None and int(threshold) > min(int(wal) // 3, MAX_UPLOAD):
        yield "s3.wal.upload.threshold is above a third of s3.wal.cache.size, or above 500 MiB"


def one_copy(settings: Settings) -> Iterator[str]:
    """More copies are a POLICY_VIOLATION."""
    for key, value in settings.items():
        if _ONE.search(key) and value != "1":
            yield f"{key} is {value}, and AutoMQ keeps one copy"


def no_other_kafka(settings: Settings) -> Iterator[str]:
    """Its base is Kafka 3.9; and tiered storage under a log that is in the bucket already makes no sense."""
    for key in settings:
        if _NOT_IN_3_9.search(key):
            yield f"{key} is not known to Kafka 3.9"
        if key.startswith(("remote.log.", "rsm.config.")):
            yield f"{key} belongs to tiered storage"


def balancer(settings: Settings) -> Iterator[str]:
    """Its clients know security.protocol and SASL alone; they need a listener that lets such in."""
    listener = settings.get("autobalancer.client.listener.name", "")
    protocols = dict(pair.partition(":")[::2] for pair in settings.get("listener.security.protocol.map", "").split(","))
    spoken = settings.get("autobalancer.client.auth.security.protocol", "PLAINTEXT")
    if protocols.get(listener) != spoken:
        yield f"the balancer speaks {spoken}, and listener {listener or '(none)'} speaks {protocols.get(listener)}"
    if settings.get("process.roles") != "broker":
        return
    if listener not in {one.partition("://")[0] for one in settings.get("listeners", "").split(",")} - {""}:
        yield f"no listener {listener or '(none)'} for the balancer"
    prefix = f"listener.name.{listener.lower()}"
    mechanism = settings.get("autobalancer.client.auth.sasl.mechanism", "GSSAPI")
    if spoken.startswith("SASL") and mechanism not in settings.get(f"{prefix}.sasl.enabled.mechanisms", "").split(","):
        yield f"the balancer shows itself by {mechanism}, which listener {listener} does not take"
    if spoken.endswith("SSL") and settings.get(f"{prefix}.ssl.client.auth") == "required":
        yield f"listener {listener} wants a certificate, and the balancer's clients can have none"
    if "AutoBalancerMetricsReporter" not in settings.get("metric.reporters", ""):
        yield "metric.reporters lacks the balancer's: it would know no broker's load"


def metrics(settings: Settings) -> Iterator[str]:
    """The exporter's address, and how often it is told."""
    exporters = settings.get("s3.telemetry.metrics.exporter.uri", "").split(",")
    if not any(re.fullmatch(r"prometheus://\?host=[0-9.]+&port=\d{2,5}", exporter) for exporter in exporters):
        yield "s3.telemetry.metrics.exporter.uri has no prometheus://?host=..&port=.."
    if settings.get("s3.telemetry.exporter.report.interval.ms") != "10000":
        yield "s3.telemetry.exporter.report.interval.ms is not 10000"


def no_secrets(settings: Settings) -> Iterator[str]:
    """AutoMQ writes the file to the node's disk in clear when it has a cluster.id."""
    yield from (f"{key} holds a password in clear" for key, value in settings.items() if _SECRET.search(value))


def tables_keep_history(settings: Settings) -> Iterator[str]:
    """Iceberg snapshots expire after an hour unless it is said otherwise."""
    on = settings.get("automq.table.topic.enable") == "true"
    if on and "automq.table.topic.expire.snapshot.enabled" not in settings:
        yield "automq.table.topic.expire.snapshot.enabled is left out: snapshots would go after an hour"


RULES: tuple[Rule, ...] = (
    storage_is_on,
    identity,
    quorum,
    buckets,
    memory,
    one_copy,
    no_other_kafka,
    balancer,
    metrics,
    no_secrets,
    tables_keep_history,
)
