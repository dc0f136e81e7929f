"""What the fake does where no real apiserver alone would: controllers' work, and faults. The rest is in tests/kube."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from agentmemory.core.key import Key, key_of
from tests.kube.objects import config_map, pool

from .answers import ApiError
from .cluster import FakeCluster
from .requests import Drop, Request
from .selectors import matcher
from .server import FakeKube

Object = dict[str, Any]
POOL, MAP = Key("BrokerPool", "n", "p"), Key("ConfigMap", "n", "c")


@pytest.fixture
def cluster() -> FakeCluster:
    return FakeCluster()


def owned_by(obj: Object, *owners: Object) -> Object:
    references = [
        {
            "apiVersion": owner["apiVersion"],
            "kind": owner["kind"],
            "name": owner["metadata"]["name"],
            "uid": owner["metadata"]["uid"],
        }
        for owner in owners
    ]
    return {**obj, "metadata": {**obj["metadata"], "ownerReferences": references}}


def types(cluster: FakeCluster, key: Key) -> list[str]:
    return [event.type for event in cluster.log.events if key_of(event.obj) == key]


def test_dependents_go_with_their_last_owner(cluster: FakeCluster) -> None:
    first, second = cluster.put(pool("n")), cluster.put(pool("n", "q"))
    cluster.put(owned_by(config_map("n"), first, second))
    cluster.delete(POOL)
    left = cluster.get(MAP)["metadata"]["ownerReferences"]
    assert [reference["uid"] for reference in left] == [second["metadata"]["uid"]]
    cluster.delete(POOL._replace(name="q"))
    assert cluster.find(MAP) is None
    assert types(cluster, MAP) == ["ADDED", "MODIFIED", "DELETED"]


def test_orphans_stay_without_their_reference(cluster: FakeCluster) -> None:
    owner = cluster.put(pool("n"))
    cluster.put(owned_by(config_map("n"), owner))
    cluster.put(config_map("n", "bystander"))
    cluster.delete(POOL, {"propagationPolicy": "Orphan"})
    assert "ownerReferences" not in cluster.get(MAP)["metadata"]


def test_a_namespace_ends_when_its_last_object_does(cluster: FakeCluster) -> None:
    held = cluster.put(pool("n", finalizers=["agentmemory.dev/cleanup"]))
    cluster.put(config_map("n"))
    namespace = Key("Namespace", "", "n")
    cluster.delete(namespace)
    assert cluster.find(MAP) is None
    assert cluster.get(namespace)["status"]["phase"] == "Terminating"
    assert cluster.get(key_of(held))["metadata"]["deletionTimestamp"]
    cluster.patch(POOL, {"metadata": {"finalizers": None}})
    assert cluster.find(namespace) is None
    cluster.put(config_map("n"))
    assert cluster.find(namespace) is not None


def test_an_empty_namespace_goes_at_once(cluster: FakeCluster) -> None:
    cluster.namespace("n")
    cluster.delete(Key("Namespace", "", "n"))
    assert cluster.list("Namespace") == []


def test_a_second_delete_of_a_held_object_changes_nothing(cluster: FakeCluster) -> None:
    cluster.put(pool("n", finalizers=["agentmemory.dev/cleanup"]))
    first = cluster.delete(POOL)
    assert cluster.delete(POOL) == first


def test_generated_names_differ(cluster: FakeCluster) -> None:
    cluster.namespace("n")
    made = [
        cluster.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "x-", "namespace": "n"}})
        for _ in range(3)
    ]
    assert len({key_of(one).name for one in made}) == 3


@pytest.mark.parametrize(
    ("metadata", "code"), [({"name": "c"}, 400), ({"name": "c", "namespace": "n", "resourceVersion": "1"}, 500)]
)
def test_creates_that_make_no_sense(cluster: FakeCluster, metadata: Object, code: int) -> None:
    cluster.namespace("n")
    with pytest.raises(ApiError) as raised:
        cluster.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata})
    assert raised.value.code == code


def test_secrets_are_written_as_text_and_read_as_base64(cluster: FakeCluster) -> None:
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": "n"}}
    made = cluster.put({**secret, "stringData": {"a": "1"}, "data": {"b": "Mg=="}})
    assert made["data"] == {"a": "MQ==", "b": "Mg=="}
    assert "stringData" not in made


def test_apply_keeps_what_it_never_owned(cluster: FakeCluster) -> None:
    cluster.namespace("n")
    cluster.apply({**config_map("n"), "data": {"a": "1", "b": "2"}, "immutable": False}, "m")
    cluster.patch(MAP, {"metadata": {"labels": {"theirs": "1"}}, "data": {"theirs": "1"}})
    applied = cluster.apply({**config_map("n"), "data": {"b": "3"}}, "m")
    assert applied["data"] == {"b": "3", "theirs": "1"}
    assert "immutable" not in applied
    assert applied["metadata"]["labels"] == {"theirs": "1"}
    # Another manager does not take away what the first one owns.
    assert cluster.apply(config_map("n", c="4"), "other")["data"] == {"b": "3", "theirs": "1", "c": "4"}


def test_readers_get_copies(cluster: FakeCluster) -> None:
    cluster.put(config_map("n", a="1"))
    cluster.get(MAP)["data"]["a"] = "changed"
    cluster.list("ConfigMap")[0]["data"]["a"] = "changed"
    assert cluster.get(MAP)["data"] == {"a": "1"}


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ("", True),
        ("a=1", True),
        ("a==1", True),
        ("a=2", False),
        ("a!=2", True),
        ("a!=1", False),
        ("a", True),
        ("b", False),
        ("!b", True),
        ("a=1,b", False),
    ],
)
def test_label_selectors(selector: str, expected: bool) -> None:
    assert matcher(selector)(config_map("n", labels={"a": "1"})) is expected


def test_field_selectors() -> None:
    assert matcher(None, "metadata.name=c,metadata.namespace=n")(config_map("n"))
    assert not matcher(None, "metadata.name=d")(config_map("n"))


@pytest.fixture
async def http(fake: FakeKube) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(fake.url) as session:
        yield session


@pytest.fixture
async def fake() -> AsyncIterator[FakeKube]:
    async with FakeKube() as served:
        yield served


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/", 404),
        ("/version", 200),
        ("/api", 200),
        ("/apis", 200),
        ("/api/v1", 200),
        ("/apis/agentmemory.dev/v1alpha1", 200),
        ("/apis/no.such.group/v1", 404),
        ("/apis/agentmemory.dev/v1alpha1/unknownkinds", 404),
        ("/api/v1/namespaces/n/configmaps/c/status", 404),
        ("/api/v1/namespaces/n/configmaps/c/status/more", 404),
        ("/api/v1/namespaces/n/configmaps/none", 404),
        ("/api/v1/namespaces/n", 200),
    ],
)
async def test_paths(fake: FakeKube, http: aiohttp.ClientSession, path: str, code: int) -> None:
    fake.cluster.namespace("n")
    async with http.get(path) as answer:
        assert answer.status == code


async def test_scale_can_be_read(fake: FakeKube, http: aiohttp.ClientSession) -> None:
    fake.cluster.put(pool("n"))
    async with http.get("/apis/agentmemory.dev/v1alpha1/namespaces/n/brokerpools/p/scale") as answer:
        scale = await answer.json()
    assert scale["spec"] == {"replicas": 3}
    path = "/apis/agentmemory.dev/v1alpha1/namespaces/n/brokerpools/p/scale"
    async with http.put(path, json={"metadata": {"name": "p"}, "spec": {"replicas": 4}}) as answer:
        assert (await answer.json())["spec"] == {"replicas": 4}


@pytest.mark.parametrize(
    ("method", "path", "body", "code"),
    [
        ("POST", "/api/v1/namespaces/n/configmaps", None, 400),
        ("PUT", "/api/v1/namespaces/n/configmaps/c", {"metadata": {"name": "other"}}, 400),
        ("POST", "/api/v1/namespaces/n/configmaps", {"metadata": {"name": "d", "namespace": "m"}}, 400),
    ],
)
async def test_bodies_must_fit_their_path(
    fake: FakeKube, http: aiohttp.ClientSession, method: str, path: str, body: Object | None, code: int
) -> None:
    fake.cluster.put(config_map("n"))
    async with http.request(method, path, json=body) if body else http.request(method, path) as answer:
        assert answer.status == code


async def test_every_request_is_recorded(fake: FakeKube, http: aiohttp.ClientSession) -> None:
    fake.cluster.namespace("n")
    async with http.post("/api/v1/namespaces/n/configmaps", json=config_map("n")) as made:
        assert made.status == 201
    async with http.get("/api/v1/namespaces/n/configmaps/c") as found:
        assert found.status == 200
    write, read = fake.requests
    assert (str(write), write.code, write.body) == ("create ConfigMap n/", 201, config_map("n"))
    assert (read.key, read.code) == (MAP, 200)
    assert fake.requests.writes() == [write]
    assert fake.requests.of("get", "ConfigMap") == [read]


async def test_a_lost_answer_leaves_its_effect(fake: FakeKube, http: aiohttp.ClientSession) -> None:
    fake.cluster.namespace("n")

    def lose(_: Request) -> None:
        raise Drop

    fake.faults.after.append(lose)
    with pytest.raises(aiohttp.ClientError):
        await http.post("/api/v1/namespaces/n/configmaps", json=config_map("n"))
    assert fake.cluster.find(MAP) is not None
    fake.faults.clear()
    fake.faults.after.append(lambda _: 504)
    async with http.delete("/api/v1/namespaces/n/configmaps/c") as answer:
        assert answer.status == 504
    assert fake.cluster.find(MAP) is None


async def test_a_delay_before_the_effect(fake: FakeKube, http: aiohttp.ClientSession) -> None:
    fake.cluster.namespace("n")
    arrived, gate = asyncio.Event(), asyncio.Event()

    async def hold(_: Request) -> None:
        arrived.set()
        await gate.wait()

    fake.faults.before.append(hold)
    post = asyncio.ensure_future(http.post("/api/v1/namespaces/n/configmaps", json=config_map("n")))
    await arrived.wait()
    assert fake.cluster.find(MAP) is None
    gate.set()
    assert (await post).status == 201


async def test_events_may_be_dropped_and_doubled(fake: FakeKube, http: aiohttp.ClientSession) -> None:
    fake.cluster.namespace("n")

    def confuse(type_: str, obj: Object) -> list[tuple[str, Object]]:
        return [] if type_ == "ADDED" else [(type_, obj)] * 2

    fake.faults.events.append(confuse)
    version = fake.cluster.log.version
    fake.cluster.put(config_map("n"))
    fake.cluster.delete(MAP)
    query = {"watch": "true", "resourceVersion": str(version), "timeoutSeconds": "0.2"}
    async with http.get("/api/v1/configmaps", params=query) as answer:
        lines = (await answer.text()).splitlines()
    assert ["DELETED" in line for line in lines] == [True, True]
