"""The tenant's story against a fake API server."""

from typing import Any

import pytest

from agentmemory.api.labels import FINALIZER, MANAGED_BY, MANAGER
from agentmemory.core.key import Key
from agentmemory.tenants.reconcile import TenantReconciler
from tests import teams
from tests.fakekube.fixture import World
from tests.teams import CLUSTER_KEY, PLATFORM, TEAM, TENANT_KEY, cluster, tenant

BINDING = Key("RoleBinding", TEAM, "agent-memory-tenant-operator")


@pytest.fixture
def platform(world: World) -> World:
    """A cluster and the team's namespace; no tenant."""
    world.use(TenantReconciler)
    world.put(cluster())
    world.cluster.namespace(TEAM)
    return world


async def settle(world: World, within: float = 0.0) -> None:
    await world.run_until_quiet(within)
    world.fake.requests.clear()
    await world.resync()
    assert list(world.fake.requests) == [], "at rest it neither writes nor reads"


def reason(world: World, key: Key = TENANT_KEY) -> str:
    return str(world.condition(key).get("reason"))


async def test_a_tenant_gets_its_rights(platform: World) -> None:
    platform.put(tenant())
    await platform.run_until_quiet()
    assert platform.condition(TENANT_KEY)["status"] == "True"
    binding = platform.get(BINDING)
    assert binding["roleRef"]["name"] == "agent-memory-tenant-namespace"
    assert binding["metadata"]["labels"] == {MANAGED_BY: MANAGER}
    assert platform.get(TENANT_KEY)["metadata"]["finalizers"] == [FINALIZER]
    assert platform.get(TENANT_KEY)["status"]["namespaces"] == [{"name": TEAM, "segment": "agents"}]
    assert len(platform.fake.requests.writes()) == 3
    await settle(platform)


async def test_the_tenant_goes_and_its_rights_with_it(platform: World) -> None:
    platform.put(tenant())
    await platform.run_until_quiet()
    platform.delete(TENANT_KEY)
    await platform.run_until_quiet()
    assert platform.find(TENANT_KEY) is None
    assert platform.find(BINDING) is None


async def test_a_namespace_leaves_the_list(platform: World) -> None:
    platform.cluster.namespace("second")
    platform.put(tenant(namespaces=[{"name": TEAM}, {"name": "second"}]))
    await platform.run_until_quiet()
    platform.edit(TENANT_KEY, {"spec": {"namespaces": [{"name": "second"}]}})
    await platform.run_until_quiet()
    assert platform.find(BINDING) is None
    assert platform.find(BINDING._replace(namespace="second")) is not None
    assert platform.get(TENANT_KEY)["status"]["namespaces"] == [{"name": "second", "segment": "second"}]
    await settle(platform)


async def test_two_tenants_of_one_namespace(platform: World) -> None:
    platform.put(tenant(), tenant("sales"))
    await platform.run_until_quiet()
    uid = platform.get(BINDING)["metadata"]["uid"]
    platform.delete(TENANT_KEY)
    await platform.run_until_quiet()
    assert platform.find(TENANT_KEY) is None
    assert platform.get(BINDING)["metadata"]["uid"] == uid, "the other one still lists it"
    platform.delete(TENANT_KEY._replace(name="sales"))
    await platform.run_until_quiet()
    assert platform.find(BINDING) is None


async def test_a_namespace_that_does_not_exist_yet(platform: World) -> None:
    platform.put(tenant(namespaces=[{"name": TEAM, "segment": "agents"}, {"name": "later"}]))
    await platform.run_until_quiet()
    assert reason(platform) == "NamespaceNotFound"
    assert "namespace later does not exist; create it" in platform.condition(TENANT_KEY)["message"]
    assert platform.condition(TENANT_KEY, "Accepted")["status"] == "True"
    assert platform.find(BINDING) is not None, "the other namespace is served"
    assert [entry["name"] for entry in platform.get(TENANT_KEY)["status"]["namespaces"]] == [TEAM]
    platform.fake.requests.clear()
    await platform.run_until_quiet(within=60)
    assert platform.fake.requests.writes() == []
    platform.cluster.namespace("later")
    await platform.run_until_quiet(within=20)
    assert platform.condition(TENANT_KEY)["status"] == "True"
    await settle(platform)


async def test_a_namespace_that_ends_and_comes_back(platform: World) -> None:
    platform.put(tenant())
    await platform.run_until_quiet()
    platform.put(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": TEAM, "finalizers": ["x/y"]}}
    )
    platform.delete(f"Namespace//{TEAM}")
    await platform.run_until_quiet()
    assert reason(platform) == "NamespaceTerminating"
    platform.edit(f"ConfigMap/{TEAM}/c", {"metadata": {"finalizers": None}})
    await platform.run_until_quiet(within=20)
    assert reason(platform) == "NamespaceNotFound"
    platform.cluster.namespace(TEAM)
    await platform.run_until_quiet(within=20)
    assert platform.find(BINDING) is not None


async def test_a_tenant_and_its_namespace_end_together(platform: World) -> None:
    platform.put(tenant())
    await platform.run_until_quiet()
    platform.delete(f"Namespace//{TEAM}")
    platform.delete(TENANT_KEY)
    await platform.run_until_quiet()
    assert platform.find(TENANT_KEY) is None
    assert platform.find(f"Namespace//{TEAM}") is None


async def test_a_namespace_that_begins_to_end_at_that_moment(platform: World) -> None:
    def ends(request: Any) -> int | None:
        if request.verb == "create" and request.kind == "RoleBinding":
            platform.put(
                {
                    "apiVersion": "v1",
                    "kind": "ConfigMap",
                    "metadata": {"name": "c", "namespace": TEAM, "finalizers": ["x/y"]},
                }
            )
            platform.delete(f"Namespace//{TEAM}")
        return None

    platform.fake.faults.before.append(ends)
    platform.put(tenant())
    await platform.run_until_quiet()
    assert reason(platform) == "NamespaceTerminating"


@pytest.mark.parametrize("namespace", ["kube-system", PLATFORM, "agent-memory-system"])
async def test_protected_namespaces(platform: World, namespace: str) -> None:
    platform.cluster.namespace(namespace)
    platform.put(tenant(namespaces=[{"name": namespace}]))
    await platform.run_until_quiet()
    assert reason(platform) == "NamespaceProtected"
    assert platform.condition(TENANT_KEY, "Accepted")["status"] == "False"
    assert platform.cluster.list("RoleBinding") == []
    await settle(platform)


async def test_rights_go_when_a_cluster_moves_in(platform: World) -> None:
    platform.put(tenant())
    await platform.run_until_quiet()
    platform.put({**cluster("late"), "metadata": {"name": "late", "namespace": TEAM}})
    await platform.run_until_quiet()
    assert reason(platform) == "NamespaceProtected"
    assert platform.find(BINDING) is None
    platform.delete(f"MemoryCluster/{TEAM}/late")
    await platform.run_until_quiet()
    assert platform.find(BINDING) is not None


async def test_a_binding_of_somebody_else_is_not_touched(platform: World) -> None:
    foreign = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": BINDING.name, "namespace": TEAM},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"},
        "subjects": [],
    }
    platform.put(foreign, tenant())
    await platform.run_until_quiet()
    assert reason(platform) == "NotOurs"
    assert platform.get(BINDING)["roleRef"]["name"] == "view"
    platform.delete(TENANT_KEY)
    await platform.run_until_quiet(within=20)
    assert platform.find(BINDING) is not None


@pytest.mark.parametrize("change", [{"subjects": []}, {"roleRef": {"kind": "ClusterRole", "name": "admin"}}])
async def test_a_binding_that_was_changed_is_put_right(platform: World, change: dict[str, Any]) -> None:
    platform.put(tenant())
    await platform.run_until_quiet()
    before = platform.get(BINDING)
    platform.edit(BINDING, change)
    await platform.run_until_quiet()
    after = platform.get(BINDING)
    assert (after["roleRef"], after["subjects"]) == (before["roleRef"], before["subjects"])
    await settle(platform)


async def test_a_binding_that_was_deleted_is_made_again(platform: World) -> None:
    platform.put(tenant())
    await platform.run_until_quiet()
    platform.delete(BINDING)
    await platform.run_until_quiet()
    assert platform.find(BINDING) is not None
    await settle(platform)


async def test_a_binding_that_goes_while_it_is_put_right(platform: World) -> None:
    platform.put(tenant())
    await platform.run_until_quiet()

    def gone(request: Any) -> int | None:
        if request.verb == "patch" and request.kind == "RoleBinding" and platform.find(BINDING):
            platform.delete(BINDING)
        return None

    platform.fake.faults.before.append(gone)
    platform.edit(BINDING, {"subjects": []})
    await platform.run_until_quiet()
    assert platform.get(BINDING)["subjects"] != []


async def test_a_cluster_that_comes_later(platform: World) -> None:
    platform.delete(CLUSTER_KEY)
    platform.put(tenant())
    await platform.run_until_quiet()
    assert reason(platform) == "ClusterNotFound"
    assert platform.find(BINDING) is None
    platform.put(cluster())
    await platform.run_until_quiet()
    assert platform.condition(TENANT_KEY)["status"] == "True"
    await settle(platform)


async def test_a_cluster_whose_brokers_come_and_go_wakes_no_tenant(platform: World) -> None:
    platform.put(tenant())
    await platform.run_until_quiet()
    platform.cluster.set_status(CLUSTER_KEY, {"brokers": {"registered": 2}})
    assert await platform.run_until_quiet() == 0
    platform.put(teams.family())
    assert await platform.run_until_quiet() == 0


async def test_the_older_namesake_on_the_same_kafka_has_the_prefix(platform: World) -> None:
    external = {"bootstrapServers": "k:1", "credentialsSecretRef": {"name": "c"}}
    platform.put(tenant())
    await platform.run_until_quiet()
    other = {**cluster(engine="external", external=external), "metadata": {"name": "agents", "namespace": "zone-b"}}
    platform.put(other)
    for namespace in (PLATFORM, "zone-b"):
        platform.cluster.set_status(Key("MemoryCluster", namespace, "agents"), {"clusterId": "same"})
    younger = {**tenant(namespaces=[{"name": TEAM}]), "metadata": {"name": "support", "namespace": "zone-b"}}
    await platform.clock.advance(60)
    platform.put(younger)
    await platform.run_until_quiet()
    key = Key("MemoryTenant", "zone-b", "support")
    assert reason(platform, key) == "PrefixTaken"
    assert platform.condition(TENANT_KEY)["status"] == "True"
    platform.delete(TENANT_KEY)
    await platform.run_until_quiet()
    assert platform.condition(key)["status"] == "True"


async def test_an_object_of_an_older_release(platform: World) -> None:
    platform.put(tenant())
    await platform.run_until_quiet()
    platform.edit(TENANT_KEY, {"spec": {"surprise": 1}})
    await platform.run_until_quiet()
    assert reason(platform) == "InvalidSpec"
    assert "spec.surprise" in platform.condition(TENANT_KEY)["message"]
    assert platform.find(BINDING) is not None, "what it lists can still be read"
    await settle(platform)
    platform.delete(TENANT_KEY)
    await platform.run_until_quiet()
    assert platform.find(TENANT_KEY) is None
    assert platform.find(BINDING) is None


async def test_rights_that_the_operator_lacks(platform: World) -> None:
    platform.fake.faults.before.append(
        lambda request: 403 if request.kind == "RoleBinding" and request.is_write else None
    )
    platform.put(tenant())
    await platform.run_until_quiet()
    assert platform.condition(TENANT_KEY, "Stalled")["status"] == "True"
    assert reason(platform) == "Forbidden"
    platform.fake.faults.clear()
    await platform.run_until_quiet(within=20)
    assert platform.condition(TENANT_KEY)["status"] == "True"
    platform.fake.faults.before.append(lambda request: 403 if request.verb == "delete" else None)
    platform.delete(TENANT_KEY)
    await platform.run_until_quiet()
    assert reason(platform) == "Forbidden"
    platform.fake.faults.clear()
    await platform.run_until_quiet(within=61)
    assert platform.find(TENANT_KEY) is None


async def test_an_apiserver_that_goes_away_for_a_minute(platform: World) -> None:
    platform.put(tenant())
    platform.fake.faults.before.append(lambda request: 503)
    await platform.run_until_quiet(within=60)
    platform.fake.faults.clear()
    await platform.run_until_quiet(within=120)
    assert platform.condition(TENANT_KEY)["status"] == "True"


async def test_paused(platform: World) -> None:
    platform.put({**tenant(), "metadata": {**tenant()["metadata"], "annotations": {"agentmemory.dev/paused": "true"}}})
    await platform.run_until_quiet()
    assert list(platform.fake.requests) == []


@pytest.mark.parametrize("writes", [1, 2, 3])
async def test_crash_after_every_write(platform: World, writes: int) -> None:
    platform.put(tenant())
    platform.die_after(writes)
    await platform.run_until_quiet()
    assert platform.dead
    await platform.restart()
    await settle(platform)
    assert platform.condition(TENANT_KEY)["status"] == "True"
    assert platform.find(BINDING) is not None


@pytest.mark.parametrize("writes", [1, 2])
async def test_crash_while_it_ends(platform: World, writes: int) -> None:
    platform.put(tenant())
    await platform.run_until_quiet()
    platform.delete(TENANT_KEY)
    platform.die_after(writes)
    await platform.run_until_quiet()
    await platform.restart()
    await platform.run_until_quiet()
    assert platform.find(TENANT_KEY) is None
    assert platform.find(BINDING) is None


async def test_before_all_tenants_are_known_nothing_is_taken_back(platform: World) -> None:
    platform.put(tenant())
    await platform.run_until_quiet()
    platform.store._synced.discard("MemoryTenant")
    platform.edit(TENANT_KEY, {"spec": {"namespaces": [{"name": "other"}]}})
    await platform.run_until_quiet()
    assert platform.find(BINDING) is not None


async def test_a_binding_whose_news_are_late(platform: World) -> None:
    """Another process granted it a moment ago and the watch has not said so."""
    platform.put(tenant())
    platform.pump()
    reconciler = platform.reconcilers["MemoryTenant"]
    other = World(platform.fake, platform.clock, platform.settings)
    other.use(TenantReconciler)
    await other.run_until_quiet()
    await other.ctx.kube.close()
    platform.store.put(platform.get(TENANT_KEY))
    with pytest.raises(Exception, match="looked at again"):
        await reconciler.reconcile(TENANT_KEY)
    await platform.run_until_quiet()
    assert platform.condition(TENANT_KEY)["status"] == "True"
