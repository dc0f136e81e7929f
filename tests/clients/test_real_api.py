"""Tenants, families and clients on a real apiserver, each role with the chart's rights and no others."""

import base64
import subprocess
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
import yaml

from agentmemory.api import crdgen
from agentmemory.api.labels import MANAGED_BY, MANAGER
from agentmemory.clients.reconcile import ClientReconciler
from agentmemory.context import Context
from agentmemory.core.clock import SystemClock
from agentmemory.core.errors import Denied
from agentmemory.core.key import Key, key_of
from agentmemory.core.outcome import Again, Done, Outcome
from agentmemory.core.router import Reconciler
from agentmemory.core.store import Store
from agentmemory.families.reconcile import FamilyReconciler
from agentmemory.kafka.connection import KafkaPool
from agentmemory.kube.client import KubeClient
from agentmemory.kube.config import from_file
from agentmemory.kube.watch import targets
from agentmemory.settings import Role, Settings
from agentmemory.tenants.reconcile import TenantReconciler
from e2e.kubectl import Kubectl
from e2e.release import CHART, NAME, NAMESPACE
from e2e.stand import gotools
from e2e.stand.controlplane import ControlPlane
from tests import teams
from tests.fakekafka import FakeKafka, FakePool
from tests.teams import CLIENT_KEY, CLUSTER_KEY, FAMILY_KEY, PLATFORM, PREFIX, TEAM, TENANT_KEY, client, family, tenant

pytestmark = pytest.mark.integration

SECRET = Key("Secret", TEAM, "bot-kafka")
BINDING = Key("RoleBinding", TEAM, "agent-memory-tenant-operator")
EVENTS = PREFIX + "events"


@dataclass
class Operator:
    """One role's process, looking at the world when told to. It sees by lists what others see by watches."""

    context: Context
    reconcilers: list[Reconciler]
    role: Role
    writes: list[str] = field(default_factory=list)

    async def look(self) -> None:
        for target in targets(self.role):
            objs, version = await self.context.kube.list(target.kind, None, target.selector)
            self.context.store.replace(target.kind, objs, None, version)

    async def step(self) -> dict[Key, Outcome]:
        """One look at everything of its kinds."""
        await self.look()
        outcomes: dict[Key, Outcome] = {}
        for reconciler in self.reconcilers:
            for obj in self.context.store.list(reconciler.kind):
                outcomes[key_of(obj)] = await reconciler.reconcile(key_of(obj))
        return outcomes


@dataclass
class Stage:
    """An administrator, the two roles, and Kafka in memory."""

    admin: KubeClient
    platform: Operator
    tenant: Operator
    kafka: FakeKafka

    async def get(self, key: Key) -> dict[str, Any]:
        found = await self.admin.get(key)
        assert found is not None, f"{key} is not there"
        return found

    async def ready(self, key: Key) -> str:
        """The reason of Ready, with its status."""
        conditions = (await self.get(key)).get("status", {}).get("conditions", [])
        return next((f"{it['status']} {it['reason']}" for it in conditions if it["type"] == "Ready"), "none")

    async def edit(self, key: Key, patch: dict[str, Any]) -> None:
        await self.admin.merge_patch(key, patch)


async def role_of(control: ControlPlane, kubectl: Kubectl, role: Role, kafka: FakeKafka) -> Operator:
    config = yaml.safe_load(control.kubeconfig.read_text())
    token = kubectl("-n", NAMESPACE, "create", "token", f"agent-memory-operator-{role}").strip()
    config["users"][0]["user"] = {"token": token}
    file = control.folder / f"{role}.kubeconfig"
    file.write_text(yaml.safe_dump(config))
    configuration = await from_file(file)
    settings = Settings(role=role, namespace=NAMESPACE)
    context = Context(
        store=Store(),
        kube=KubeClient(configuration, manager=settings.manager),
        kafka=cast(KafkaPool, FakePool(kafka)),
        clock=SystemClock(),
        settings=settings,
        enqueue=lambda key, after: None,
    )
    made: list[Reconciler] = (
        [TenantReconciler(context)] if role == "platform" else [FamilyReconciler(context), ClientReconciler(context)]
    )
    return Operator(context, made, role)


def chart() -> list[dict[str, Any]]:
    """The CRDs, and of the chart what gives rights."""
    command = [str(gotools.helm()), "template", NAME, str(CHART), "--namespace", NAMESPACE]
    rendered = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    kinds = {"ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"}
    rights = [obj for obj in yaml.safe_load_all(rendered) if obj and obj["kind"] in kinds]
    return [*(yaml.safe_load(text) for text in crdgen.generate().values()), *rights]


@pytest.fixture(scope="module")
def kubectl(control_plane: ControlPlane) -> Kubectl:
    """An administrator's, once the CRDs, the rights and the namespaces are there."""
    made = Kubectl(gotools.kubernetes() / "kubectl", control_plane.kubeconfig)
    names = (NAMESPACE, PLATFORM, TEAM, "default")
    made.apply(*({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}} for name in names))
    made.apply(*chart(), teams.handover(NAMESPACE))
    crds = [f"crd/{yaml.safe_load(text)['metadata']['name']}" for text in crdgen.generate().values()]
    made("wait", "--for=condition=Established", *crds, "--timeout=30s")
    return made


@pytest.fixture
async def stage(control_plane: ControlPlane, kubectl: Kubectl) -> AsyncIterator[Stage]:
    """The platform's part is there; what it would do about nodes is written down as done."""
    kafka = FakeKafka()
    async with KubeClient(await from_file(control_plane.kubeconfig)) as admin:
        platform, team = [await role_of(control_plane, kubectl, role, kafka) for role in ("platform", "tenant")]
        await admin.create(teams.cluster())
        await admin.merge_patch(CLUSTER_KEY, {"status": teams.running()}, subresource="status")
        made = Stage(admin, platform, team, kafka)
        yield made
        for key in (CLIENT_KEY, FAMILY_KEY, TENANT_KEY, CLUSTER_KEY, SECRET, BINDING):
            await made.edit(key, {"metadata": {"finalizers": None}})
            await admin.delete(key)
        for role in (platform, team):
            await role.context.kube.close()


async def apply(stage: Stage, *objs: dict[str, Any]) -> None:
    for obj in objs:
        await stage.admin.create(obj)


async def test_the_team_gets_what_it_declares(stage: Stage) -> None:
    await apply(stage, family(), client())
    await stage.tenant.step()
    assert await stage.ready(FAMILY_KEY) == "False TenantNotFound"
    assert await stage.ready(CLIENT_KEY) == "False TenantNotFound"
    await apply(stage, tenant())
    await stage.tenant.step()
    assert await stage.ready(FAMILY_KEY) == "False TenantNotReady"
    await stage.platform.step()
    assert await stage.ready(TENANT_KEY) == "True Ready"
    assert (await stage.get(BINDING))["metadata"]["labels"] == {MANAGED_BY: MANAGER}
    await stage.tenant.step()
    assert await stage.ready(FAMILY_KEY) == "True Ready"
    assert await stage.ready(CLIENT_KEY) == "True Ready"
    assert EVENTS in stage.kafka.topics
    held = {name: base64.b64decode(text).decode() for name, text in (await stage.get(SECRET))["data"].items()}
    assert stage.kafka.authenticates(held["username"], "SCRAM-SHA-512", held["password"])

    before = [await stage.get(key) for key in (TENANT_KEY, FAMILY_KEY, CLIENT_KEY, SECRET, BINDING)]
    for role in (stage.platform, stage.tenant):
        assert set((await role.step()).values()) == {Done()}
    after = [await stage.get(key) for key in (TENANT_KEY, FAMILY_KEY, CLIENT_KEY, SECRET, BINDING)]
    assert after == before, "at rest nothing is written"


async def test_edits_and_repairs(stage: Stage) -> None:
    await apply(stage, tenant(), family(), client())
    await stage.platform.step()
    await stage.tenant.step()
    await stage.edit(FAMILY_KEY, {"spec": {"retention": {"time": "1h"}, "deletionPolicy": "Delete"}})
    await stage.edit(CLIENT_KEY, {"spec": {"secretName": "creds"}})
    await stage.edit(BINDING, {"subjects": []})
    del stage.kafka.topics[EVENTS]
    await stage.platform.step()
    await stage.tenant.step()
    assert stage.kafka.topics[EVENTS].configs["retention.ms"] == "3600000"
    assert await stage.admin.get(SECRET) is None
    await stage.get(SECRET._replace(name="creds"))
    assert (await stage.get(BINDING))["subjects"]
    events, _ = await stage.admin.list("Event", TEAM)
    assert "TopicsMadeAnew" in {event["reason"] for event in events}
    await stage.edit(SECRET._replace(name="creds"), {"data": {"password": None}})
    await stage.tenant.step()
    assert "password" in (await stage.get(SECRET._replace(name="creds")))["data"]


async def test_everything_goes_again(stage: Stage) -> None:
    await apply(stage, tenant(), family(deletionPolicy="Delete"), client())
    await stage.platform.step()
    await stage.tenant.step()
    for key in (CLIENT_KEY, FAMILY_KEY, TENANT_KEY):
        await stage.admin.delete(key)
    await stage.tenant.step()
    await stage.platform.step()
    for key in (CLIENT_KEY, FAMILY_KEY, TENANT_KEY, BINDING):
        assert await stage.admin.get(key) is None
    assert (stage.kafka.topics, stage.kafka.acls, stage.kafka.scram) == ({}, set(), {})


async def test_the_tenant_role_has_no_rights_where_no_tenant_is(stage: Stage) -> None:
    await apply(stage, tenant(), family(), client())
    await stage.platform.step()
    await stage.tenant.step()
    for namespace in ("default", PLATFORM, "kube-system"):
        with pytest.raises(Denied):
            await stage.tenant.context.kube.get(Key("Secret", namespace, "any"))
        with pytest.raises(Denied):
            await stage.tenant.context.kube.create(
                {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "any", "namespace": namespace}}
            )
    for kind in ("Secret", "Pod"):
        with pytest.raises(Denied):
            await stage.tenant.context.kube.list(kind, TEAM)
    await stage.edit(TENANT_KEY, {"spec": {"namespaces": [{"name": "default"}]}})
    await stage.platform.step()
    with pytest.raises(Denied):
        await stage.tenant.context.kube.get(SECRET)


async def test_rights_that_come_a_moment_later(stage: Stage) -> None:
    await apply(stage, tenant(), family(), client())
    await stage.platform.step()
    await stage.admin.delete(BINDING)
    outcomes = await stage.tenant.step()
    assert isinstance(outcomes[CLIENT_KEY], Again)
    assert await stage.ready(CLIENT_KEY) == "False RightsPending"
    assert await stage.ready(FAMILY_KEY) == "True Ready"
    await stage.platform.step()
    await stage.tenant.step()
    assert await stage.ready(CLIENT_KEY) == "True Ready"


async def test_a_namespace_that_is_not_there_or_goes(stage: Stage) -> None:
    await apply(stage, tenant(namespaces=[{"name": TEAM, "segment": "agents"}, {"name": "later"}]))
    await stage.platform.step()
    assert await stage.ready(TENANT_KEY) == "False NamespaceNotFound"
    for name in ("later", "going"):
        await apply(stage, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    await stage.platform.step()
    assert await stage.ready(TENANT_KEY) == "True Ready"
    await stage.edit(
        TENANT_KEY,
        {"spec": {"namespaces": [{"name": TEAM, "segment": "agents"}, {"name": "later"}, {"name": "going"}]}},
    )
    await stage.admin.delete(Key("Namespace", "", "going"))
    await stage.platform.step()
    assert await stage.ready(TENANT_KEY) == "False NamespaceTerminating"
