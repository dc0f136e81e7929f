"""Scenarios of the engines that keep their records in buckets. Data: what is done, not how."""

from typing import Any

from agentmemory.api.labels import ADOPT_VOLUMES
from tests.buckets import worlds as bucket_worlds
from tests.engines import stage
from tests.fakekafka import FakeKafka

from .user import Object, Scenario, Step, delete, edit, in_kafka, put, scale, wait

MEM, POOL = stage.CLUSTER_KEY, stage.POOL_KEY
SPACE = stage.NAMESPACE
SERVER: Object = {
    "endpoint": "http://s3.storage.svc:7070",
    "pathStyle": True,
    "credentialsSecretRef": {"name": "s3-credentials"},
}
KEYS: Object = {**bucket_worlds.SECRET, "metadata": {"name": "s3-credentials", "namespace": SPACE}}
ONE = {"replicas": 1}
"""Controllers: those of engine kafka come as three in its scenarios."""
LAST_BROKER = 1001


def bucket(name: str, purpose: str = "Data", **spec: Any) -> Object:
    """A MemoryBucket beside the cluster."""
    return bucket_worlds.declared(name, SPACE, purpose=purpose, s3=SERVER, **spec)


def brokers(replicas: int = 2, name: str = "main") -> Object:
    """A pool."""
    return stage.pool(name, replicas=replicas)


def automq(**spec: Any) -> Object:
    """A cluster whose brokers hold nothing."""
    asked = {"dataBucketRef": {"name": "mem-data"}, "opsBucketRef": {"name": "mem-ops"}} | spec.pop("objectStorage", {})
    return stage.cluster(engine="automq", objectStorage=asked, controllers=ONE, **spec)


def tiered(**spec: Any) -> Object:
    """A cluster whose old segments go to a bucket."""
    asked = {"bucketRef": {"name": "mem-data"}} | spec.pop("tiering", {})
    fixed: Object = {
        "image": "example/kafka-tiered:1",
        "controllers": ONE,
        "replication": {"factor": 2, "minInSync": 1},
    }
    return stage.cluster(engine="kafka-tiered", tiering=asked, **fixed, **spec)


BUCKETS = (KEYS, bucket("mem-data"), bucket("mem-ops", "Ops"))
RISEN = (put("rise", *BUCKETS, automq(), brokers()), wait("ages", 60))
TIERED = (put("rise", *BUCKETS[:2], tiered(), brokers()),)


def _slow(kafka: FakeKafka) -> None:
    kafka.placed.clear()  # it placed them when it was first asked: the last broker may not have been there
    kafka.place()
    assert LAST_BROKER in kafka.placed.values(), "there is nothing to move"
    kafka.slow_moves = True


def _moved(kafka: FakeKafka) -> None:
    kafka.slow_moves = False
    kafka.finish_moves()


def recreated(cluster: Object, replicas: int = 2) -> tuple[Step, ...]:
    """The cluster goes and comes back; volumes of the one before are taken over when somebody says so."""
    return (
        delete("gone", POOL, MEM),
        put("refused", cluster, brokers(replicas)),
        edit("adopted", MEM, annotations={ADOPT_VOLUMES: "true"}),
    )


AUTOMQ = (
    Scenario(
        "automq-create",
        (put("pool", brokers()), put("cluster", *BUCKETS, automq())),
        land="shared",
        fresh={"cluster": RISEN[:1]},
    ),
    Scenario(
        "automq-edit",
        (edit("low-latency", MEM, {"objectStorage": {"latencyClass": "Low"}}),),
        given=RISEN,
        land="shared",
        fresh={
            "low-latency": (put("rise", *BUCKETS, automq(objectStorage={"latencyClass": "Low"}), brokers()),),
        },
    ),
    Scenario(
        "automq-recreate",
        # One broker: Kafka remembers the ids of the life before, and whether a second one may be chosen without asking
        # it depends on when the first is up.
        recreated(automq(), replicas=1),
        given=RISEN,
        land="shared",
    ),
    Scenario(
        "automq-with-its-buckets",
        (
            put(
                "all-at-once",
                brokers(),
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
        (scale("in", POOL, 1), scale("out", POOL, 3)),
        given=RISEN,
        land="shared",
        fresh={
            "in": (put("rise", *BUCKETS, automq(), brokers(1)),),
            "out": (put("rise", *BUCKETS, automq(), brokers(3)),),
        },
    ),
    Scenario(
        "automq-scale-to-none",
        (scale("none", POOL, 0), scale("back", POOL, 2)),
        given=RISEN,
        land="shared",
        undoes={"back": ""},
    ),
    Scenario(
        "automq-drain-taken-back",
        (scale("in", POOL, 1), scale("back", POOL, 2), in_kafka("moved", _moved, POOL)),
        given=(*RISEN, in_kafka("slow", _slow)),
        land="shared",
    ),
    Scenario(
        "automq-streams-stay-open",
        (scale("in", POOL, 1), in_kafka("closed", lambda kafka: kafka.streams_open.clear(), POOL)),
        given=(*RISEN, in_kafka("held", lambda kafka: kafka.streams_open.add(LAST_BROKER))),
        land="shared",
    ),
    Scenario("automq-lost-broker", (delete("gone", "Pod/data/mem-1000"),), given=RISEN, land="shared"),
    Scenario(
        "automq-second-pool",
        (put("second", brokers(1, "more")), delete("gone", "BrokerPool/data/more")),
        given=RISEN,
        land="shared",
        fresh={"gone": RISEN},
    ),
)

KAFKA_TIERED = (
    Scenario(
        "tiered-create",
        (put("pool", brokers()), put("cluster", *BUCKETS[:2], tiered())),
        land="nodes",
        fresh={"cluster": TIERED},
    ),
    Scenario(
        "tiered-edit",
        (edit("larger-chunks", MEM, {"tiering": {"properties": {"chunk.size": "1048576"}}}),),
        given=TIERED,
        land="nodes",
        fresh={
            "larger-chunks": (
                put("rise", *BUCKETS[:2], tiered(tiering={"properties": {"chunk.size": "1048576"}}), brokers()),
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
        recreated(tiered()),
        given=TIERED,
        land="nodes",
    ),
)
