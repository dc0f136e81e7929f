"""What a MemoryCluster cannot say about itself or change later, in CEL and in Python."""

from typing import TYPE_CHECKING

from agentmemory.api.rules import NEW_OBJECT, Rule

if TYPE_CHECKING:
    from agentmemory.api.memorycluster import MemoryClusterSpec, Tiering


def _stays(field: str, given: str, absent: str, relation: str, message: str) -> Rule:
    """A rule for a field of `controllers`, now (`$now`) and before (`$old`).

    It stands on the spec and reads `given` (CEL around the path), or `absent` where the field is left out: so removing
    a field (or all of `controllers`) and adding it again is no way round.
    """
    cel = relation
    for mark, side in (("$now", "self"), ("$old", "oldSelf")):
        path = f"{side}.controllers.{field}"
        present = f"has({side}.controllers) && has({path})"
        cel = cel.replace(mark, f"({present} ? {given.format(path)} : {absent})")
    return Rule(cel, message, path=".controllers")


def _bucket_stays(name: str) -> Rule:
    old, new = f"oldSelf.objectStorage.{name}.name", f"self.objectStorage.{name}.name"
    return Rule(
        f"!has(oldSelf.objectStorage) || !has(self.objectStorage) || {new} == {old}",
        f"objectStorage.{name} cannot change, since the data is in that bucket; {NEW_OBJECT}",
        path=".objectStorage",
    )


TIERING_RULES = (
    Rule(
        "self.profile != 'Aiven' || has(self.bucketRef)",
        "profile Aiven needs bucketRef: the MemoryBucket that segments go to; name one",
        lambda tiering: tiering.profile != "Aiven" or tiering.bucket_ref is not None,
        ".bucketRef",
    ),
    Rule(
        "self.profile != 'Custom' || (has(self.className) && has(self.classPath))",
        "profile Custom needs className and classPath of a RemoteStorageManager; give both",
        lambda tiering: _custom_is_complete(tiering),
        ".className",
    ),
    Rule(
        "self.profile == 'Custom' || !has(self.className)",
        "className is the profile's own with profile Aiven; remove it, or take profile Custom",
        lambda tiering: tiering.profile == "Custom" or tiering.class_name is None,
        ".className",
    ),
    Rule(
        "!has(oldSelf.bucketRef) || (has(self.bucketRef) && self.bucketRef.name == oldSelf.bucketRef.name)",
        f"bucketRef cannot change or be removed, since old records are in that bucket; {NEW_OBJECT}",
        path=".bucketRef",
    ),
)


CLUSTER_RULES = (
    Rule(
        "(self.engine == 'external') == has(self.external)",
        "external belongs to engine external: add it there, remove it elsewhere",
        lambda spec: (spec.engine == "external") == (spec.external is not None),
    ),
    Rule(
        "self.engine != 'external' || !(has(self.controllers) || has(self.image) || has(self.failureDetection))",
        "controllers, image and failureDetection mean nothing with engine external; remove them",
        lambda spec: _nothing_of_ours(spec),
    ),
    Rule(
        "(self.engine == 'automq') == has(self.objectStorage)",
        "objectStorage belongs to engine automq: name its buckets there, remove it elsewhere",
        lambda spec: (spec.engine == "automq") == (spec.object_storage is not None),
    ),
    Rule(
        "(self.engine == 'kafka-tiered') == has(self.tiering)",
        "tiering belongs to engine kafka-tiered: add it there, remove it elsewhere",
        lambda spec: (spec.engine == "kafka-tiered") == (spec.tiering is not None),
    ),
    Rule(
        "self.engine != 'automq' || !has(self.replication) || (self.replication.factor == 1 && "
        "self.replication.minInSync == 1)",
        "engine automq keeps one copy, since the bucket keeps its own; write factor 1 and minInSync 1, or leave "
        "replication out",
        lambda spec: spec.engine != "automq" or (spec.replication.factor, spec.replication.min_in_sync) == (1, 1),
        ".replication",
    ),
    _bucket_stays("dataBucketRef"),
    _bucket_stays("opsBucketRef"),
    _stays(
        "replicas",
        "{}",
        "3",
        "$now == $old",
        f"controllers.replicas cannot change (left out, it is 3); {NEW_OBJECT}",
    ),
    _stays(
        "storage.size",
        "string({})",
        "'10Gi'",
        "quantity($now).compareTo(quantity($old)) >= 0",
        "controllers.storage.size cannot shrink (left out, it is 10Gi), since a volume cannot; "
        "write the old size or more",
    ),
    _stays(
        "storage.storageClassName",
        "{}",
        "''",
        "$now == $old",
        f"controllers.storage.storageClassName cannot be added, changed or removed; {NEW_OBJECT}",
    ),
    Rule(
        "!has(oldSelf.region) || (has(self.region) && self.region.name == oldSelf.region.name)",
        f"region cannot change or be removed once set, since the data rests there; {NEW_OBJECT}",
    ),
)


def _nothing_of_ours(spec: "MemoryClusterSpec") -> bool:
    given = {"controllers", "image", "failure_detection"} & spec.model_fields_set
    return spec.engine != "external" or not given


def _custom_is_complete(tiering: "Tiering") -> bool:
    return tiering.profile != "Custom" or (tiering.class_name is not None and tiering.class_path is not None)
