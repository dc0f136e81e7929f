"""What the API takes and refuses, once: the models' tests and the apiserver's both go by these tables.

`good`, `bad` and `before` are JSON merge patches (None deletes) of the smallest object of the kind. A transition rule
has `before`, from which `good` is a change that is let through and `bad` one that is not.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from agentmemory.api.kinds import KINDS

Patch = Mapping[str, Any]

MODELS = {model.INFO.kind: model for model in KINDS}

SMALLEST: dict[str, dict[str, Any]] = {
    "MemoryCluster": {"engine": "kafka"},
    "BrokerPool": {"clusterRef": {"name": "agents"}},
    "MemoryBucket": {"purpose": "Data", "region": "eu-central-1"},
    "MemoryTenant": {"clusterRef": {"name": "agents"}, "namespaces": [{"name": "support-agents"}]},
    "TopicFamily": {
        "tenantRef": {"namespace": "memory-system", "name": "support"},
        "owner": {"team": "support-ai", "contact": "support-ai@example.com"},
        "retention": {"time": "720h"},
    },
    "MemoryClient": {
        "tenantRef": {"namespace": "memory-system", "name": "support"},
        "access": [{"family": "trail", "operations": ["Produce"]}],
    },
}

BUCKETS = {"dataBucketRef": {"name": "agents-data"}, "opsBucketRef": {"name": "agents-ops"}}
TIERED = {"bucketRef": {"name": "agents-cold"}}
EXTERNAL = {"bootstrapServers": "kafka.example.com:9092", "credentialsSecretRef": {"name": "admin"}}


@dataclass(frozen=True)
class RuleCase:
    """One rule, by the path it stands at and how its message begins."""

    kind: str
    path: str
    message: str
    good: Patch
    bad: Patch
    before: Patch | None = None
    detours: tuple[Patch, ...] = field(default=())
    """More changes from `before` that the rule refuses: ways round it."""

    def __str__(self) -> str:
        return f"{self.kind}{self.path}: {self.message}"


@dataclass(frozen=True)
class BadInput:
    """What the schema alone refuses: where, and a part of the models' message."""

    kind: str
    patch: Patch
    where: str
    told: str

    def __str__(self) -> str:
        return f"{self.kind} {self.where} {self.patch}"[:100]


def made(kind: str, patch: Patch, name: str = "sample", namespace: str = "default") -> dict[str, Any]:
    """An object of the kind: the smallest one, patched. A `metadata` in the patch is the object's."""
    whole = {
        "apiVersion": "agentmemory.dev/v1alpha1",
        "kind": kind,
        "metadata": {"name": name, "namespace": namespace},
        "spec": SMALLEST[kind],
    }
    return merged(whole, patch)


def merged(target: Patch, patch: Patch) -> dict[str, Any]:
    """RFC 7386."""
    result = dict(target)
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, Mapping):
            below = result.get(key)
            result[key] = merged(below if isinstance(below, Mapping) else {}, value)
        else:
            result[key] = value
    return result


def spec(**fields: Any) -> Patch:
    """A patch of the spec."""
    return {"spec": fields}


def _named(name: str) -> Patch:
    return {"metadata": {"name": name}}


def _controllers(**fields: Any) -> Patch:
    return spec(controllers=fields)


def _storage(**fields: Any) -> Patch:
    return spec(storage=fields)


def _topic(**fields: Any) -> Patch:
    return spec(topics=[{"name": "events", **fields}])


def _namespaces(*entries: Patch) -> Patch:
    return spec(namespaces=list(entries))


def _expiry(max_delay: str, **fields: Any) -> Patch:
    return spec(erasure={"method": "Expiry", "maxDelay": max_delay}, **fields)


def _tombstone(compaction: str) -> Patch:
    topics = [{"name": "events", "compaction": compaction}]
    return spec(erasure={"method": "Tombstone", "maxDelay": "24h"}, topics=topics)


def _audit(**lock: Any) -> Patch:
    return spec(purpose="Audit", objectLock=lock or None)


def _lifecycle(**fields: Any) -> Patch:
    return spec(lifecycle=fields)


def _endpoint(text: str) -> Patch:
    return spec(s3={"endpoint": text})


def _automq(**fields: Any) -> Patch:
    return spec(**{"engine": "automq", "objectStorage": BUCKETS, **fields})


_CUSTOM = {"profile": "Custom", "className": "com.example.Cold", "classPath": "/opt/cold/*"}
_NAME = "metadata.name must be"
_REFERENCE = {"namespace": "memory-system", "name": "other"}
_FAST = {"storageClassName": "fast"}

RULES = (
    RuleCase("MemoryCluster", "", _NAME, _named("c" * 40), _named("9lives")),
    RuleCase("BrokerPool", "", _NAME, _named("p" * 63), _named("a.b")),
    RuleCase("MemoryBucket", "", _NAME, _named("b" * 63), _named("b.c")),
    RuleCase("MemoryTenant", "", _NAME, _named("t" * 30), _named("t" * 31)),
    RuleCase("TopicFamily", "", _NAME, _named("f" * 63), _named("tool.calls")),
    RuleCase("MemoryClient", "", _NAME, _named("m" * 63), _named("m" * 64)),
    # MemoryCluster
    RuleCase("MemoryCluster", ".spec.engine", "engine cannot change", spec(engine="kafka"),
             spec(engine="external", external=EXTERNAL), before={}),
    RuleCase("MemoryCluster", ".spec", "external belongs to engine external",
             spec(engine="external", external=EXTERNAL), spec(engine="external"), detours=(spec(external=EXTERNAL),)),
    RuleCase("MemoryCluster", ".spec", "controllers, image and failureDetection mean nothing",
             _controllers(replicas=1), spec(engine="external", external=EXTERNAL, controllers={}),
             detours=(spec(engine="external", external=EXTERNAL, image="kafka:1"),
                      spec(engine="external", external=EXTERNAL, failureDetection={}))),
    RuleCase("MemoryCluster", ".spec", "controllers.replicas cannot change", _controllers(resources={"cpu": "2"}),
             _controllers(replicas=3), before=_controllers(replicas=1),
             detours=(spec(controllers=None), _controllers(replicas=None))),
    RuleCase("MemoryCluster", ".spec", "controllers.storage.size cannot shrink", _controllers(storage={"size": "30Gi"}),
             _controllers(storage={"size": "19.9Gi"}), before=_controllers(storage={"size": "20Gi"}),
             detours=(spec(controllers=None), _controllers(storage=None))),
    RuleCase("MemoryCluster", ".spec", "controllers.storage.storageClassName cannot be", spec(version="4.4.0"),
             _controllers(storage={"storageClassName": "slow"}), before=_controllers(storage=_FAST),
             detours=(spec(controllers=None), _controllers(storage={"storageClassName": None}))),
    RuleCase("MemoryCluster", ".spec", "region cannot change", spec(region={"name": "eu-central-1"}),
             spec(region={"name": "us-east-1"}), before=spec(region={"name": "eu-central-1"}),
             detours=(spec(region=None),)),
    RuleCase("MemoryCluster", ".spec.replication", "minInSync cannot be more",
             spec(replication={"factor": 3, "minInSync": 3}), spec(replication={"factor": 1})),
    RuleCase("MemoryCluster", ".spec", "objectStorage belongs to engine automq", _automq(),
             spec(objectStorage=BUCKETS), detours=(spec(engine="automq"),)),
    RuleCase("MemoryCluster", ".spec", "tiering belongs to engine kafka-tiered",
             spec(engine="kafka-tiered", tiering=TIERED), spec(tiering=TIERED), detours=(spec(engine="kafka-tiered"),)),
    RuleCase("MemoryCluster", ".spec", "engine automq keeps one copy",
             _automq(replication={"factor": 1, "minInSync": 1}),
             _automq(replication={"factor": 3, "minInSync": 2}),
             detours=(_automq(replication={"factor": 3, "minInSync": 1}),)),
    RuleCase("MemoryCluster", ".spec", "objectStorage.dataBucketRef cannot change",
             _automq(objectStorage={**BUCKETS, "latencyClass": "Low"}),
             _automq(objectStorage={**BUCKETS, "dataBucketRef": {"name": "other"}}), before=_automq()),
    RuleCase("MemoryCluster", ".spec", "objectStorage.opsBucketRef cannot change",
             _automq(objectStorage={**BUCKETS, "zoneRouter": True}),
             _automq(objectStorage={**BUCKETS, "opsBucketRef": {"name": "other"}}), before=_automq()),
    RuleCase("MemoryCluster", ".spec.tiering", "profile Aiven needs bucketRef",
             spec(engine="kafka-tiered", tiering=TIERED), spec(engine="kafka-tiered", tiering={"profile": "Aiven"})),
    RuleCase("MemoryCluster", ".spec.tiering", "profile Custom needs className and classPath",
             spec(engine="kafka-tiered", tiering=_CUSTOM),
             spec(engine="kafka-tiered", tiering={**_CUSTOM, "classPath": None}),
             detours=(spec(engine="kafka-tiered", tiering={"profile": "Custom"}),)),
    RuleCase("MemoryCluster", ".spec.tiering", "className is the profile's own",
             spec(engine="kafka-tiered", tiering=_CUSTOM),
             spec(engine="kafka-tiered", tiering={**TIERED, "className": "a.B"})),
    RuleCase("MemoryCluster", ".spec.tiering", "bucketRef cannot change or be removed",
             spec(engine="kafka-tiered", tiering={**TIERED, "hotWindow": "1h"}),
             spec(engine="kafka-tiered", tiering={"bucketRef": {"name": "other"}}),
             before=spec(engine="kafka-tiered", tiering=TIERED),
             detours=(spec(engine="kafka-tiered", tiering={**_CUSTOM, "bucketRef": None}),)),
    RuleCase("MemoryCluster", ".spec.tiering.hotWindow", "must be from 1m to 8760h",
             spec(engine="kafka-tiered", tiering={**TIERED, "hotWindow": "1m"}),
             spec(engine="kafka-tiered", tiering={**TIERED, "hotWindow": "59s"}),
             detours=(spec(engine="kafka-tiered", tiering={**TIERED, "hotWindow": "8761h"}),)),
    RuleCase("MemoryCluster", ".spec.tiering.properties", "keys must be names of Java properties",
             spec(engine="kafka-tiered", tiering={**TIERED, "properties": {"chunk.size": "4194304"}}),
             spec(engine="kafka-tiered", tiering={**TIERED, "properties": {"chunk size": "1"}})),
    RuleCase("MemoryCluster", ".spec.region.nodeLabels", "keys must be names of labels",
             spec(region={"name": "eu-1", "nodeLabels": {"topology.kubernetes.io/region": "eu-1"}}),
             spec(region={"name": "eu-1", "nodeLabels": {"no label": "eu-1"}})),
    RuleCase("MemoryCluster", ".spec.failureDetection.sessionTimeout", "must be from 3s to 60s",
             spec(failureDetection={"sessionTimeout": "1m"}), spec(failureDetection={"sessionTimeout": "2s999ms"}),
             detours=(spec(failureDetection={"sessionTimeout": "61s"}),)),
    # BrokerPool
    RuleCase("BrokerPool", ".spec.clusterRef", "clusterRef cannot change", spec(replicas=5),
             spec(clusterRef={"name": "other"}), before={}),
    RuleCase("BrokerPool", ".spec.storage", "type cannot be added", spec(replicas=5), _storage(type="Ephemeral"),
             before={}),
    RuleCase("BrokerPool", ".spec.storage", "size cannot shrink", _storage(size="21Gi"), _storage(size=1),
             before=_storage(size="20Gi"), detours=(spec(storage=None), _storage(size=None), _storage(size="19Gi"))),
    RuleCase("BrokerPool", ".spec.storage", "storageClassName cannot be", spec(replicas=5),
             _storage(storageClassName="slow"), before=_storage(**_FAST),
             detours=(spec(storage=None), _storage(storageClassName=None))),
    RuleCase("BrokerPool", ".spec.storage", "storageClassName means nothing", _storage(type="Ephemeral"),
             _storage(type="Ephemeral", **_FAST)),
    # MemoryBucket
    RuleCase("MemoryBucket", ".spec", "bucketName cannot be added", spec(bucketName="mine", deletionPolicy="Delete"),
             spec(bucketName="yours"), before=spec(bucketName="mine"), detours=(spec(bucketName=None),)),
    RuleCase("MemoryBucket", ".spec", "objectLock is for purpose Audit only", _audit(mode="Governance", days=1),
             spec(objectLock={"mode": "Governance", "days": 1}),
             detours=(spec(purpose="Ops", objectLock={"mode": "Compliance", "days": 1}),)),
    RuleCase("MemoryBucket", ".spec", "objectLock cannot be removed", _audit(mode="Governance", days=9),
             spec(objectLock=None), before=_audit(mode="Governance", days=10)),
    RuleCase("MemoryBucket", ".spec", "lifecycle.expireAfter is for purpose Ops",
             spec(purpose="Ops", lifecycle={"expireAfter": "720h"}), _lifecycle(expireAfter="720h"),
             detours=(spec(purpose="Audit", lifecycle={"expireAfter": "720h"}),)),
    RuleCase("MemoryBucket", ".spec", "policy.sourceVpcEndpoints and sourceCidrs can lock out",
             spec(policy={"sourceCidrs": ["10.0.0.0/8"], "breakGlassPrincipals": ["arn:aws:iam::1:role/rescue"]}),
             spec(policy={"sourceCidrs": ["10.0.0.0/8"]}), detours=(spec(policy={"sourceVpcEndpoints": ["vpce-1a"]}),)),
    RuleCase("MemoryBucket", ".spec", "force means nothing with deletionPolicy Retain",
             spec(deletionPolicy="Delete", force={}), spec(force={"gracePeriod": "1h"})),
    RuleCase("MemoryBucket", ".spec.purpose", "purpose cannot change", spec(tags={"team": "memory"}),
             spec(purpose="Ops"), before={}),
    RuleCase("MemoryBucket", ".spec.region", "region cannot change", spec(tags={"team": "memory"}),
             spec(region="us-east-1"), before={}),
    RuleCase("MemoryBucket", ".spec.encryption", "kmsKeyId belongs to type SSE-KMS",
             spec(encryption={"type": "SSE-KMS", "kmsKeyId": "alias/memory"}), spec(encryption={"type": "SSE-KMS"}),
             detours=(spec(encryption={"kmsKeyId": "alias/memory"}),)),
    RuleCase("MemoryBucket", ".spec.lifecycle.abortIncompleteMultipartUploads", "must be from 24h",
             _lifecycle(abortIncompleteMultipartUploads="24h"), _lifecycle(abortIncompleteMultipartUploads="23h"),
             detours=(_lifecycle(abortIncompleteMultipartUploads="8761h"),)),
    RuleCase("MemoryBucket", ".spec.lifecycle.expireAfter", "must be from 24h",
             spec(purpose="Ops", lifecycle={"expireAfter": "24h"}),
             spec(purpose="Ops", lifecycle={"expireAfter": "1h"})),
    RuleCase("MemoryBucket", ".spec.objectLock", "mode Compliance cannot be given up",
             _audit(mode="Compliance", days=11), _audit(mode="Governance", days=11),
             before=_audit(mode="Compliance", days=10)),
    RuleCase("MemoryBucket", ".spec.objectLock", "days cannot shrink", _audit(mode="Compliance", days=10),
             _audit(mode="Compliance", days=9), before=_audit(mode="Compliance", days=10)),
    RuleCase("MemoryBucket", ".spec.tags", "keys must be names of tags", spec(tags={"team:a/b c": "x"}),
             spec(tags={"a\nb": "x"}), detours=(spec(tags={"k" * 129: "x"}), spec(tags={"": "x"}))),
    RuleCase("MemoryBucket", ".spec.force.gracePeriod", "must be from 1m",
             spec(deletionPolicy="Delete", force={"gracePeriod": "1m"}),
             spec(deletionPolicy="Delete", force={"gracePeriod": "59s"})),
    # MemoryTenant
    RuleCase("MemoryTenant", ".spec.clusterRef", "clusterRef cannot change", spec(regions=["eu"]),
             spec(clusterRef={"name": "other"}), before={}),
    RuleCase("MemoryTenant", ".spec.namespaces", "two namespaces have one segment",
             _namespaces({"name": "a", "segment": "b"}, {"name": "b", "segment": "a"}),
             _namespaces({"name": "a", "segment": "x"}, {"name": "b", "segment": "x"}),
             detours=(_namespaces({"name": "a"}, {"name": "b", "segment": "a"}),)),
    RuleCase("MemoryTenant", ".spec.namespaces[]", "segment cannot change",
             _namespaces({"name": "b"}, {"name": "a", "segment": "x"}), _namespaces({"name": "a", "segment": "y"}),
             before=_namespaces({"name": "a", "segment": "x"}), detours=(_namespaces({"name": "a"}),)),
    # TopicFamily
    RuleCase("TopicFamily", ".spec.tenantRef", "tenantRef cannot change", spec(priority="critical"),
             spec(tenantRef=_REFERENCE), before={}),
    RuleCase("TopicFamily", ".spec", "retention needs time or bytes",
             spec(retention=None, topics=[{"name": "facts", "compaction": "KeepLatest"}]), spec(retention=None),
             detours=(spec(retention={"time": None}),)),
    RuleCase("TopicFamily", ".spec", "erasure by Expiry needs", _expiry("900h"),
             _expiry("900h", topics=[{"name": "a"}, {"name": "b", "compaction": "KeepLatest"}]),
             detours=(_expiry("900h", retention={"time": None, "bytes": "1Gi"}),)),
    RuleCase("TopicFamily", ".spec", "retention.time is longer than erasure.maxDelay", _expiry("720h"),
             _expiry("719h59m")),
    RuleCase("TopicFamily", ".spec", "erasure by Tombstone works", _tombstone("KeepLatestAndExpire"),
             _tombstone("None")),
    RuleCase("TopicFamily", ".spec.topics[]", "compaction keeps the latest", _topic(compaction="None", key="none"),
             _topic(compaction="KeepLatest", key="none")),
    RuleCase("TopicFamily", ".spec.topics[].partitions", "partitions cannot shrink",
             spec(topics=[{"name": "audit", "partitions": 1}, {"name": "events", "partitions": 13}]),
             spec(topics=[{"name": "audit", "partitions": 12}, {"name": "events", "partitions": 11}]),
             before=_topic(partitions=12), detours=(_topic(),)),
    RuleCase("TopicFamily", ".spec.retention.time", "must be from 1m", spec(retention={"time": "1m"}),
             spec(retention={"time": "0s"}), detours=(spec(retention={"time": "99999h1s"}),)),
    RuleCase("TopicFamily", ".spec.retention", "hot is longer than time", spec(retention={"hot": "720h"}),
             spec(retention={"hot": "721h"}), detours=(spec(retention={"hot": "25h", "time": "24h", "bytes": "1Gi"}),)),
    RuleCase("TopicFamily", ".spec.retention.hot", "must be from 1m", spec(retention={"hot": "1m"}),
             spec(retention={"hot": "59s"}), detours=(spec(retention={"hot": "8761h", "time": "9000h"}),)),
    RuleCase("TopicFamily", ".spec.erasure.maxDelay", "must be from 1m",
             spec(erasure={"method": "CryptoShred", "maxDelay": "1h"}),
             spec(erasure={"method": "CryptoShred", "maxDelay": "59s"})),
    RuleCase("TopicFamily", ".spec.objectives.freshness", "must be from 1ms", spec(objectives={"freshness": "1ms"}),
             spec(objectives={"freshness": "25h"}), detours=(spec(objectives={"freshness": "0s"}),)),
    RuleCase("TopicFamily", ".spec.throughput", "peak cannot be less",
             spec(throughput={"expected": "5Mi", "peak": "5Mi"}),
             spec(throughput={"expected": "5Mi", "peak": 5_000_000})),
    RuleCase("TopicFamily", ".spec.maxEventBytes", "must be from 1Ki", spec(maxEventBytes=1024),
             spec(maxEventBytes="64.1Mi"), detours=(spec(maxEventBytes=1023),)),
    # MemoryClient
    RuleCase("MemoryClient", ".spec.tenantRef", "tenantRef cannot change", spec(secretName="other.secret"),
             spec(tenantRef=_REFERENCE), before={}),
)  # fmt: skip

BAD_INPUT = (
    BadInput("MemoryCluster", spec(engine="kafak"), "spec.engine", "'kafak' is not known; write one of"),
    BadInput("MemoryCluster", _automq(objectStorage={**BUCKETS, "latencyClass": "Fast"}),
             "spec.objectStorage.latencyClass", "'Fast' is not known; write one of"),
    BadInput("MemoryCluster", _automq(objectStorage={"dataBucketRef": {"name": "agents-data"}}),
             "spec.objectStorage.opsBucketRef", "is required; add it"),
    BadInput("MemoryCluster", spec(engine=None), "spec.engine", "is required; add it"),
    BadInput("MemoryCluster", spec(version="four"), "spec.version", "does not match"),
    BadInput("MemoryCluster", _controllers(replicas=2), "spec.controllers.replicas", "write one of 1 or 3"),
    BadInput("MemoryCluster", spec(replication={"factor": 10}), "spec.replication.factor", "less than or equal to 9"),
    BadInput("MemoryCluster", spec(region={"name": "EU"}), "spec.region.name", "is not a DNS label"),
    BadInput("MemoryCluster", _controllers(resources={"memory": "1GB"}), "spec.controllers.resources.memory", "1GB"),
    BadInput("MemoryCluster", _controllers(resources={"cpu": "-1"}), "spec.controllers.resources.cpu", "amount of CPU"),
    BadInput("MemoryCluster", spec(external={**EXTERNAL, "bootstrapServers": "nowhere"}),
             "spec.external.bootstrapServers", "does not match"),
    BadInput("BrokerPool", spec(replicas=-1), "spec.replicas", "greater than or equal to 0"),
    BadInput("BrokerPool", spec(replicas=101), "spec.replicas", "less than or equal to 100"),
    BadInput("BrokerPool", spec(clusterRef=None), "spec.clusterRef", "is required; add it"),
    BadInput("BrokerPool", spec(capacity={"write": "20Mi"}), "spec.capacity.read", "is required; add it"),
    BadInput("MemoryBucket", spec(purpose="data"), "spec.purpose", "'data' is not known; write one of"),
    BadInput("MemoryBucket", spec(region=None), "spec.region", "is required; add it"),
    BadInput("MemoryBucket", spec(bucketName="a.b"), "spec.bucketName", "is not a DNS label"),
    BadInput("MemoryBucket", _endpoint("https://AKIA:secret@s3.example.com"), "spec.s3.endpoint", "does not match"),
    BadInput("MemoryBucket", _endpoint("https://s3.example.com/?accessKey=AKIA"), "spec.s3.endpoint", "does not match"),
    BadInput("MemoryBucket", _endpoint("s3://agent-memory"), "spec.s3.endpoint", "does not match"),
    BadInput("MemoryBucket", spec(s3={"credentialsSecretRef": {"name": "other-space/keys"}}),
             "spec.s3.credentialsSecretRef.name", "is not a DNS name"),
    BadInput("MemoryBucket", spec(encryption={"type": "AES256"}), "spec.encryption.type", "'AES256' is not known"),
    BadInput("MemoryBucket", _audit(mode="Governance", days=0), "spec.objectLock.days", "greater than or equal to 1"),
    BadInput("MemoryBucket", spec(policy={"sourceVpcEndpoints": ["vpc-1"]}), "spec.policy.sourceVpcEndpoints[0]",
             "does not match"),
    BadInput("MemoryTenant", _namespaces(), "spec.namespaces", "at least 1 item"),
    BadInput("MemoryTenant", _namespaces({"name": "a"}, {"name": "a", "segment": "b"}), "spec.namespaces", "more than"),
    BadInput("MemoryTenant", spec(priorities=["urgent"]), "spec.priorities[0]", "'urgent' is not known"),
    BadInput("MemoryTenant", spec(regions=["eu", "eu"]), "spec.regions", "eu stands there more than once"),
    BadInput("TopicFamily", spec(retention={"time": "-720h"}), "spec.retention.time", "is not a duration; write"),
    BadInput("TopicFamily", spec(retention={"time": "30d"}), "spec.retention.time", "is not a duration; write"),
    BadInput("TopicFamily", spec(retention={"time": 720}), "spec.retention.time", "720 is not a duration; write"),
    BadInput("TopicFamily", spec(retention={"bytes": -1}), "spec.retention.bytes", "is not a positive quantity"),
    BadInput("TopicFamily", spec(retention={"bytes": 0}), "spec.retention.bytes", "is not a positive quantity"),
    BadInput("TopicFamily", spec(retention={"bytes": "-200Gi"}), "spec.retention.bytes", "is not a positive quantity"),
    BadInput("TopicFamily", spec(priority="urgent"), "spec.priority", "'urgent' is not known; write one of"),
    BadInput("TopicFamily", _topic(compaction="keepLatest"), "spec.topics[0].compaction", "'keepLatest' is not known"),
    BadInput("TopicFamily", _topic(partitions=0), "spec.topics[0].partitions", "greater than or equal to 1"),
    BadInput("TopicFamily", _topic(partitions=1001), "spec.topics[0].partitions", "less than or equal to 1000"),
    BadInput("TopicFamily", _topic(eventTypes=["a", "a"]), "spec.topics[0].eventTypes", "more than once"),
    BadInput("TopicFamily", spec(topics=[{"name": "Events"}]), "spec.topics[0].name", "is not a DNS label"),
    BadInput("TopicFamily", spec(topics=[{"name": "a"}, {"name": "a"}]), "spec.topics", "a stands there more"),
    BadInput("TopicFamily", spec(owner={"contact": None}), "spec.owner.contact", "is required; add it"),
    BadInput("TopicFamily", spec(residency={"regions": []}), "spec.residency.regions", "at least 1 item"),
    BadInput("TopicFamily", spec(deletionPolicy="delete"), "spec.deletionPolicy", "'delete' is not known"),
    BadInput("MemoryClient", spec(access=[{"family": "a", "operations": []}]), "spec.access[0].operations", "at least"),
    BadInput("MemoryClient", spec(access=[{"family": "a", "operations": ["Write"]}]), "spec.access[0].operations[0]",
             "'Write' is not known"),
    BadInput("MemoryClient", spec(secretName="Not_A_Name"), "spec.secretName", "is not a DNS name"),
    BadInput("MemoryClient", spec(authentication={"type": "Plain"}), "spec.authentication.type", "'Plain' is not"),
)  # fmt: skip
