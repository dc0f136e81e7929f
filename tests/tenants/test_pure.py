"""The tenant's checks and builders."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentmemory.api.base import parse
from agentmemory.api.conditions import Phase, progressing, ready, stalled
from agentmemory.api.memorycluster import MemoryCluster
from agentmemory.api.memorytenant import MemoryTenant
from agentmemory.core.store import Store
from agentmemory.tenants import desired, policy
from agentmemory.tenants.world import World, gather, is_protected, listed
from tests import teams
from tests.teams import CLUSTER_KEY, PLATFORM, TEAM, TENANT_KEY

NOW = datetime(2026, 1, 2, tzinfo=UTC)
LATER = datetime(2026, 1, 3, tzinfo=UTC)
OPERATOR = "agent-memory-system"
ENDING = {"deletionTimestamp": "2026-01-01T00:00:00Z"}


def stored(obj: dict[str, Any], made: str = "2026-01-01T00:00:00Z", **metadata: Any) -> dict[str, Any]:
    """As the store has it."""
    fields = {"uid": f"{obj['kind']}-{obj['metadata']['name']}", "resourceVersion": "1", "creationTimestamp": made}
    return {**obj, "metadata": {**fields, **obj["metadata"], **metadata}}


def make_world(tenant: dict[str, Any] | None = None, *others: dict[str, Any]) -> World:
    """A tenant among other objects; without a cluster in `others` there is the usual one."""
    store, tenant = Store(), stored(tenant or teams.tenant())
    if not any(other["kind"] == "MemoryCluster" for other in others):
        others += (stored({**teams.cluster(), "status": teams.running()}),)
    for obj in (tenant, *others):
        store.put(obj)
    return gather(store, parse(MemoryTenant, tenant), OPERATOR)


def external(namespace: str, cluster_id: str = "fake") -> dict[str, Any]:
    """A cluster elsewhere that may be the same Kafka."""
    found = teams.cluster(
        engine="external", external={"bootstrapServers": "k:1", "credentialsSecretRef": {"name": "c"}}
    )
    return stored({**found, "status": {"clusterId": cluster_id}}, namespace=namespace)


def namesake(namespace: str, made: str) -> dict[str, Any]:
    """A tenant `support` in another namespace."""
    return stored(teams.tenant(namespaces=[{"name": "others"}]), made, namespace=namespace)


def kept_in(region: str) -> dict[str, Any]:
    """The cluster, with a bucket that was looked at."""
    state = "Verified" if region == "eu-central-1" else "Violated"
    place = {"name": "Bucket/data", "region": region, "state": state, "by": "GetBucketLocation"}
    return stored({**teams.cluster(), "status": {**teams.running(), "places": [place]}})


OURS = stored({**teams.cluster(), "status": teams.running()})
BROKEN = stored({**teams.cluster(surprise=1)})

REFUSALS: dict[str, tuple[tuple[dict[str, Any], ...], str, str, tuple[str, ...]]] = {
    "kube-system": (
        (teams.tenant(namespaces=[{"name": TEAM}, {"name": "kube-system"}]),),
        "Refused",
        "NamespaceProtected",
        ("lists kube-system;", "take them off"),
    ),
    "the operator's": ((teams.tenant(namespaces=[{"name": OPERATOR}]),), "Refused", "NamespaceProtected", (OPERATOR,)),
    "a cluster's": ((teams.tenant(namespaces=[{"name": PLATFORM}]),), "Refused", "NamespaceProtected", (PLATFORM,)),
    "another cluster's": (
        (teams.tenant(), OURS, stored(teams.cluster(), namespace=TEAM)),
        "Refused",
        "NamespaceProtected",
        (TEAM,),
    ),
    "no cluster": (
        (teams.tenant(), stored(teams.cluster("other"))),
        "Progressing",
        "ClusterNotFound",
        (f"{PLATFORM}/agents does not exist", "create it"),
    ),
    "cluster ends": (
        (teams.tenant(), stored(teams.cluster(), **ENDING)),
        "Stalled",
        "ClusterTerminating",
        ("deleted",),
    ),
    "cluster unreadable": ((teams.tenant(), BROKEN), "Stalled", "ClusterInvalid", ("spec.surprise",)),
    "region": (
        (teams.tenant(regions=["eu-central-1", "us-east-1"]),),
        "Refused",
        "RegionNotAvailable",
        ("lists us-east-1;", "which is in eu-central-1", "for a cluster that is there"),
    ),
    "region of a cluster without": (
        (teams.tenant(regions=["us-east-1"]), stored({**teams.cluster(), "spec": {"engine": "kafka"}})),
        "Refused",
        "RegionNotAvailable",
        ("no declared region",),
    ),
    "a place elsewhere": (
        (teams.tenant(regions=["eu-central-1"]), kept_in("us-east-1")),
        "Stalled",
        "RegionViolated",
        (
            f"MemoryTenant {PLATFORM}/support names eu-central-1; its cluster {PLATFORM}/agents declares eu-central-1; "
            "its Bucket/data rests in us-east-1 (GetBucketLocation); move the data",
        ),
    ),
    "prefix": (
        (teams.tenant(), OURS, external("elsewhere"), namesake("elsewhere", "2025-12-31T00:00:00Z")),
        "Refused",
        "PrefixTaken",
        ("elsewhere/support", "another name"),
    ),
    "prefix, made at once": (
        (teams.tenant(), OURS, external("elsewhere"), namesake("elsewhere", "2026-01-01T00:00:00Z")),
        "Refused",
        "PrefixTaken",
        (),
    ),
}

ACCEPTED: dict[str, tuple[dict[str, Any], ...]] = {
    "plain": (teams.tenant(),),
    "own region": (teams.tenant(regions=["eu-central-1"]),),
    "no region named, a place elsewhere": (teams.tenant(), kept_in("us-east-1")),
    "a place in the region": (teams.tenant(regions=["eu-central-1"]), kept_in("eu-central-1")),
    "younger namesake": (teams.tenant(), OURS, external("elsewhere"), namesake("elsewhere", "2026-01-02T00:00:00Z")),
    "namesake on another kafka": (
        (teams.tenant(), OURS, external("elsewhere", "x"), namesake("elsewhere", "2025-12-31T00:00:00Z"))
    ),
    "namesake without cluster": (teams.tenant(), OURS, namesake("elsewhere", "2025-12-31T00:00:00Z")),
    "another name": (teams.tenant(), OURS, stored(teams.tenant("sales"))),
    "cluster that has not started": (teams.tenant(), stored(teams.cluster())),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_findings(case: str) -> None:
    objects, kind, reason, words = REFUSALS[case]
    found = policy.judge(make_world(*objects))
    assert found is not None
    assert (found.kind, found.reason) == (kind, reason)
    assert all(word in found.message for word in words), found.message


@pytest.mark.parametrize("case", ACCEPTED)
def test_accepted(case: str) -> None:
    assert policy.judge(make_world(*ACCEPTED[case])) is None


def test_every_check_is_met() -> None:
    assert {
        check for objects, *_ in REFUSALS.values() for check in policy.CHECKS if check(make_world(*objects))
    } == set(policy.CHECKS)


def test_regions_wait_for_the_cluster() -> None:
    world = make_world(teams.tenant(regions=["us-east-1"]), stored(teams.cluster("other")))
    assert policy.regions_exist(world) is None


labels = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,20}[a-z0-9])?", fullmatch=True)


@given(labels, labels, st.frozensets(labels))
def test_protected_namespaces(name: str, operator: str, clusters: frozenset[str]) -> None:
    assert is_protected(f"kube-{name}", operator, clusters)
    assert is_protected(operator, operator, clusters)
    assert all(is_protected(cluster, operator, clusters) for cluster in clusters)
    assert is_protected(name, operator, clusters) == (name in clusters | {operator} or name.startswith("kube-"))


def test_listed_reads_what_it_can() -> None:
    assert listed(teams.tenant()) == {TEAM}
    assert listed(stored(teams.tenant(), **ENDING)) == frozenset()
    assert listed({"metadata": {}}) == frozenset()
    assert listed({"metadata": {}, "spec": {"namespaces": [{"name": "a", "new": 1}, "odd"]}}) == {"a"}


def test_role_binding() -> None:
    made = desired.role_binding(TEAM, OPERATOR)
    assert made == {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {
            "name": "agent-memory-tenant-operator",
            "namespace": TEAM,
            "labels": {"app.kubernetes.io/managed-by": "agent-memory-operator"},
        },
        "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": "ClusterRole",
            "name": "agent-memory-tenant-namespace",
        },
        "subjects": [{"kind": "ServiceAccount", "name": "agent-memory-operator-tenant", "namespace": OPERATOR}],
    }
    assert desired.is_right(made, made)
    assert not desired.is_right({**made, "subjects": []}, made)
    assert desired.binds_right_role({**made, "subjects": []}, made)
    assert not desired.is_right({**made, "roleRef": {"name": "admin"}}, made)


def test_served() -> None:
    world = make_world(teams.tenant(namespaces=[{"name": "a"}, {"name": "b"}]))
    assert policy.served(world, {}) == ready("2 namespaces are served")
    assert policy.served(make_world(), {}) == ready("1 namespace is served")
    found = policy.served(world, {"a": policy.namespace_missing("a"), "b": policy.binding_foreign("b", "x")})
    assert (found.kind, found.reason) == ("Stalled", "NotOurs")
    assert "namespace a does not exist" in found.message
    missing, ending = policy.namespace_missing("a"), policy.namespace_ending("a")
    assert (missing.kind, missing.reason) == ("Progressing", "NamespaceNotFound")
    assert (ending.kind, ending.reason) == ("Progressing", "NamespaceTerminating")
    assert "namespace a is being deleted" in ending.message


def test_status() -> None:
    declared = teams.tenant(namespaces=[{"name": "a"}, {"name": "b", "segment": "bee"}, {"name": "c"}])
    obj, world = stored(declared, generation=2), make_world(declared)
    status = desired.status(obj, world, ready(), ["a", "b"], NOW)
    assert status["observedGeneration"] == 2
    assert status["namespaces"] == [{"name": "a", "segment": "a"}, {"name": "b", "segment": "bee"}]
    assert {entry["path"] for entry in status["enforcement"]} == {"spec.namespaces", "spec.priorities", "spec.regions"}
    assert {one["observedGeneration"] for one in status["conditions"]} == {2}
    known = {**obj, "status": status}
    assert desired.status(known, world, ready(), ["a", "b"], LATER) == status, "time alone changes nothing"
    assert desired.status(stored(declared), world, ready(), [], NOW)["observedGeneration"] == 0
    waiting = desired.status(known, world, progressing("X", "x"), None, NOW)
    assert waiting["namespaces"] == status["namespaces"]
    unread = desired.status(known, None, stalled("X", "x"), None, NOW)
    assert (unread["namespaces"], unread["enforcement"]) == (status["namespaces"], status["enforcement"])
    new = desired.status(obj, world, Phase("Progressing", "X", "x"), None, NOW)
    assert "namespaces" not in new
    assert set(desired.status(obj, None, stalled("X", "x"), None, NOW)) == {"observedGeneration", "conditions"}


def test_what_becomes_of_each_promise() -> None:
    entries = {entry.path: entry for entry in desired.enforcement(make_world().cluster)}
    assert {path: entry.state for path, entry in entries.items()} == {
        "spec.namespaces": "Enforced",
        "spec.priorities": "Enforced",
        "spec.regions": "Unverified",
    }
    assert "refused" in entries["spec.namespaces"].mechanism
    assert "another priority" in entries["spec.priorities"].mechanism
    assert "another region" in entries["spec.regions"].mechanism
    assert "been looked at yet" in entries["spec.regions"].reason


@pytest.mark.parametrize(
    ("found", "state", "words"),
    [
        (None, "Unverified", "its cluster is not there"),
        (kept_in("us-east-1"), "Unverified", "rests in us-east-1"),
        (kept_in("eu-central-1"), "Enforced", ""),
    ],
)
def test_regions_are_kept_by_the_places_of_the_cluster(found: dict[str, Any] | None, state: str, words: str) -> None:
    cluster = None if found is None else parse(MemoryCluster, found)
    (entry,) = [entry for entry in desired.enforcement(cluster) if entry.path == "spec.regions"]
    assert entry.state == state
    assert words in entry.reason


def test_keys_of_this_file_are_those_of_the_team() -> None:
    assert (CLUSTER_KEY.namespace, TENANT_KEY.namespace) == (PLATFORM, PLATFORM)
