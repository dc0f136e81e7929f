"""Buckets as AutoMQ writes them, and what a latency class costs. Pure.

Grammar (BucketURI.java, DefaultWalFactory.java of AutoMQ): `<id>@s3://<bucket>?region=..[&endpoint=..][&pathStyle=true]`.
"""

from dataclasses import dataclass

from agentmemory.core.errors import Bug
from agentmemory.engines.base import BucketPlace, NodePlan, Storage

DATA_ID = 0
OPS_ID = 1

INTERVALS = {"Low": 20, "Balanced": 100, "Economy": 250}
"""Milliseconds that a record waits to be uploaded together with others (`batchInterval`), by latencyClass."""
MONTH = 30 * 24 * 3600
"""Seconds of the month that a price is told for."""


@dataclass(frozen=True)
class Uris:
    """The values of the settings that name buckets."""

    data: str
    ops: str
    wal: str
    zone_router: str = ""
    """Empty: not asked for."""


def uris(plan: NodePlan) -> Uris:
    """Of one node. Raises Bug for a plan without buckets."""
    storage, asked = plan.storage, plan.cluster.spec.object_storage
    if storage is None or storage.ops is None or asked is None:
        raise Bug("NoBuckets", f"node {plan.node.name} of engine automq was planned without its buckets")
    data = uri(DATA_ID, storage.data)
    return Uris(
        data=data,
        ops=uri(OPS_ID, storage.ops),
        wal=f"{data}&batchInterval={INTERVALS[asked.latency_class]}",
        zone_router=data if asked.zone_router else "",
    )


def uri(number: int, place: BucketPlace) -> str:
    """One bucket. Keys never stand here: AutoMQ keeps the file's content on disk in clear."""
    text = f"{number}@s3://{place.bucket}?region={place.region}"
    if place.endpoint is not None:
        text += f"&endpoint={place.endpoint}"
    return text + ("&pathStyle=true" if place.path_style else "")


def authorities(storage: Storage | None) -> dict[str, str]:
    """ConfigMaps with the certificate authorities of the buckets' servers, by where they are mounted."""
    if storage is None:
        return {}
    places = {"data": storage.data, "ops": storage.ops}
    return {name: place.ca_map for name, place in places.items() if place is not None and place.ca_map is not None}


def price(latency_class: str, brokers: int) -> str:
    """What the class costs at most, in requests: what a provider takes for one is his to say."""
    each = 1000 / INTERVALS[latency_class]
    month = each * MONTH
    return (
        f"a write waits up to {INTERVALS[latency_class]} ms for others; in exchange at most {each:g} PUT requests a "
        f"second and broker, {_millions(month)} a month and broker, {_millions(month * brokers)} a month for the "
        f"{brokers} brokers declared (a broker without writes makes none)"
    )


def _millions(number: float) -> str:
    return f"{number / 1e6:.1f} million"
