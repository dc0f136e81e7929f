"""Many families at once on a real API server and a real broker: the operator's whole process, as it is shipped."""

import asyncio
import signal
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
import yaml

from agentmemory.api import crdgen
from agentmemory.api.labels import RECONCILE_AT
from agentmemory.app import Process
from agentmemory.core.key import Key
from agentmemory.engines.kafka import acls
from agentmemory.kafka.admin import KafkaAdmin
from agentmemory.kafka.connection import KafkaPool
from agentmemory.kafka.model import Acl
from agentmemory.kube.client import KubeClient
from agentmemory.kube.config import from_file
from agentmemory.settings import Settings
from e2e.kubectl import Kubectl
from e2e.stand import gotools
from e2e.stand.controlplane import ControlPlane
from tests import teams
from tests.kafka.conftest import eventually
from tests.kafka.realkafka import RealKafka
from tests.teams import family, tenant

pytestmark = [pytest.mark.integration, pytest.mark.kafka]

Object = dict[str, Any]
OPERATOR, PLATFORM, TEAM = "many-operator", "many-platform", "many-agents"
CRD = Key("CustomResourceDefinition", "", "topicfamilies.agentmemory.dev")
NO_RESYNC = 3600.0


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealKafka]:
    """A broker of its own: it is frozen here, and has rules that would be in the way of others."""
    with RealKafka(tmp_path_factory.mktemp("kafka")) as running:
        yield running


@pytest.fixture(scope="module")
def kubectl(control_plane: ControlPlane, kafka: RealKafka) -> Kubectl:
    made = Kubectl(gotools.kubernetes() / "kubectl", control_plane.kubeconfig)
    made.apply(*crdgen.generate().values())
    made("wait", "--for=condition=Established", f"crd/{CRD.name}", "--timeout=30s")
    names = (OPERATOR, PLATFORM, TEAM)
    made.apply(*({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}} for name in names))
    credentials = kafka.credentials("tenant-operator")
    login = {"ca.crt": credentials.ca_pem, "tls.crt": credentials.cert_pem, "tls.key": credentials.key_pem}
    made.apply(
        secret(OPERATOR, "agent-memory-tenant-principals", {}),
        secret(PLATFORM, "kafka-login", login),
        placed(
            teams.cluster(
                engine="external",
                replication={"factor": 1, "minInSync": 1},
                external={"bootstrapServers": credentials.bootstrap, "credentialsSecretRef": {"name": "kafka-login"}},
            ),
            PLATFORM,
        ),
    )
    return made


def secret(namespace: str, name: str, data: Object) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": namespace},
        "stringData": data,
    }


def placed(obj: Object, namespace: str) -> Object:
    obj["metadata"]["namespace"] = namespace
    return obj


class Stage:
    """What a test does and sees, as an administrator."""

    def __init__(self, api: KubeClient, kubectl: Kubectl, admin: KafkaAdmin, kafka: RealKafka, prefix: str) -> None:
        self.api, self.kubectl, self.admin, self.kafka, self.prefix = api, kubectl, admin, kafka, prefix

    def family(self, name: str, **spec: Any) -> Object:
        made = placed(family(name, **spec), TEAM)
        made["spec"]["tenantRef"] = {"namespace": PLATFORM, "name": self.prefix}
        return made

    def topic(self, name: str) -> str:
        return f"{self.prefix}.{TEAM}.{name}.events"

    async def create(self, *objs: Object) -> None:
        await asyncio.gather(*(self.api.create(obj) for obj in objs))

    async def ready(self) -> dict[str, str]:
        """By family the status and reason of Ready."""
        objs, _ = await self.api.list("TopicFamily", TEAM)
        return {obj["metadata"]["name"]: reason_of(obj) for obj in objs if self.is_ours(obj)}

    def is_ours(self, obj: Object) -> bool:
        ref = obj["spec"].get("tenantRef") or {}
        return bool(ref.get("name") == self.prefix)

    async def message(self, name: str) -> str:
        found = await self.api.get(Key("TopicFamily", TEAM, name))
        assert found is not None
        return str(condition_of(found).get("message"))

    async def until(self, what: str, holds: Callable[[], Awaitable[Any]], limit: float = 60.0) -> None:
        """Poll: neither the apiserver nor Kafka tells a test when it is so."""
        try:
            await eventually(holds, bool, limit)
        except AssertionError:
            raise AssertionError(f"not within {limit:g} s: {what}; {await self.ready()}") from None

    async def until_ready(self, count: int, limit: float = 60.0) -> None:
        async def are() -> bool:
            return [*(await self.ready()).values()].count("True Ready") == count

        await self.until(f"{count} are ready", are, limit)


def condition_of(obj: Object) -> Object:
    conditions = obj.get("status", {}).get("conditions", [])
    return next((found for found in conditions if found["type"] == "Ready"), {})


def reason_of(obj: Object) -> str:
    found = condition_of(obj)
    return f"{found.get('status')} {found.get('reason')}"


@asynccontextmanager
async def operator(control: ControlPlane) -> AsyncIterator[Process]:
    """Both roles in one process, with nothing left to a resync."""
    settings = Settings(role="all", namespace=OPERATOR, port=0, lease=False, resync=NO_RESYNC)
    process = Process(settings, lambda: from_file(control.kubeconfig), kafka=KafkaPool(limit=5.0))
    task = asyncio.create_task(process.run())
    try:
        yield process
    finally:
        process.stopping.set()
        await asyncio.wait({task}, timeout=30)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
async def stage(
    control_plane: ControlPlane, kubectl: Kubectl, kafka: RealKafka, request: pytest.FixtureRequest
) -> AsyncIterator[Stage]:
    """A tenant of the test's own; its families and topics are gone afterwards."""
    admin = KafkaAdmin(kafka.credentials())
    await acls.keep(admin)
    prefix = f"t{zlib.crc32(request.node.name.encode())}"
    async with KubeClient(await from_file(control_plane.kubeconfig)) as api:
        yield Stage(api, kubectl, admin, kafka, prefix)
        relax(kubectl)  # else not even a finalizer can be taken off an object that the CRD refuses
        objs, _ = await api.list("TopicFamily", TEAM)
        for obj in objs:
            key = Key("TopicFamily", TEAM, obj["metadata"]["name"])
            await api.merge_patch(key, {"metadata": {"finalizers": None}})
            await api.delete(key)
        kubectl.apply(strict())
        key = Key("MemoryTenant", PLATFORM, prefix)
        await api.merge_patch(key, {"metadata": {"finalizers": None}})
        await api.delete(key)
    topics = await admin.list_topics(prefix)
    await admin.delete_topics(names=[*topics])
    await admin.close()


def its_tenant(stage: Stage) -> Object:
    return placed(tenant(stage.prefix, namespaces=[{"name": TEAM}]), PLATFORM)


async def test_two_hundred_families_cost_a_write_each(control_plane: ControlPlane, stage: Stage) -> None:
    began = datetime.now(UTC)
    async with operator(control_plane):
        await stage.create(its_tenant(stage))

        async def up() -> bool:
            found = [
                await stage.api.get(key)
                for key in (Key("MemoryTenant", PLATFORM, stage.prefix), Key("MemoryCluster", PLATFORM, "agents"))
            ]
            return all(one is not None and reason_of(one) == "True Ready" for one in found)

        await stage.until("tenant and cluster are ready", up)
        await stage.create(*(stage.family(f"f{n}") for n in range(200)))
        await stage.until_ready(200)

        async def listed() -> bool:  # brokers learn of new topics a moment later
            return len(await stage.admin.list_topics(stage.prefix)) == 200

        await stage.until("topics listed", listed)

    def patches() -> int:
        found = control_plane.audit.writes(began)
        ours = [one for one in found if one.resource == "topicfamilies" and one.namespace == TEAM]
        return len([one for one in ours if one.subresource == "status"])

    async def logged() -> bool:
        return patches() >= 200

    await stage.until("written to the audit log", logged)
    assert patches() == 200


async def test_ten_poisoned_at_once_disturb_nobody(control_plane: ControlPlane, stage: Stage) -> None:
    """Kafka refuses to make ten of the topics: a rule denies it to the operator's principal."""
    denied = {
        Acl("User:tenant-operator", "TOPIC", stage.topic(f"f{n}"), "LITERAL", "CREATE", "DENY") for n in range(10)
    }
    await stage.admin.create_acls(denied)
    async with operator(control_plane):
        await stage.create(its_tenant(stage), *(stage.family(f"f{n}") for n in range(40)))
        await stage.until_ready(30)

        async def told() -> bool:
            found = await stage.ready()
            return all(found[f"f{n}"] == "False TopicAuthorizationFailed" for n in range(10))

        await stage.until("told", told)
        assert "Give the operator's principal this right" in await stage.message("f3")
        await stage.admin.delete_acls(denied)
        for n in range(10):
            patch = {"metadata": {"annotations": {RECONCILE_AT: "now"}}}
            await stage.api.merge_patch(Key("TopicFamily", TEAM, f"f{n}"), patch)
        await stage.until_ready(40)


async def test_bad_input_says_what_is_wrong_and_the_way_out(
    control_plane: ControlPlane, kubectl: Kubectl, stage: Stage
) -> None:
    """Two objects of an older CRD, a missing tenant, fewer partitions than there are; a good one beside them."""
    relax(kubectl)
    try:
        await stage.create(stage.family("older", compression="brotli"), stage.family("odd", retention={"time": "soon"}))
    finally:
        kubectl.apply(strict())
    async with operator(control_plane):
        await stage.create(stage.family("good"), stage.family("wide", topics=[{"name": "events", "partitions": 8}]))

        async def waiting() -> bool:
            found = await stage.ready()
            return found["good"] == found["wide"] == "False TenantNotFound"

        await stage.until("waiting for the tenant", waiting)
        assert "create it, or correct spec.tenantRef" in await stage.message("good")
        await stage.create(its_tenant(stage))
        await stage.until_ready(2)

        async def refused() -> bool:
            return (await stage.ready())["older"] == "False InvalidSpec"

        await stage.until("refused", refused)
        assert "spec.compression" in await stage.message("older")
        # Its status cannot be written: the API server evaluates the CRD's rules on the whole object.
        assert any("spec.retention.time" in found["message"] for found in await events_of(stage, "odd"))
        wide = Key("TopicFamily", TEAM, "wide")
        await stage.api.delete(wide)
        await stage.create(stage.family("wide"))

        async def kept() -> bool:
            return (await stage.ready())["wide"] == "False PartitionsCannotShrink"

        await stage.until("partitions kept", kept)
        assert "write 8, or make a new topic" in await stage.message("wide")
        assert (await stage.ready())["good"] == "True Ready"


async def events_of(stage: Stage, name: str) -> list[Object]:
    return [found for found in stage.kubectl.list("events", TEAM) if found["involvedObject"]["name"] == name]


def strict() -> str:
    """The CRD as it is."""
    return crdgen.generate()["agentmemory.dev_topicfamilies.yaml"]


def relax(kubectl: Kubectl) -> None:
    """The CRD as an older release might have had it: without what this one checks."""
    crd = yaml.safe_load(strict())
    crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"] = {
        "type": "object",
        "x-kubernetes-preserve-unknown-fields": True,
    }
    kubectl.apply(crd)


async def test_kafka_away_is_said_once_and_its_return_noticed(control_plane: ControlPlane, stage: Stage) -> None:
    """The broker is frozen, so that calls hang until their limit: worse than a refused connection."""
    broker = stage.kafka.nodes[1000].process
    assert broker is not None
    async with operator(control_plane):
        await stage.create(its_tenant(stage), *(stage.family(f"f{n}") for n in range(20)))
        await stage.until_ready(20)
        broker.send_signal(signal.SIGSTOP)
        try:
            await stage.create(*(stage.family(f"g{n}") for n in range(20)))

            async def told() -> bool:
                found = await stage.ready()
                return all(found[f"g{n}"] == "False KafkaUnavailable" for n in range(20))

            await stage.until("told", told)
            before = await versions(stage)
            await asyncio.sleep(8)  # more than one further try
            assert await versions(stage) == before, "said once"
        finally:
            broker.send_signal(signal.SIGCONT)
        await stage.until_ready(40, limit=30)


async def versions(stage: Stage) -> list[str]:
    objs, _ = await stage.api.list("TopicFamily", TEAM)
    return [obj["metadata"]["resourceVersion"] for obj in objs]


async def test_many_deleted_families_take_their_topics_along(control_plane: ControlPlane, stage: Stage) -> None:
    async with operator(control_plane):
        names = [f"f{n}" for n in range(60)]
        await stage.create(its_tenant(stage), *(stage.family(name, deletionPolicy="Delete") for name in names))
        await stage.until_ready(60)
        stays = stage.family("stays")
        await stage.create(stays)
        await stage.until_ready(61)
        await asyncio.gather(*(stage.api.delete(Key("TopicFamily", TEAM, name)) for name in names))

        async def gone() -> bool:
            return [*(await stage.ready())] == ["stays"]

        await stage.until("gone", gone)

        async def topics_gone() -> bool:
            return [*(await stage.admin.list_topics(stage.prefix))] == [stage.topic("stays")]

        await stage.until("topics gone", topics_gone)
