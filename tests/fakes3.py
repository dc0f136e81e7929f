"""An S3 server in memory, for tests of whatever uses agentmemory.objectstore.

    s3 = FakeS3(region="eu-central-1")
    stores = FakeStores(s3)                        # stands in for StorePool
    store = stores.get(Location("https://s3.example.com", "eu-central-1"))

State is in `s3.buckets` (name -> FakeBucket): tests read and change it as somebody with other tools would. Refusals
are read by the code that reads a real server's (agentmemory.objectstore.answers), from the codes that S3 gives.

Faults: `s3.available = False`; `s3.before.append(hook)`, `s3.after.append(hook)` with hook(call) -> error or None
(`after`: the effect stays, the answer is lost). `s3.calls` lists every call, `s3.writes` those that change something.
What the server lacks: `s3.missing`, of Tags, Encryption, Versioning, PublicAccessBlock, Ownership, Lifecycle,
ObjectLock, Policy;
`s3.conditions`: "Evaluated", "Ignored" (every Deny counts, as moto does), "Refused" (a condition is a 400), or a set
of the condition keys that are known (others are a 400, as versitygw does); `s3.enforces = False`: nobody looks at
policies. Who asks: `s3.identities[access_key_id] = Identity(...)`; without any, everybody is `Identity()`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from ipaddress import ip_address, ip_network
from typing import Any, Literal

from agentmemory.core.errors import OperatorError, Transient
from agentmemory.objectstore.answers import Answer, Asked, from_answer
from agentmemory.objectstore.endpoints import Rules
from agentmemory.objectstore.model import (
    BucketView,
    Encryption,
    Keys,
    LifecycleRule,
    Location,
    LockMode,
    Missing,
    ObjectLock,
    Ownership,
    Presence,
    PublicAccessBlock,
    VersioningState,
)

READS = frozenset({"Describe", "GetObject", "ListObjectVersions"})


@dataclass(frozen=True)
class Identity:
    """Who a key stands for. `state` other than Active is refused as S3 does; `denied` are calls without a right."""

    secret: str | None = None
    account: str = "us"
    state: Literal["Active", "Expired", "Disabled"] = "Active"
    root: bool = False
    """Bypasses bucket policies, as versitygw's root does."""
    denied: frozenset[str] = frozenset()


@dataclass
class FakeBucket:
    """A bucket; change it in a test as somebody else would."""

    region: str
    account: str = "us"
    tags: dict[str, str] = field(default_factory=dict)
    encryption: Encryption | None = None
    versioning: VersioningState = "Disabled"
    public_access_block: PublicAccessBlock | None = None
    ownership: Ownership | None = None
    lifecycle: tuple[LifecycleRule, ...] = ()
    object_lock: ObjectLock | None = None
    policy: Mapping[str, Any] | None = None
    objects: set[str] = field(default_factory=set)
    """Keys of objects, old versions and delete markers alike: each counts once."""
    locked: set[str] = field(default_factory=set)
    """Those of `objects` that cannot be deleted."""
    uploads: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class Call:
    """One call: S3's name of it, and what was given."""

    name: str
    bucket: str
    given: Any = None


Hook = Callable[[Call], OperatorError | None]


@dataclass
class FakeS3:
    """The server; `address` and `tls` are what it sees of who asks."""

    region: str = "eu-central-1"
    any_region: bool = True
    """Takes buckets of every region, as AWS does; False refuses other regions than its own."""
    buckets: dict[str, FakeBucket] = field(default_factory=dict)
    identities: dict[str, Identity] = field(default_factory=dict)
    missing: set[str] = field(default_factory=set)
    conditions: Literal["Evaluated", "Ignored", "Refused"] | frozenset[str] = "Evaluated"
    enforces: bool = True
    address: str = "10.1.2.3"
    tls: bool = True
    available: bool = True
    before: list[Hook] = field(default_factory=list)
    after: list[Hook] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)

    @property
    def writes(self) -> list[Call]:
        return [call for call in self.calls if call.name not in READS]


def _run_hooks(hooks: Sequence[Hook], call: Call) -> None:
    for hook in list(hooks):
        error = hook(call)
        if error is not None:
            raise error


class FakeStore:
    """An `ObjectStore` on a FakeS3, for one Location."""

    def __init__(self, s3: FakeS3, location: Location, connect: Callable[[Location], None] = lambda _: None) -> None:
        self.s3 = s3
        self.location = location
        self.connect = connect
        self.closed = False

    async def describe(self, bucket: str) -> BucketView | None:
        found = self._begin("Describe", bucket)
        if bucket not in self.s3.buckets:
            return None
        view = BucketView(
            name=bucket,
            region=found.region,
            is_empty=not found.objects,
            tags=self._part("Tags", dict(found.tags)),
            encryption=self._part("Encryption", found.encryption),
            versioning=self._part("Versioning", found.versioning),
            public_access_block=self._part("PublicAccessBlock", found.public_access_block),
            ownership=self._part("Ownership", found.ownership),
            lifecycle=self._part("Lifecycle", found.lifecycle),
            object_lock=self._part("ObjectLock", found.object_lock),
            policy=self._part("Policy", found.policy),
        )
        self._end()
        return view

    async def create(self, bucket: str, region: str, object_lock: bool = False) -> None:
        self._begin("CreateBucket", bucket, region, needs_bucket=False)
        if (there := self.s3.buckets.get(bucket)) is not None:
            ours = there.account == self._identity().account
            raise self._error(409, "BucketAlreadyOwnedByYou" if ours else "BucketAlreadyExists")
        if region != self.s3.region and not self.s3.any_region:
            raise self._error(400, "InvalidLocationConstraint")
        if object_lock and "ObjectLock" in self.s3.missing:
            raise self._error(501, "NotImplemented")
        made = FakeBucket(region, self._identity().account)
        if object_lock:
            made.object_lock, made.versioning = ObjectLock(), "Enabled"
        self.s3.buckets[bucket] = made
        self._end()

    async def put_tags(self, bucket: str, tags: Mapping[str, str]) -> None:
        self._write("PutBucketTagging", bucket, "Tags", dict(tags)).tags = dict(tags)
        self._end()

    async def put_encryption(self, bucket: str, encryption: Encryption) -> None:
        self._write("PutBucketEncryption", bucket, "Encryption", encryption).encryption = encryption
        self._end()

    async def delete_encryption(self, bucket: str) -> None:
        self._write("DeleteBucketEncryption", bucket, "Encryption").encryption = None
        self._end()

    async def put_versioning(self, bucket: str, enabled: bool) -> None:
        found = self._write("PutBucketVersioning", bucket, "Versioning", enabled)
        if found.object_lock is not None and not enabled:
            raise self._error(409, "InvalidBucketState", "An Object Lock configuration is present on this bucket")
        found.versioning = "Enabled" if enabled else "Suspended"
        self._end()

    async def put_public_access_block(self, bucket: str, block: PublicAccessBlock) -> None:
        self._write("PutPublicAccessBlock", bucket, "PublicAccessBlock", block).public_access_block = block
        self._end()

    async def delete_public_access_block(self, bucket: str) -> None:
        self._write("DeletePublicAccessBlock", bucket, "PublicAccessBlock").public_access_block = None
        self._end()

    async def put_ownership(self, bucket: str, ownership: Ownership) -> None:
        self._write("PutBucketOwnershipControls", bucket, "Ownership", ownership).ownership = ownership
        self._end()

    async def delete_ownership(self, bucket: str) -> None:
        self._write("DeleteBucketOwnershipControls", bucket, "Ownership").ownership = None
        self._end()

    async def put_lifecycle(self, bucket: str, rules: Sequence[LifecycleRule]) -> None:
        name = "PutBucketLifecycleConfiguration" if rules else "DeleteBucketLifecycle"
        assert not any(rule.others for rule in rules), "a rule with `others` cannot be written"
        self._write(name, bucket, "Lifecycle", tuple(rules)).lifecycle = tuple(rules)
        self._end()

    async def put_object_lock(self, bucket: str, mode: LockMode, days: int) -> None:
        found = self._write("PutObjectLockConfiguration", bucket, "ObjectLock", (mode, days))
        if found.object_lock is None and found.versioning != "Enabled":
            raise self._error(409, "InvalidBucketState", "Versioning must be Enabled")
        found.object_lock = ObjectLock(mode, days)
        self._end()

    async def put_policy(self, bucket: str, policy: Mapping[str, Any]) -> None:
        found = self._write("PutBucketPolicy", bucket, "Policy", policy)
        unknown = _condition_keys(policy) - self._known_conditions()
        if unknown:
            raise self._error(400, "MalformedPolicy", f"Policy has an invalid condition key: {sorted(unknown)}")
        found.policy = dict(policy)
        self._end()

    async def delete_policy(self, bucket: str) -> None:
        self._write("DeleteBucketPolicy", bucket, "Policy").policy = None
        self._end()

    async def look(self, bucket: str, key: str) -> Presence:
        found = self._begin("GetObject", bucket, key)
        self._end()
        if self._is_denied(found, "s3:GetObject", f"arn:aws:s3:::{bucket}/{key}"):
            return "Denied"
        return "Found" if key in found.objects else "Absent"

    async def is_empty(self, bucket: str) -> bool:
        empty = not self._begin("ListObjectVersions", bucket).objects
        self._end()
        return empty

    async def delete_some(self, bucket: str, most: int = 1000) -> bool:
        found = self._begin("DeleteObjects", bucket, most)
        free = sorted(found.objects - found.locked)[:most]
        if found.objects and not free:
            raise self._error(403, "ObjectLocked", f"{len(found.objects)} objects are locked")
        found.objects.difference_update(free)
        found.uploads.difference_update(sorted(found.uploads)[:most])
        self._end()
        return bool(found.objects or found.uploads)

    async def delete(self, bucket: str) -> None:
        found = self._begin("DeleteBucket", bucket, needs_bucket=False)
        if found.objects:
            raise self._error(409, "BucketNotEmpty")
        self.s3.buckets.pop(bucket, None)
        self._end()

    async def close(self) -> None:
        self.closed = True

    def _begin(self, name: str, bucket: str, given: Any = None, needs_bucket: bool = True) -> FakeBucket:
        """Records the call, lets hooks fail it, checks who asks; the bucket, or an empty one where none is there."""
        self._call = Call(name, bucket, given)
        self.s3.calls.append(self._call)
        self.connect(self.location)
        _run_hooks(self.s3.before, self._call)
        if not self.s3.available:
            raise Transient("NoAnswer", f"{name} on bucket {bucket}: the server does not answer; it is tried again")
        identity = self._identity()
        self._check_keys(identity)
        if name in identity.denied:
            raise self._error(403, "AccessDenied")
        found = self.s3.buckets.get(bucket)
        if found is None:
            if needs_bucket and name != "Describe":
                raise self._error(404, "NoSuchBucket")
            return FakeBucket(self.s3.region)
        self._check_bucket(name, found, identity)
        return found

    def _check_bucket(self, name: str, found: FakeBucket, identity: Identity) -> None:
        if name == "CreateBucket":
            return
        if found.account != identity.account:
            raise self._error(403, "BucketAlreadyExists" if name == "Describe" else "AccessDenied")
        if self.s3.any_region and found.region != self.location.region:
            raise self._error(301, "PermanentRedirect", region=found.region)
        if self._is_denied(found, f"s3:{name}", f"arn:aws:s3:::{self._call.bucket}"):
            raise self._error(403, "AccessDenied", "explicit deny in a bucket policy")

    def _check_keys(self, identity: Identity) -> None:
        keys = self.location.credentials
        if keys and identity.secret is not None and identity.secret != keys.secret_access_key:
            raise self._error(403, "SignatureDoesNotMatch")
        if identity.state == "Expired":
            raise self._error(400, "ExpiredToken", "The provided token has expired.")
        if identity.state == "Disabled":
            raise self._error(403, "InvalidAccessKeyId")

    def _identity(self) -> Identity:
        if not self.s3.identities:
            return Identity()
        keys = self.location.credentials or Keys("", "")
        return self.s3.identities.get(keys.access_key_id, Identity(state="Disabled"))

    def _write(self, name: str, bucket: str, part: str, given: Any = None) -> FakeBucket:
        found = self._begin(name, bucket, given)
        if part in self.s3.missing:
            raise self._error(501, "NotImplemented", "A header you provided implies functionality not implemented")
        return found

    def _end(self) -> None:
        _run_hooks(self.s3.after, self._call)

    def _part(self, name: str, value: Any) -> Any:
        return Missing("NotImplemented") if name in self.s3.missing else value

    def _error(self, status: int, code: str, message: str = "", region: str | None = None) -> OperatorError:
        asked = Asked(self._call.name, self._call.bucket, self.location.region, self.location.credentials)
        return from_answer(Answer(status, code, message, region), asked)

    def _known_conditions(self) -> set[str]:
        if self.s3.conditions == "Refused":
            return set()
        if isinstance(self.s3.conditions, str):
            return {"aws:SourceIp", "aws:SecureTransport", "aws:SourceVpce", "aws:PrincipalArn", "aws:userid"}
        return set(self.s3.conditions)

    def _is_denied(self, bucket: FakeBucket, action: str, resource: str) -> bool:
        if not self.s3.enforces or self._identity().root or bucket.policy is None or "Policy" in self.s3.missing:
            return False
        if action.endswith("BucketPolicy"):
            return False  # as on AWS for the account's root: a way back always stays
        return any(
            statement["Effect"] == "Deny"
            and any(fnmatchcase(action.lower(), one.lower()) for one in _several(statement["Action"]))
            and any(fnmatchcase(resource, one) for one in _several(statement["Resource"]))
            and (self.s3.conditions == "Ignored" or self._holds(statement.get("Condition", {})))
            for statement in bucket.policy["Statement"]
        )

    def _holds(self, condition: Mapping[str, Mapping[str, Any]]) -> bool:
        return all(
            self._test(operator, key, _several(values))
            for operator, tests in condition.items()
            for key, values in tests.items()
        )

    def _test(self, operator: str, key: str, values: list[str]) -> bool:
        """One test, with what this server sees; a key that is absent fulfils only negated tests."""
        if key == "aws:SourceIp":
            within = any(ip_address(self.s3.address) in ip_network(value) for value in values)
        elif key == "aws:SecureTransport":
            within = str(self.s3.tls).lower() in values
        else:
            within = False
        return within != operator.startswith(("Not", "StringNot", "ArnNot"))


def _several(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


def _condition_keys(policy: Mapping[str, Any]) -> set[str]:
    return {
        key for statement in policy["Statement"] for tests in statement.get("Condition", {}).values() for key in tests
    }


class FakeStores:
    """Stands in for StorePool: one server for all locations, or one an endpoint; endpoints are checked as it does.

    `resolves` maps a host to the addresses that its name leads to, for the check at connection time.
    """

    def __init__(self, servers: FakeS3 | Mapping[str | None, FakeS3], rules: Rules | None = None) -> None:
        self.servers = servers
        self.rules = rules or Rules()
        self.resolves: dict[str, tuple[str, ...]] = {}
        self.stores: dict[Location, FakeStore] = {}

    def get(self, location: Location) -> FakeStore:
        if location.endpoint is not None:
            self.rules.check(location.endpoint)
        if location not in self.stores:
            server = self.servers if isinstance(self.servers, FakeS3) else self.servers[location.endpoint]
            self.stores[location] = FakeStore(server, location, self._connect)
        return self.stores[location]

    def _connect(self, location: Location) -> None:
        host = (location.endpoint or "").partition("://")[2].partition(":")[0]
        for address in self.resolves.get(host, ()):
            self.rules.check_address(host, address)

    async def close(self) -> None:
        for store in self.stores.values():
            await store.close()
