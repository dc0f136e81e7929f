"""Where AWS says that something is: regions read out of host names, locations, machine ids and key names. Pure.

Sources: "Service endpoints" and "Amazon S3 endpoints and quotas" (AWS General Reference), "Partitions" (AWS Fault
Isolation Boundaries), GetBucketLocation (S3 API Reference: null is us-east-1, EU is eu-west-1).
"""

import re

GLOBAL = "no single region"
"""What a host of AWS serves that belongs to no region: S3's acceleration, multi-region access points, STS's own."""

_FIRST = "us-east-1"
# With the dots in front, so that a look-alike (`amazonaws.com.example`, `notamazonaws.com`) is none.
_SUFFIXES = (
    ".amazonaws.com",
    ".amazonaws.com.cn",
    ".amazonaws.eu",
    ".api.aws",
    ".api.amazonwebservices.com.cn",
    ".c2s.ic.gov",
    ".sc2s.sgov.gov",
)
_REGION = re.compile(r"[a-z]{2,4}(-[a-z]+)+-[0-9]{1,2}")
# Labels that stand between the region and AWS's own name: `vpce-1.s3.eu-central-1.vpce.amazonaws.com`.
_AFTER_REGION = frozenset({"vpce", "compute", "elb", "rds"})
# What the global endpoint and its old names mean: us-east-1, where a request for any other region is redirected from.
_FIRST_REGION_HOSTS = frozenset({"s3", "s3-fips", "s3-external-1", "compute-1"})
_OLD_S3 = re.compile(rf"s3-(?:website-|fips-)?({_REGION.pattern})")
_ARN = re.compile(r"arn:aws[a-z-]*:kms:([a-z0-9-]+):[0-9]*:(key|alias)/(.+)")
_ZONE = re.compile(rf"({_REGION.pattern})(?:[a-z]|-[a-z0-9-]+)")
_GCE_ZONE = re.compile(r"([a-z]+-[a-z]+[0-9]+)-[a-z]")


def host_region(host: str) -> str | None:
    """The region of a host of AWS, GLOBAL when it has none, None for a host that is not AWS's.

    Read from the right: what a customer may choose (a bucket that is called like a region) stands on the left.
    """
    name = host.rstrip(".").lower()
    suffix = next((found for found in _SUFFIXES if name.endswith(found)), None)
    if suffix is None:
        return None
    labels = name.removesuffix(suffix).split(".")
    while len(labels) > 1 and labels[-1] in _AFTER_REGION:
        labels.pop()
    last = labels[-1]
    if _REGION.fullmatch(last):
        return last
    old = _OLD_S3.fullmatch(last)
    if old is not None:
        return old[1]
    return _FIRST if last in _FIRST_REGION_HOSTS else GLOBAL


def location_region(location: str) -> str:
    """The region that a LocationConstraint stands for: two old names are others', and the first region has none."""
    name = location.strip().lower()
    return {"": _FIRST, "us": _FIRST, "eu": "eu-west-1"}.get(name, name)


def machine_region(provider_id: str) -> str | None:
    """The region in a Node's `spec.providerID` (`aws:///eu-central-1a/i-0`, `gce://project/europe-west3-a/vm`).

    The cloud's controller writes it once and the API server lets nobody change it, unlike a label. None for what names
    no zone.
    """
    scheme, _, rest = provider_id.partition("://")
    parts = rest.strip("/").split("/")
    if scheme == "aws":
        found = _ZONE.fullmatch(parts[0])
    elif scheme == "gce" and len(parts) > 1:
        found = _GCE_ZONE.fullmatch(parts[1])
    else:
        found = None
    return None if found is None else found[1]


def key_region(key: str) -> str | None:
    """The region in a KMS key's ARN; None for a bare id or an alias, which exist in every region."""
    found = _ARN.fullmatch(key)
    return None if found is None else found[1]


def same_key(one: str, other: str) -> bool:
    """Whether two names are certainly one KMS key: equal, or the ARN of a key and its bare id.

    An alias and a key id may be the same key, which no name tells: they count as different.
    """
    return one == other or _bare(one) == other or one == _bare(other)


def _bare(key: str) -> str | None:
    found = _ARN.fullmatch(key)
    if found is None:
        return None
    return found[3] if found[2] == "key" else f"alias/{found[3]}"
