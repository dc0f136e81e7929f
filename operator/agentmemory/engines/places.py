"""Each place where a MemoryCluster's data rests, and what shows its region. Pure.

Another kind of place (a mirror's target, a sink) is one more entry of PLACES: a function from the View to Places.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

from agentmemory.api.memorybucket import MemoryBucket
from agentmemory.api.memorycluster import MemoryCluster, Region
from agentmemory.domain import aws
from agentmemory.domain.regions import Evidence, Place, judge, same

REGION_LABEL = "topology.kubernetes.io/region"
"""The label that clouds give their machines (Kubernetes: Well-Known Labels)."""
MOST = 256
"""Places that the status has room for."""

_NO_LABEL = f"the machine has neither a label {REGION_LABEL} nor a providerID that names its zone"
_ANY_MACHINE = "its StorageClass does not bind it to a machine's place, and nothing else tells where it is"
_NOT_ASKED = "the server has not told where the bucket is"
_OWN_TIER = "nothing tells where this class keeps old segments"
_BY_NAME = "the name alone does not tell where brokers that somebody else runs keep their data"


@dataclass(frozen=True)
class Machine:
    """What a Node says of its place; `fault` is why nothing is known of it."""

    labels: Mapping[str, str] = field(default_factory=dict)
    provider_id: str = ""
    fault: str = ""


UNREAD = Machine(fault="the Node has not been read yet")


@dataclass(frozen=True)
class Volume:
    """A volume claim of the cluster: the region it was first used for, and the machine it was made for."""

    region: str | None = None
    made_for: str | None = None


@dataclass(frozen=True)
class View:
    """What places are found in. `pods` is the machine of each running pod, whose volume has the pod's name."""

    cluster: MemoryCluster
    region: Region
    pods: Mapping[str, str] = field(default_factory=dict)
    volumes: Mapping[str, Volume] = field(default_factory=dict)
    machines: Mapping[str, Machine] = field(default_factory=dict)
    buckets: Mapping[str, MemoryBucket | None] = field(default_factory=dict)
    """The MemoryBuckets that the cluster names; None for one that does not exist or cannot be read."""

    @property
    def on(self) -> frozenset[str]:
        """The machines that bear on where data is."""
        made_for = {volume.made_for for name, volume in self.volumes.items() if name not in self.pods}
        return frozenset(self.pods.values()) | frozenset(name for name in made_for if name)


def view_of(cluster: MemoryCluster) -> View | None:
    """What the declaration alone shows; None without a region."""
    return None if cluster.spec.region is None else View(cluster, cluster.spec.region)


def machines(view: View) -> Iterator[Place]:
    """The machines on which pods run."""
    for name in sorted(set(view.pods.values())):
        yield _machine(view, name)


def volumes(view: View) -> Iterator[Place]:
    """The volumes of controllers and brokers, those that wait for their pod too."""
    for name, volume in sorted(view.volumes.items()):
        yield judge(f"Volume/{name}", view.region.name, _of_volume(view, name, volume), _ANY_MACHINE)


def buckets(view: View) -> Iterator[Place]:
    """The MemoryBuckets that the cluster names."""
    for name, bucket in sorted(view.buckets.items()):
        found = () if bucket is None else tuple(_of_bucket(view.region, bucket))
        unknown = f"MemoryBucket {name} does not exist, or cannot be read" if bucket is None else _NOT_ASKED
        yield judge(f"Bucket/{name}", view.region.name, found, unknown)


def hosts(view: View) -> Iterator[Place]:
    """Brokers that somebody else runs, by the hosts that lead to them."""
    external = view.cluster.spec.external
    servers = external.bootstrap_servers.split(",") if external is not None else []
    for host in sorted({server.rpartition(":")[0].lower() for server in servers}):
        yield judge(f"Host/{host}", view.region.name, [_of_host("its name", host)], _BY_NAME)


def tiers(view: View) -> Iterator[Place]:
    """Where a RemoteStorageManager of somebody's own keeps segments: no bucket of ours is asked."""
    tiering = view.cluster.spec.tiering
    if tiering is None or tiering.profile != "Custom":
        return
    evidence = [found for name, value in sorted(tiering.properties.items()) for found in _of_property(name, value)]
    yield judge(f"Tier/{tiering.class_name}"[:253], view.region.name, evidence, _OWN_TIER)


PLACES: tuple[Callable[[View], Iterable[Place]], ...] = (buckets, hosts, machines, tiers, volumes)


def find(view: View) -> tuple[Place, ...]:
    """All places by name; when there are more than the status has room for, those in order are left out first."""
    found = [place for of_kind in PLACES for place in of_kind(view)]
    urgency = {"Violated": 0, "Declared": 1, "Verified": 2}
    kept = sorted(found, key=lambda place: (urgency[place.state], place.name))[:MOST]
    return tuple(sorted(kept, key=lambda place: place.name))


def fixed(view: View) -> tuple[Place, ...]:
    """What is known before anything runs: buckets, and what volumes were first used for.

    A violation here holds everything up. One that comes from a machine must not: the roll-out that takes the pods off
    it is the way out.
    """
    return find(replace(view, pods={}, machines={}))


def contradictions(region: Region) -> Iterator[str]:
    """Where a declared region contradicts itself: labels, a key or hosts of another one."""
    label = region.node_labels.get(REGION_LABEL)
    if label is not None and not same(label, region.name):
        yield f"spec.region.nodeLabels names machines of {label}"
    key = None if region.kms_key_id is None else aws.key_region(region.kms_key_id)
    if key is not None and not same(key, region.name):
        yield f"spec.region.kmsKeyId is a key of {key}"
    for pattern in region.endpoints:
        found = aws.host_region(pattern.removeprefix("*."))
        if found is not None and found != aws.GLOBAL and not same(found, region.name):
            yield f"spec.region.endpoints has {pattern}, a host of {found}"


def _machine(view: View, name: str) -> Place:
    machine = view.machines.get(name, UNREAD)
    return judge(f"Node/{name}", view.region.name, _of_machine(view.region, machine), machine.fault or _NO_LABEL)


def _of_machine(region: Region, machine: Machine) -> Iterator[Evidence]:
    """Its cloud's word and the well-known label go before the labels of the declaration, which may claim anything."""
    provider, label = aws.machine_region(machine.provider_id), machine.labels.get(REGION_LABEL)
    if provider is not None:
        yield Evidence("the zone in spec.providerID", provider)
    if label is not None:
        yield Evidence(f"label {REGION_LABEL}", label)
    if machine.fault or provider is not None or label is not None or not region.node_labels:
        return
    wanted = ", ".join(f"{key}={value}" for key, value in sorted(region.node_labels.items()))
    if all(machine.labels.get(key) == value for key, value in region.node_labels.items()):
        yield Evidence(f"labels of spec.region.nodeLabels ({wanted})", region.name, proves=False)
    else:
        yield Evidence(f"the machine lacks labels of spec.region.nodeLabels ({wanted})", contradicts=True)


def _of_volume(view: View, name: str, volume: Volume) -> Iterator[Evidence]:
    if volume.region is not None:
        yield Evidence("the region for which it was first used, written on the claim", volume.region, proves=False)
    machine = view.pods.get(name) or volume.made_for
    if machine is None or machine not in view.machines:
        return
    place = _machine(view, machine)
    if place.state == "Violated":
        yield Evidence(f"attached to Node/{machine}: {place.by}", place.region, contradicts=True)
    elif place.state == "Verified":
        bound = volume.made_for is not None
        yield Evidence(f"attached to Node/{machine}: {place.by}", place.region, proves=bound)


def _of_bucket(region: Region, bucket: MemoryBucket) -> Iterator[Evidence]:
    if bucket.status.region is not None:
        yield Evidence("GetBucketLocation", aws.location_region(bucket.status.region))
    yield Evidence(f"spec.region of MemoryBucket {bucket.metadata.name}", bucket.spec.region, proves=False)
    yield from _of_endpoint(region, bucket)
    yield from _of_key(region, bucket)


def _of_endpoint(region: Region, bucket: MemoryBucket) -> Iterator[Evidence]:
    endpoint = bucket.spec.s3.endpoint
    suffix = "amazonaws.com.cn" if bucket.spec.region.startswith("cn-") else "amazonaws.com"
    # Without an endpoint the client takes AWS's own of the bucket's region.
    host = (urlsplit(endpoint).hostname or "") if endpoint else f"s3.{bucket.spec.region}.{suffix}"
    if endpoint:
        yield _of_host("spec.s3.endpoint", host)
    if region.endpoints and not any(matches(pattern, host) for pattern in region.endpoints):
        yield Evidence(f"{host} of spec.s3.endpoint is none of spec.region.endpoints of its cluster", contradicts=True)


def _of_key(region: Region, bucket: MemoryBucket) -> Iterator[Evidence]:
    key, wanted = bucket.spec.encryption.kms_key_id, region.kms_key_id
    if key is not None and (found := aws.key_region(key)) is not None and not same(found, region.name):
        yield Evidence(f"spec.encryption.kmsKeyId is a key of {found}", contradicts=True)
    if wanted is not None and (key is None or not aws.same_key(key, wanted)):
        by = f"spec.encryption.kmsKeyId is {key or 'not given'}, and spec.region.kmsKeyId of its cluster is {wanted}"
        yield Evidence(by[:512], contradicts=True)


def _of_property(name: str, value: str) -> Iterator[Evidence]:
    """What a setting says of a place: a region by its name, a host of AWS by its value."""
    by = f"spec.tiering.properties {name}"
    if name.rpartition(".")[2].lower() == "region" and value:
        yield Evidence(by, value, proves=False)
    try:
        host = urlsplit(value if "//" in value else f"//{value}").hostname
    except ValueError:
        return  # no address
    found = aws.host_region(host or "")
    if found is not None:
        yield Evidence(by, found, proves=False)


def _of_host(what: str, host: str) -> Evidence:
    return Evidence(f"host {host} of {what}" if what != "its name" else what, aws.host_region(host), proves=False)


def matches(pattern: str, host: str) -> bool:
    """Whether a host is the pattern's, or below it (`*.storage.svc`)."""
    wanted, name = pattern.rstrip(".").lower(), host.rstrip(".").lower()
    return name.endswith(wanted[1:]) if wanted.startswith("*.") else name == wanted
