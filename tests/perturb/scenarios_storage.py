"""Scenarios of the engines that keep their records in buckets. Data: what is done, not how."""

from typing import Any

from agentmemory.api.labels import ADOPT_VOLUMES
from tests.buckets import worlds as bucket_worlds
from tests.engines import stage
from tests.fakekafka import FakeKafka

from .machines import NOWHERE
from .user import Object, Scenario, delete, edit, in_kafka, put, scale, wait

MEM, POOL = stage.CLUSTER_KEY, stage.POOL_KEY
SPACE = stage.NAMESPACE
SERVER: Object = {
    "endpoint": "http://s3.storage.svc:7070",
    "pathStyle": True,
    "credentialsSecretRef": {"name": "s3-credentials"},
}
KEYS: Object = {**bucket_worlds.SECRET, "metadata": {"name": "s3-credentials", "namespace": SPACE}}
LAST_BROKER = 1002


def bucket(name: str, purpose: str = "Data", **spec: Any) -> Object:
    """A MemoryBucket beside the cluster."""
    return bucket_worlds.declared(name, SPACE, purpose=purpose, s3=SERVER, **spec)


def automq(**spec: Any) -> Object:
    """A cluster whose brokers hold nothing."""
    asked = {"dataBucketRef": {"name": "mem-data"}, "opsBucketRef": {"name": "mem-ops"}} | spec.pop("objectStorage", {})
    return stage.cluster(engine="automq", objectStorage=asked, **spec)


def tiered(**spec: Any) -> Object:
    """A cluster whose old segments go to a bucket."""
    asked = {"bucketRef": {"name": "mem-data"}} | spec.pop("tiering", {})
    return stage.cluster(engine="kafka-tiered", tiering=asked, **spec)


BUCKETS = (KEYS, bucket("mem-data"), bucket("mem-ops", "Ops"))
RISEN = (put("rise", *BUCKETS, automq(), stage.pool()), wait("ages", 60))
TIERED = (put("rise", *BUCKETS[:2], tiered(), stage.pool()),)


def _slow(kafka: FakeKafka) -> None:
    kafka.slow_moves = True


def _moved(kafka: FakeKafka) -> None:
    kafka.slow_moves = False
    kafka.finish_moves()


AUTOMQ = (
    Scenario("automq-create", RISEN[:1], land="shared"),
    Scenario(
        "automq-late-buckets",
        (put("cluster-first", automq(), stage.pool()), put("buckets", *BUCKETS)),
        land="shared",
        fresh={"buckets": RISEN[:1]},
    ),
    Scenario(
        "automq-edit",
        (edit("low-latency", MEM, {"objectStorage": {"latencyClass": "Low"}}),),
        given=RISEN,
        land="shared",
        fresh={
            "low-latency": (put("rise", *BUCKETS, automq(objectStorage={"latencyClass": "Low"}), stage.pool()),),
        },
    ),
    Scenario(
        "automq-bad-image",
        (edit("nowhere", MEM, {"image": f"{NOWHERE}automq:bad"}), edit("back", MEM, {"image": None})),
        given=RISEN,
        land="shared",
        undoes={"back": ""},
    ),
    Scenario(
        "automq-recreate",
        (
            delete("gone", POOL, MEM),
            put("refused", automq(), stage.pool()),
            edit("adopted", MEM, annotations={ADOPT_VOLUMES: "true"}),
        ),
        given=RISEN,
        land="shared",
    ),
    Scenario(
        "automq-with-its-buckets",
        (
            put(
                "all-at-once",
                stage.pool(),
                automq(),
                bucket("mem-ops", "Ops", deletionPolicy="Delete"),
                bucket("mem-data", deletionPolicy="Delete"),
                KEYS,
            ),
            delete(
                "all-gone",
                f"MemoryBucket/{SPACE}/mem-data",
                f"MemoryBucket/{SPACE}/mem-ops",
                MEM,
                POOL,
            ),
        ),
        land="shared",
    ),
    Scenario(
        "automq-scale",
        (scale("in", POOL, 2), scale("out", POOL, 4)),
        given=RISEN,
        land="shared",
        fresh={
            "in": (put("rise", *BUCKETS, automq(), stage.pool(replicas=2)),),
            "out": (put("rise", *BUCKETS, automq(), stage.pool(replicas=4)),),
        },
    ),
    Scenario(
        "automq-scale-in-two",
        (scale("in", POOL, 1),),
        given=RISEN,
        land="shared",
        fresh={"in": (put("rise", *BUCKETS, automq(), stage.pool(replicas=1)),)},
    ),
    Scenario(
        "automq-scale-to-none",
        (scale("none", POOL, 0), scale("back", POOL, 3)),
        given=RISEN,
        land="shared",
        undoes={"back": ""},
    ),
    Scenario(
        "automq-drain-taken-back",
        (scale("in", POOL, 2), scale("back", POOL, 3), in_kafka("moved", _moved, POOL)),
        given=(*RISEN, in_kafka("slow", _slow)),
        land="shared",
    ),
    Scenario(
        "automq-streams-stay-open",
        (scale("in", POOL, 2), in_kafka("closed", lambda kafka: kafka.streams_open.clear(), POOL)),
        given=(*RISEN, in_kafka("held", lambda kafka: kafka.streams_open.add(LAST_BROKER))),
        land="shared",
    ),
    Scenario("automq-lost-broker", (delete("gone", "Pod/data/mem-1000"),), given=RISEN, land="shared"),
    Scenario(
        "automq-second-pool",
        (put("second", stage.pool("more", replicas=1)), delete("gone", "BrokerPool/data/more")),
        given=RISEN,
        land="shared",
    ),
    Scenario(
        "automq-pool-recreate",
        (delete("gone", POOL), put("again", stage.pool())),
        given=RISEN,
        land="shared",
    ),
)

KAFKA_TIERED = (
    Scenario("tiered-create", TIERED, land="nodes"),
    Scenario(
        "tiered-edit",
        (edit("larger-chunks", MEM, {"tiering": {"properties": {"chunk.size": "1048576"}}}),),
        given=TIERED,
        land="nodes",
        fresh={
            "larger-chunks": (
                put("rise", *BUCKETS[:2], tiered(tiering={"properties": {"chunk.size": "1048576"}}), stage.pool()),
            )
        },
    ),
    Scenario(
        "tiered-bad-edit",
        (
            edit("another-prefix", MEM, {"tiering": {"properties": {"key.prefix": "theirs/"}}}),
            edit("back", MEM, {"tiering": {"properties": None}}),
        ),
        given=TIERED,
        land="nodes",
        undoes={"back": ""},
    ),
    Scenario(
        "tiered-recreate",
        (
            delete("gone", POOL, MEM),
            put("refused", tiered(), stage.pool()),
            edit("adopted", MEM, annotations={ADOPT_VOLUMES: "true"}),
        ),
        given=TIERED,
        land="nodes",
    ),
)
