"""What a MemoryBucket cannot say about itself or change later, in CEL and in Python."""

from typing import TYPE_CHECKING

from agentmemory.api.rules import NEW_OBJECT, Rule

if TYPE_CHECKING:
    from agentmemory.api.memorybucket import MemoryBucketSpec

ENCRYPTION_RULES = (
    Rule(
        "(self.type == 'SSE-KMS') == has(self.kmsKeyId)",
        "kmsKeyId belongs to type SSE-KMS: name a key there, remove it elsewhere",
        lambda encryption: (encryption.type == "SSE-KMS") == (encryption.kms_key_id is not None),
        ".kmsKeyId",
    ),
)

LOCK_RULES = (
    Rule(
        "self.mode == oldSelf.mode || oldSelf.mode == 'Governance'",
        "mode Compliance cannot be given up, since nobody can lift it; write Compliance",
    ),
    Rule(
        "oldSelf.mode == 'Governance' || self.days >= oldSelf.days",
        "days cannot shrink with mode Compliance; write the old number or more",
    ),
)


def _conditional(spec: "MemoryBucketSpec") -> bool:
    return bool(spec.policy.source_vpc_endpoints or spec.policy.source_cidrs)


BUCKET_RULES = (
    Rule(
        "has(self.bucketName) == has(oldSelf.bucketName) && "
        "(!has(self.bucketName) || self.bucketName == oldSelf.bucketName)",
        f"bucketName cannot be added, changed or removed; {NEW_OBJECT}",
    ),
    Rule(
        "self.purpose == 'Audit' || !has(self.objectLock)",
        "objectLock is for purpose Audit only: it can never be taken off a bucket again, an engine that deletes what "
        "it no longer needs would fill a locked bucket for ever, and nobody's data could be erased; remove it",
        lambda spec: spec.purpose == "Audit" or spec.object_lock is None,
        ".objectLock",
    ),
    Rule(
        "!has(oldSelf.objectLock) || has(self.objectLock)",
        "objectLock cannot be removed once set, since the server keeps it; write the old values",
    ),
    Rule(
        "self.purpose == 'Ops' || !has(self.lifecycle) || !has(self.lifecycle.expireAfter)",
        "lifecycle.expireAfter is for purpose Ops only: an engine still refers to the objects of a data bucket, and an "
        "audit bucket keeps what it has; remove it",
        lambda spec: spec.purpose == "Ops" or spec.lifecycle.expire_after is None,
        ".lifecycle.expireAfter",
    ),
    Rule(
        "!has(self.policy) || (self.policy.sourceVpcEndpoints.size() == 0 && self.policy.sourceCidrs.size() == 0) || "
        "self.policy.breakGlassPrincipals.size() > 0",
        "policy.sourceVpcEndpoints and sourceCidrs can lock out everybody, the operator too; name somebody in "
        "policy.breakGlassPrincipals who is let in from anywhere",
        lambda spec: not _conditional(spec) or bool(spec.policy.break_glass_principals),
        ".policy.breakGlassPrincipals",
    ),
    Rule(
        "!has(self.force) || self.deletionPolicy == 'Delete'",
        "force means nothing with deletionPolicy Retain; remove it",
        lambda spec: spec.force is None or spec.deletion_policy == "Delete",
        ".force",
    ),
)
