"""MemoryBucket: one object-storage bucket, made or adopted, and kept as declared."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from agentmemory.api.base import (
    AGE,
    READY,
    REASON,
    Column,
    EnforcingStatus,
    KindInfo,
    Resource,
    SecretRef,
    SpecModel,
    StatusModel,
)
from agentmemory.api.bucket_rules import BUCKET_RULES, ENCRYPTION_RULES, LOCK_RULES
from agentmemory.api.lists import ListMap, ListSet
from agentmemory.api.rules import NEW_OBJECT, duration_between, immutable, map_keys, object_name
from agentmemory.api.types import DnsLabel, Duration

BUCKET_PATTERN = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
ENDPOINT_PATTERN = r"^https?://[A-Za-z0-9]([-A-Za-z0-9.]*[A-Za-z0-9])?(:[0-9]{1,5})?$"

BucketName = Annotated[str, Field(min_length=3, max_length=63, pattern=BUCKET_PATTERN)]
"""A bucket's name without dots: with them a certificate for `*.s3...` does not fit the host."""
Principal = Annotated[str, Field(min_length=1, max_length=256, pattern=r"^[A-Za-z0-9][A-Za-z0-9+=,.@:/_*-]*$")]
"""Who a bucket policy speaks of: an ARN on AWS, a user's name elsewhere."""
_TAG_NAMES = map_keys(
    "^[A-Za-z0-9+=._:@-][A-Za-z0-9 +=._:/@-]*$",
    128,
    "keys must be names of tags: letters, digits, spaces and + - = . _ : / @",
)
Purpose = Literal["Data", "Ops", "Audit"]


class S3Provider(SpecModel):
    """A server that speaks S3: AWS's own, a compatible one, or one inside the Kubernetes cluster."""

    endpoint: Annotated[str, Field(min_length=8, max_length=512, pattern=ENDPOINT_PATTERN)] | None = None
    """`https://host[:port]` of the server; `http` only inside the Kubernetes cluster (`http://s3.storage.svc:7070`).
    Absent: AWS's own endpoint of the region."""
    path_style: bool = False
    """Whether the bucket's name goes into the path (most servers of one's own) and not into the host."""
    ca_config_map_ref: SecretRef | None = None
    """ConfigMap in this namespace whose key `ca.crt` signed the server's certificate. Absent: public authorities."""
    credentials_secret_ref: SecretRef | None = None
    """Secret in this namespace with the keys `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY` (and
    `AWS_SESSION_TOKEN`). Absent: the pod's own identity (IRSA, EKS Pod Identity or another workload identity)."""


class Encryption(SpecModel):
    """How the server encrypts what rests in the bucket."""

    RULES = ENCRYPTION_RULES

    type: Literal["SSE-S3", "SSE-KMS", "None"] = "SSE-S3"
    """SSE-S3: the server's own keys. SSE-KMS: a key of yours. None: nothing is asked for."""
    kms_key_id: str | None = Field(
        default=None, min_length=1, max_length=2048, pattern=r"^[A-Za-z0-9][A-Za-z0-9:/_-]*$"
    )
    """The key's id or ARN (SSE-KMS)."""
    bucket_key: bool = True
    """Whether one data key serves many objects, which saves most requests to the key service (SSE-KMS)."""


class Lifecycle(SpecModel):
    """What the server clears away by itself. Never objects of a data bucket: the engine still refers to them."""

    abort_incomplete_multipart_uploads: Annotated[Duration, duration_between("24h", "8760h")] = Duration("168h")
    """Age after which an unfinished upload is dropped; whole days."""
    expire_after: Annotated[Duration, duration_between("24h", "99999h")] | None = None
    """Age after which an object goes; purpose Ops only; whole days."""


class ObjectLock(SpecModel):
    """Objects that cannot be changed or deleted for some days (WORM); purpose Audit only."""

    RULES = LOCK_RULES

    mode: Literal["Governance", "Compliance"]
    """Governance: who has a special right can lift it. Compliance: nobody can, not even the account's owner."""
    days: int = Field(ge=1, le=36500)
    """For how many days from its writing an object is locked."""


class BucketPolicy(SpecModel):
    """Who is kept out, beyond what identities are allowed. Only what the server evaluates is written."""

    require_tls: bool = True
    """Refuse whatever comes without TLS."""
    source_vpc_endpoints: Annotated[
        tuple[Annotated[str, Field(min_length=1, max_length=64, pattern=r"^vpce-[0-9a-z]+$")], ...], ListSet()
    ] = Field(default=(), max_length=16)
    """VPC endpoints through which alone the bucket is reached (`aws:SourceVpce`). Empty: from anywhere."""
    source_cidrs: Annotated[
        tuple[Annotated[str, Field(min_length=7, max_length=49, pattern=r"^[0-9A-Fa-f.:]+/[0-9]{1,3}$")], ...],
        ListSet(),
    ] = Field(default=(), max_length=32)
    """Addresses from which alone the bucket is reached (`aws:SourceIp`). Empty: from anywhere."""
    break_glass_principals: Annotated[tuple[Principal, ...], ListSet()] = Field(default=(), max_length=8)
    """Who is never kept out by a condition; at least one is needed with sourceVpcEndpoints or sourceCidrs."""


class ForceDelete(SpecModel):
    """Leave to delete a bucket with what is in it."""

    grace_period: Annotated[Duration, duration_between("1m", "8760h")] = Duration("72h")
    """Time from this object's deletion until its contents go; undone by removing `force`."""


class MemoryBucketSpec(SpecModel):
    """What the platform team wants of the bucket."""

    RULES = BUCKET_RULES

    purpose: Annotated[Purpose, immutable("purpose", NEW_OBJECT)]
    """Data: a cluster's records. Ops: an engine's logs and metrics. Audit: exports that must not change."""
    bucket_name: BucketName | None = None
    """The bucket's name on the server. Absent: this object's name. Cannot change."""
    region: Annotated[DnsLabel, immutable("region", NEW_OBJECT)]
    """Where the bucket is, `eu-central-1` (its LocationConstraint). Cannot change."""
    s3: S3Provider = S3Provider()
    """The server."""
    creation: Literal["Create", "Adopt", "CreateOrAdopt"] = "CreateOrAdopt"
    """Create: the bucket must not be there yet. Adopt: it must be there. Adoption wants the declared region, and the
    bucket empty or tagged as this object's."""
    encryption: Encryption = Encryption()
    """How the server encrypts what rests in it."""
    lifecycle: Lifecycle = Field(default_factory=Lifecycle)
    """What the server clears away by itself."""
    object_lock: ObjectLock | None = None
    """Objects that cannot be changed for some days (purpose Audit)."""
    policy: BucketPolicy = Field(default_factory=BucketPolicy)
    """Who is kept out."""
    tags: Annotated[Mapping[str, Annotated[str, Field(max_length=256)]], _TAG_NAMES] = Field(
        default_factory=dict, max_length=32
    )
    """Tags beside the operator's own (`agentmemory.dev/...`)."""
    deletion_policy: Literal["Retain", "Delete"] = "Retain"
    """What becomes of the bucket when this object goes: Retain keeps it; Delete deletes it when it is empty."""
    force: ForceDelete | None = None
    """Leave to delete it with what is in it (deletionPolicy Delete)."""


class CapabilityStatus(StatusModel):
    """One thing that the server can or cannot do, as it was found out."""

    name: str = Field(max_length=64)
    """The call or behaviour: Encryption, PublicAccessBlock, Lifecycle, ObjectLock, PolicyConditions, ..."""
    state: Literal["Supported", "Missing", "Unknown"]
    """Whether the server has it."""
    reason: str = Field(default="", max_length=512)
    """What it answered."""


class MemoryBucketStatus(EnforcingStatus):
    """What the operator last saw of the bucket."""

    bucket_name: str | None = Field(default=None, max_length=63)
    """Its name on the server."""
    region: str | None = Field(default=None, max_length=63)
    """Where the server says that it is."""
    adopted: bool | None = None
    """Whether it was there before this object."""
    used_by: Annotated[tuple[DnsLabel, ...], ListSet()] = Field(default=(), max_length=16)
    """MemoryClusters that keep data in it."""
    capabilities: Annotated[tuple[CapabilityStatus, ...], ListMap("name")] = Field(default=(), max_length=32)
    """What the server can do."""


class MemoryBucket(Resource[MemoryBucketSpec, MemoryBucketStatus]):
    """One object-storage bucket: made or adopted in the declared region, kept as declared, deleted only when told."""

    INFO = KindInfo(
        kind="MemoryBucket",
        plural="memorybuckets",
        short="mb",
        columns=(
            Column("Purpose", ".spec.purpose", description="What it is for."),
            Column("Bucket", ".status.bucketName", description="Its name on the server."),
            Column("Region", ".spec.region", description="Where it is."),
            READY,
            REASON,
            AGE,
        ),
        rules=(object_name(63, "the bucket may be named after it"),),
    )

    @property
    def bucket_name(self) -> str:
        """The bucket's name on the server."""
        return self.spec.bucket_name or self.metadata.name
