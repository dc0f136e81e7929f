"""What the client makes of an apiserver in trouble."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from agentmemory.core.errors import Bug, Denied, Invalid, OperatorError, Transient
from agentmemory.core.key import Key
from agentmemory.core.metrics import Metrics
from agentmemory.kube import client as client_module
from agentmemory.kube.client import KubeClient
from agentmemory.kube.errors import NotInstalled, NotLeading, Stale
from tests.fakekube.answers import status
from tests.fakekube.client import configuration_for
from tests.fakekube.requests import Drop, Request
from tests.fakekube.server import FakeKube
from tests.kube.objects import config_map

KEY = Key("ConfigMap", "default", "c")


@pytest.fixture
async def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
async def kube(fake: FakeKube, metrics: Metrics) -> AsyncIterator[KubeClient]:
    async with KubeClient(configuration_for(fake.url), metrics=metrics, time_limit=5.0) as client:
        yield client


def answer(fake: FakeKube, verdict: Any) -> None:
    fake.faults.before.append(lambda _: verdict)


@pytest.mark.parametrize(
    ("code", "expected", "reason"),
    [
        (400, Invalid, "RefusedByKubernetes"),
        (401, Transient, "Unauthorized"),
        (405, Bug, "UnexpectedAnswer"),
        (409, Stale, "Stale"),
        (410, Stale, "Expired"),
        (413, Invalid, "RefusedByKubernetes"),
        (422, Invalid, "RefusedByKubernetes"),
        (429, Transient, "TooManyRequests"),
        (500, Transient, "ApiserverError"),
        (503, Transient, "ApiserverError"),
    ],
)
async def test_every_code_has_one_meaning(
    fake: FakeKube, kube: KubeClient, code: int, expected: type[OperatorError], reason: str
) -> None:
    answer(fake, code)
    with pytest.raises(expected, match="get /api/v1/namespaces/default/configmaps/c") as raised:
        await kube.get(KEY)
    assert raised.value.reason == reason
    assert "injected" in raised.value.message


async def test_forbidden_says_which_verb_on_which_resource(fake: FakeKube, kube: KubeClient) -> None:
    said = 'pods is forbidden: User "x" cannot list resource "pods" in API group ""'
    answer(fake, (403, status(403, said)))
    with pytest.raises(Denied, match=r'list /api/v1/pods: .*cannot list resource "pods"'):
        await kube.list("Pod")


async def test_a_missing_crd_says_what_to_install(fake: FakeKube, kube: KubeClient) -> None:
    fake.hidden.add("TopicFamily")
    for call in (kube.list("TopicFamily"), kube.get(Key("TopicFamily", "a", "b"))):
        with pytest.raises(NotInstalled, match="install the chart agent-memory-operator"):
            await call


async def test_a_cut_connection_is_transient(fake: FakeKube, kube: KubeClient, metrics: Metrics) -> None:
    def drop(_: Request) -> None:
        raise Drop

    fake.faults.before.append(drop)
    with pytest.raises(Transient, match="cannot be reached"):
        await kube.create(config_map("default"))
    assert 'code="error",kind="ConfigMap",verb="create"} 1.0' in metrics.text().decode()


async def test_a_server_that_is_away_is_transient(fake: FakeKube, kube: KubeClient) -> None:
    await fake.stop()
    with pytest.raises(Transient, match="cannot be reached"):
        await kube.get(KEY)


async def test_a_silent_server_is_given_up_after_the_time_limit(fake: FakeKube) -> None:
    async def hang(_: Request) -> None:
        await asyncio.Event().wait()

    fake.faults.before.append(hang)
    async with KubeClient(configuration_for(fake.url), time_limit=0.05) as impatient:
        with pytest.raises(Transient, match="did not answer in time"):
            await impatient.get(KEY)


async def test_an_answer_that_is_not_json_is_transient(fake: FakeKube, kube: KubeClient) -> None:
    answer(fake, (200, ["a list"]))  # type: ignore[arg-type]
    with pytest.raises(Transient, match="not a JSON object"):
        await kube.get(KEY)


async def test_without_the_lease_reads_go_through_and_writes_do_not(fake: FakeKube) -> None:
    fake.cluster.put(config_map("default"))
    fake.requests.clear()
    async with KubeClient(configuration_for(fake.url), guard=lambda: False) as standby:
        assert await standby.get(KEY) is not None
        writes = (
            standby.create(config_map("default", "d")),
            standby.apply(config_map("default")),
            standby.update(config_map("default")),
            standby.merge_patch(KEY, {"data": {}}),
            standby.delete(KEY),
        )
        for write in writes:
            with pytest.raises(NotLeading, match="does not hold its Lease"):
                await write
    assert fake.requests.writes() == []


async def test_calls_are_counted_by_verb_kind_and_code(fake: FakeKube, kube: KubeClient, metrics: Metrics) -> None:
    await kube.get(KEY)
    await kube.list("ConfigMap")
    text = metrics.text().decode()
    assert 'agentmemory_kube_calls_total{code="404",kind="ConfigMap",verb="get"} 1.0' in text
    assert 'agentmemory_kube_calls_total{code="200",kind="ConfigMap",verb="list"} 1.0' in text


async def test_a_page_that_expired_is_stale(fake: FakeKube, kube: KubeClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "PAGE", 1)
    for name in ("a", "b"):
        fake.cluster.put(config_map("default", name))

    def expire(request: Request) -> None:
        if "continue" in request.query:
            fake.expire_pages()

    fake.faults.before.append(expire)
    with pytest.raises(Stale):
        await kube.list("ConfigMap", "default")


async def test_a_watch_from_an_old_version_is_stale(fake: FakeKube, kube: KubeClient) -> None:
    fake.cluster.put(config_map("default"))
    fake.cluster.log.compact()
    with pytest.raises(Stale, match="too old resource version"):
        await anext(kube.watch("ConfigMap", resource_version="1"))


async def test_a_refused_watch_raises(fake: FakeKube, kube: KubeClient) -> None:
    answer(fake, 403)
    with pytest.raises(Denied):
        await anext(kube.watch("ConfigMap"))


async def test_a_watch_ends_with_a_bookmark_at_its_time_limit(fake: FakeKube, kube: KubeClient) -> None:
    events = [event async for event in kube.watch("ConfigMap", resource_version="100", seconds=0)]
    assert [type_ for type_, _ in events] == ["BOOKMARK"]


async def test_a_watch_without_a_server_is_transient(fake: FakeKube, kube: KubeClient) -> None:
    await fake.stop()
    with pytest.raises(Transient, match="cannot be reached"):
        await anext(kube.watch("ConfigMap"))


async def test_raw_paths(kube: KubeClient) -> None:
    assert (await kube.raw("/version"))["major"] == "1"


async def test_the_client_tells_who_it_is(fake: FakeKube) -> None:
    fake.cluster.namespace("default")
    async with KubeClient(configuration_for(fake.url), manager="agent-memory-operator-tenant") as client:
        await client.create(config_map("default"))
    assert fake.requests[-1].user_agent.startswith("agent-memory-operator-tenant/")
    assert fake.requests[-1].query["fieldManager"] == "agent-memory-operator-tenant"
