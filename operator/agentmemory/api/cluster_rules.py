"""What a MemoryCluster cannot say about itself or change later, in CEL and in Python."""

from typing import TYPE_CHECKING

from agentmemory.api.rules import NEW_OBJECT, Rule

if TYPE_CHECKING:
    from agentmemory.api.memorycluster import MemoryClusterSpec


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
