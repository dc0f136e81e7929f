"""Every scenario, over every kind there is. Data: what is done, not how."""

import base64
from typing import Any

from agentmemory.api.labels import ADOPT_VOLUMES, PAUSED
from agentmemory.objectstore.model import LifecycleRule
from tests import teams
from tests.buckets import worlds as bucket_worlds
from tests.engines import stage
from tests.fakes3 import FakeBucket, FakeS3
from tests.teams import CLIENT_KEY, CLUSTER_KEY, FAMILY_KEY, PLATFORM, PREFIX, TEAM, TENANT_KEY, client, family, topic

from .machines import NOWHERE
from .scenarios_storage import AUTOMQ, KAFKA_TIERED
from .user import Object, Scenario, Step, User, delete, edit, in_kafka, in_s3, put, scale, wait

MEM, POOL = stage.CLUSTER_KEY, stage.POOL_KEY
OTHERS = "other-agents"
WAY_IN: Object = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {"name": "way-in", "namespace": PLATFORM},
    "data": {name: base64.b64encode(name.encode()).decode() for name in ("ca.crt", "tls.crt", "tls.key")},
}
TWO_SPACES = [{"name": TEAM, "segment": "agents"}, {"name": OTHERS, "segment": "others"}]


def external(**spec: Any) -> Object:
    """The cluster of the teams' scenarios: somebody else's brokers."""
    reached = {"bootstrapServers": "kafka.example.com:9093", "credentialsSecretRef": {"name": "way-in"}}
    return teams.cluster(engine="external", external=reached, **spec)


def tenant(**spec: Any) -> Object:
    """A tenant with one namespace, unless the spec says more."""
    return teams.tenant(**spec)


def space(name: str) -> Object:
    """A namespace."""
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def access(*entries: tuple[str, str]) -> Object:
    """`spec.access` of a client: family and operations with commas between."""
    return {"access": [{"family": name, "operations": operations.split(",")} for name, operations in entries]}


FRAME = (put("cluster", space(TEAM), WAY_IN, external()), put("tenant", tenant()))
WITH_FAMILY = (*FRAME, put("family", family()))
WITH_DELETE = (*FRAME, put("family", family(deletionPolicy="Delete")))
WITH_CLIENT = (*WITH_FAMILY, put("client", client()))
RISEN = (put("rise", stage.cluster(), stage.pool()),)
EVENTS = PREFIX + "events"


async def _take_topic(user: User) -> None:
    user.kafka.topics.pop(EVENTS, None)
    await user.edit(FAMILY_KEY, {"metadata": {"annotations": {"agentmemory.dev/reconcile-at": "now"}}})


MEMORY_CLUSTERS = (
    Scenario("external-create", (put("born", space(TEAM), WAY_IN, external()),)),
    Scenario(
        "external-edit",
        (
            edit("less-in-sync", CLUSTER_KEY, {"replication": {"minInSync": 1}}),
            edit("back", CLUSTER_KEY, {"replication": {"minInSync": 2}}),
        ),
        given=WITH_FAMILY,
        fresh={
            "less-in-sync": (
                put("cluster", space(TEAM), WAY_IN, external(replication={"factor": 3, "minInSync": 1})),
                *WITH_FAMILY[1:],
            )
        },
        undoes={"back": ""},
    ),
    Scenario(
        "external-bad-edit",
        (
            edit("too-many-copies", CLUSTER_KEY, {"replication": {"factor": 5}}),
            edit("back", CLUSTER_KEY, {"replication": {"factor": 3}}),
        ),
        given=WITH_CLIENT,
        undoes={"back": ""},
    ),
    Scenario(
        "external-late-credentials",
        (put("cluster-first", space(TEAM), external()), put("credentials", WAY_IN)),
        fresh={"credentials": FRAME[:1]},
    ),
    Scenario(
        "external-recreate",
        (delete("gone", CLUSTER_KEY), put("again", external())),
        given=WITH_CLIENT,
        undoes={"again": ""},
    ),
    Scenario("nodes-create", (put("rise", stage.cluster(), stage.pool()),), land="nodes"),
    Scenario("nodes-pool-first", (put("pool", stage.pool()), put("cluster", stage.cluster())), land="nodes"),
    Scenario(
        "nodes-edit",
        (edit("longer-timeout", MEM, {"failureDetection": {"sessionTimeout": "12s"}}),),
        given=RISEN,
        land="nodes",
        fresh={
            "longer-timeout": (put("rise", stage.cluster(failureDetection={"sessionTimeout": "12s"}), stage.pool()),)
        },
    ),
    Scenario(
        "nodes-bad-image",
        (edit("nowhere", MEM, {"image": f"{NOWHERE}kafka:bad"}), edit("back", MEM, {"image": None})),
        given=RISEN,
        land="nodes",
        undoes={"back": ""},
    ),
    Scenario(
        "nodes-bad-from-birth",
        (
            put("nowhere", stage.cluster(image=f"{NOWHERE}kafka:bad"), stage.pool()),
            edit("mended", MEM, {"image": None}),
        ),
        land="nodes",
        fresh={"mended": RISEN},
    ),
    Scenario(
        "nodes-recreate",
        (
            delete("gone", POOL, MEM),
            put("refused", stage.cluster(), stage.pool()),
            edit("adopted", MEM, annotations={ADOPT_VOLUMES: "true"}),
        ),
        given=RISEN,
        land="nodes",
    ),
    Scenario("nodes-lost-controller", (delete("gone", "Pod/data/mem-1"),), given=RISEN, land="nodes"),
    Scenario(
        "nodes-lost-volume",
        (delete("gone", "PersistentVolumeClaim/data/mem-1", "Pod/data/mem-1"),),
        given=RISEN,
        land="nodes",
    ),
    Scenario(
        "nodes-lost-objects",
        (delete("gone", "Service/data/mem-0", "ConfigMap/data/mem-1000"),),
        given=RISEN,
        land="nodes",
    ),
)

BROKER_POOLS = (
    Scenario(
        "pool-scale",
        (scale("up", POOL, 4), scale("down-refused", POOL, 3), scale("back", POOL, 4)),
        given=RISEN,
        land="nodes",
        fresh={"up": (put("rise", stage.cluster(), stage.pool(replicas=4)),)},
        undoes={"back": "up"},
    ),
    Scenario(
        "pool-second",
        (put("second", stage.pool("more", replicas=1)), delete("gone", "BrokerPool/data/more")),
        given=RISEN,
        land="nodes",
    ),
    Scenario(
        "pool-edit",
        (edit("more-memory", POOL, {"resources": {"memory": "3Gi"}}),),
        given=RISEN,
        land="nodes",
        fresh={"more-memory": (put("rise", stage.cluster(), stage.pool(resources={"memory": "3Gi"})),)},
    ),
    Scenario(
        "pool-recreate",
        (delete("gone", POOL), put("again", stage.pool())),
        given=RISEN,
        land="nodes",
        undoes={"again": ""},
    ),
    Scenario("pool-lost-broker", (delete("gone", "Pod/data/mem-1000"),), given=RISEN, land="nodes"),
)

MEMORY_TENANTS = (
    Scenario("tenant-create", (put("born", tenant()),), given=FRAME[:1]),
    Scenario(
        "tenant-namespaces",
        (
            put("gains-one", tenant(namespaces=TWO_SPACES)),
            put("loses-it", tenant()),
            put("absent-one", tenant(namespaces=[*TWO_SPACES[:1], {"name": "absent"}])),
            put("back", tenant()),
        ),
        given=(put("other", space(OTHERS)), *WITH_CLIENT),
        fresh={
            "gains-one": (
                put("other", space(OTHERS)),
                FRAME[0],
                put("both", tenant(namespaces=TWO_SPACES)),
                *WITH_CLIENT[2:],
            )
        },
        undoes={"loses-it": "", "back": ""},
    ),
    Scenario(
        "tenant-loses-its-team",
        (put("lost", tenant(namespaces=TWO_SPACES[1:])), put("back", tenant())),
        given=(put("other", space(OTHERS)), *WITH_CLIENT),
        undoes={"back": ""},
    ),
    Scenario(
        "tenant-bad-edit",
        (
            edit("no-such-region", TENANT_KEY, {"regions": ["us-east-1"]}),
            edit("back", TENANT_KEY, {"regions": None}),
            put("protected", tenant(namespaces=[*TWO_SPACES[:1], {"name": "kube-system"}])),
            put("back-again", tenant()),
        ),
        given=WITH_CLIENT,
        undoes={"back": "", "back-again": ""},
    ),
    Scenario(
        "tenant-recreate",
        (delete("gone", TENANT_KEY), put("again", tenant())),
        given=WITH_CLIENT,
        undoes={"again": ""},
    ),
)

TWO_TOPICS = {"topics": [topic(), topic("audit", eventTypes=["review"], compaction="KeepLatest")]}
ONE_TOPIC = {"topics": [{"name": "events", "eventTypes": ["prompt"], "partitions": 4}]}


def grown(partitions: int) -> Object:
    """One topic of so many partitions, bounded in size, which is shared out among them."""
    return {
        "topics": [{"name": "events", "eventTypes": ["prompt"], "partitions": partitions}],
        "retention": {"bytes": "8Gi"},
    }


TOPIC_FAMILIES = (
    Scenario("family-create", (put("born", family()),), given=FRAME),
    Scenario("family-create-delete", (put("born", family(deletionPolicy="Delete")),), given=FRAME),
    Scenario(
        "family-first",
        (
            put("family", space(TEAM), family()),
            put("client", client()),
            put("tenant", tenant()),
            put("cluster", WAY_IN, external()),
        ),
        fresh={"cluster": WITH_CLIENT},
    ),
    Scenario(
        "family-edit",
        (
            edit("kept-longer", FAMILY_KEY, {"retention": {"time": "480h"}, "maxEventBytes": "2Mi"}),
            edit("compacted", FAMILY_KEY, {"topics": [{**ONE_TOPIC["topics"][0], "compaction": "KeepLatest"}]}),
            put("back", family(maxEventBytes=None)),
        ),
        given=WITH_FAMILY,
        fresh={
            "kept-longer": (*FRAME, put("family", family(retention={"time": "480h"}, maxEventBytes="2Mi"))),
        },
    ),
    Scenario(
        "family-topics-delete",
        (edit("added", FAMILY_KEY, TWO_TOPICS), edit("removed", FAMILY_KEY, ONE_TOPIC)),
        given=WITH_DELETE,
        fresh={"added": (*FRAME, put("family", family(deletionPolicy="Delete", **TWO_TOPICS)))},
    ),
    Scenario(
        "family-topics-retain",
        (
            edit("added", FAMILY_KEY, TWO_TOPICS),
            edit("removed", FAMILY_KEY, ONE_TOPIC),
            edit("added-again", FAMILY_KEY, TWO_TOPICS),
        ),
        given=WITH_FAMILY,
        fresh={"added": (*FRAME, put("family", family(**TWO_TOPICS)))},
        undoes={"added-again": "added"},
    ),
    Scenario(
        "family-partitions",
        (
            edit("bounded", FAMILY_KEY, grown(4)),
            edit("grown", FAMILY_KEY, grown(8)),
            edit("shrinks", FAMILY_KEY, grown(2)),
            edit("back", FAMILY_KEY, grown(8)),
        ),
        given=WITH_FAMILY,
        fresh={
            "grown": (*FRAME, put("family", family(**(grown(8) | {"retention": {"time": "240h", "bytes": "8Gi"}}))))
        },
        undoes={"back": "grown"},
    ),
    Scenario(
        "family-bad-edit",
        (
            edit("no-such-region", FAMILY_KEY, {"residency": {"regions": ["us-east-1"]}}),
            edit("back", FAMILY_KEY, {"residency": None}),
            edit("not-allowed", FAMILY_KEY, {"priority": "deferrable"}),
            edit("back-again", FAMILY_KEY, {"priority": "standard"}),
        ),
        given=WITH_CLIENT,
        undoes={"back": ""},
    ),
    Scenario(
        "family-policy",
        (
            edit("deletes", FAMILY_KEY, {"deletionPolicy": "Delete"}),
            edit("retains", FAMILY_KEY, {"deletionPolicy": "Retain"}),
        ),
        given=WITH_FAMILY,
        fresh={"deletes": WITH_DELETE},
    ),
    Scenario(
        "family-recreate-retain",
        (delete("gone", FAMILY_KEY), put("again", family())),
        given=WITH_CLIENT,
        undoes={"again": ""},
    ),
    Scenario(
        "family-recreate-delete",
        (delete("gone", FAMILY_KEY), put("again", family(deletionPolicy="Delete"))),
        given=(*WITH_DELETE, put("client", client())),
        fresh={"gone": (*FRAME, put("client", client()))},
        undoes={"again": ""},
    ),
    Scenario("family-lost-topic", (Step("gone", _take_topic),), given=WITH_FAMILY),
    Scenario(
        "family-drift",
        (
            in_kafka(
                "by-hand",
                lambda kafka: kafka.topics[EVENTS].configs.update({"retention.ms": "1", "segment.ms": "60000"}),
                FAMILY_KEY,
            ),
        ),
        given=WITH_FAMILY,
        undoes={"by-hand": ""},
    ),
    Scenario(
        "family-paused",
        (
            edit("paused", FAMILY_KEY, {"retention": {"time": "1h"}}, annotations={PAUSED: "true"}),
            edit("goes-on", FAMILY_KEY, annotations={PAUSED: None}),
        ),
        given=WITH_FAMILY,
        fresh={"goes-on": (*FRAME, put("family", family(retention={"time": "1h"})))},
    ),
)

MEMORY_CLIENTS = (
    Scenario("client-create", (put("born", client()),), given=WITH_FAMILY),
    Scenario(
        "client-access",
        (
            edit("more", CLIENT_KEY, access(("trail", "Produce,Consume"), ("audit", "Replay"))),
            put("its-family", family("audit")),
            edit("less", CLIENT_KEY, access(("trail", "Consume"))),
            delete("no-family", FAMILY_KEY),
            put("family-again", family()),
        ),
        given=WITH_CLIENT,
        undoes={"family-again": "less"},
        fresh={
            "more": (*WITH_FAMILY, put("client", client(**access(("trail", "Produce,Consume"), ("audit", "Replay")))))
        },
    ),
    Scenario(
        "client-rotate",
        (
            edit("sha-256", CLIENT_KEY, {"authentication": {"type": "ScramSha256"}}),
            edit("sha-512", CLIENT_KEY, {"authentication": {"type": "ScramSha512"}}),
            edit("another-secret", CLIENT_KEY, {"secretName": "creds"}),
            edit("first-secret", CLIENT_KEY, {"secretName": None}),
        ),
        given=WITH_CLIENT,
        fresh={
            "sha-256": (*WITH_FAMILY, put("client", client(authentication={"type": "ScramSha256"}))),
            "another-secret": (
                *WITH_FAMILY,
                put("client", client(secretName="creds", authentication={"type": "ScramSha512"})),
            ),
        },
    ),
    Scenario(
        "client-lost-secret",
        (
            delete("gone", f"Secret/{TEAM}/bot-kafka"),
            edit("looked-at", CLIENT_KEY, annotations={"agentmemory.dev/reconcile-at": "now"}),
        ),
        given=WITH_CLIENT,
    ),
    Scenario(
        "client-bad-edit",
        (
            put("critical-family", family("audit", priority="critical")),
            edit("mixed", CLIENT_KEY, access(("trail", "Produce,Consume"), ("audit", "Produce"))),
            edit("back", CLIENT_KEY, access(("trail", "Produce,Consume"))),
        ),
        given=WITH_CLIENT,
        undoes={"back": "critical-family"},
    ),
    Scenario(
        "client-recreate",
        (delete("gone", CLIENT_KEY), put("again", client())),
        given=WITH_CLIENT,
        fresh={"gone": WITH_FAMILY},
        undoes={"again": ""},
    ),
)

BUCKET, BUCKET_NAME = bucket_worlds.KEY, bucket_worlds.KEY.name
bucket = bucket_worlds.declared
KEYS = (put("keys", bucket_worlds.SECRET),)
WITH_BUCKET = (*KEYS, put("bucket", bucket()))
RESCUE = "arn:aws:iam::111122223333:role/rescue"


def walled(network: str) -> Object:
    """A policy that lets in from one network alone; the operator is in 10.0.0.0/8."""
    return {"policy": {"sourceCidrs": [network], "breakGlassPrincipals": [RESCUE]}}


FORCED: Object = {"deletionPolicy": "Delete", "force": {"gracePeriod": "1m"}}


def _fill(s3: FakeS3) -> None:
    s3.buckets[BUCKET_NAME].objects |= {f"object-{number}" for number in range(1500)}


FILLED = (*KEYS, put("bucket", bucket(**FORCED)), in_s3("filled", _fill))


def _found(s3: FakeS3) -> None:
    s3.buckets[BUCKET_NAME] = FakeBucket("eu-central-1", tags={"cost-center": "7"})


def _by_hand(s3: FakeS3) -> None:
    found = s3.buckets[BUCKET_NAME]
    found.encryption, found.public_access_block, found.policy = None, None, None
    found.lifecycle = (LifecycleRule("cheap", expire_days=1),)


MEMORY_BUCKETS = (
    Scenario("bucket-create", (put("born", bucket()),), given=KEYS),
    Scenario(
        "bucket-late-keys",
        (
            put("bucket-first", bucket(creation="Create", deletionPolicy="Delete")),
            put("its-keys", bucket_worlds.SECRET),
        ),
        fresh={"its-keys": (*KEYS, put("born", bucket(creation="Create", deletionPolicy="Delete")))},
    ),
    Scenario("bucket-adopt", (in_s3("found", _found), put("taken", bucket(creation="Adopt"))), given=KEYS),
    Scenario(
        "bucket-audit",
        (
            put("born", bucket(purpose="Audit", objectLock={"mode": "Governance", "days": 7})),
            edit("longer", BUCKET, {"objectLock": {"days": 30}}),
        ),
        given=KEYS,
        fresh={"longer": (*KEYS, put("born", bucket(purpose="Audit", objectLock={"mode": "Governance", "days": 30})))},
    ),
    Scenario(
        "bucket-edit",
        (
            edit("own-key", BUCKET, {"encryption": {"type": "SSE-KMS", "kmsKeyId": "alias/memory"}}),
            edit("back", BUCKET, {"encryption": None}),
            edit("walled", BUCKET, walled("10.0.0.0/8")),
            edit("back-again", BUCKET, {"policy": None}),
        ),
        given=WITH_BUCKET,
        fresh={"walled": (*KEYS, put("born", bucket(**walled("10.0.0.0/8"))))},
        undoes={"back": "", "back-again": ""},
    ),
    Scenario(
        "bucket-bad-edit",
        (
            edit("locks-out", BUCKET, walled("192.0.2.0/24")),
            edit("back", BUCKET, {"policy": None}),
            edit("nowhere", BUCKET, {"s3": {"endpoint": "https://169.254.169.254"}}),
            edit("back-again", BUCKET, {"s3": {"endpoint": bucket_worlds.ENDPOINT}}),
        ),
        given=WITH_BUCKET,
        undoes={"back": "", "back-again": ""},
    ),
    Scenario("bucket-drift", (in_s3("by-hand", _by_hand, BUCKET),), given=WITH_BUCKET, undoes={"by-hand": ""}),
    Scenario(
        "bucket-lost",
        (
            in_s3("gone", lambda s3: s3.buckets.pop(BUCKET_NAME), BUCKET),
            delete("given-up", BUCKET),
            put("begun-anew", bucket()),
        ),
        given=WITH_BUCKET,
        undoes={"begun-anew": ""},
    ),
    Scenario(
        "bucket-recreate-retain",
        (delete("gone", BUCKET), put("again", bucket())),
        given=WITH_BUCKET,
    ),
    Scenario(
        "bucket-recreate-delete",
        (edit("deletes", BUCKET, {"deletionPolicy": "Delete"}), delete("gone", BUCKET), put("again", bucket())),
        given=WITH_BUCKET,
        fresh={"deletes": (*KEYS, put("born", bucket(deletionPolicy="Delete"))), "gone": KEYS},
        undoes={"again": ""},
    ),
    Scenario(
        "bucket-force",
        (delete("announced", BUCKET), wait("emptied", 61), put("again", bucket(**FORCED))),
        given=FILLED,
        fresh={"emptied": KEYS},
    ),
    Scenario(
        "bucket-force-taken-back",
        (
            delete("announced", BUCKET),
            edit("contents-kept", BUCKET, {"force": None}),
            wait("kept", 61),
            edit("let-go", BUCKET, {"deletionPolicy": "Retain"}),
        ),
        given=FILLED,
    ),
)

OWN_BROKERS = (
    Scenario(
        "whole-platform",
        (
            put(
                "all-at-once",
                space(TEAM),
                client(tenantRef={"namespace": "data", "name": "support"}),
                family(tenantRef={"namespace": "data", "name": "support"}, deletionPolicy="Delete"),
                {**tenant(clusterRef={"name": "mem"}), "metadata": {"name": "support", "namespace": "data"}},
                stage.pool(),
                stage.cluster(),
            ),
            delete("team-leaves", CLIENT_KEY, FAMILY_KEY),
            delete("tenant-goes", "MemoryTenant/data/support"),
            delete("all-gone", POOL, MEM),
        ),
        land="nodes",
    ),
)

SCENARIOS: dict[str, Scenario] = {
    one.name: one
    for one in (
        *MEMORY_CLUSTERS,
        *BROKER_POOLS,
        *MEMORY_BUCKETS,
        *MEMORY_TENANTS,
        *TOPIC_FAMILIES,
        *MEMORY_CLIENTS,
        *OWN_BROKERS,
        *AUTOMQ,
        *KAFKA_TIERED,
    )
}
