"""The fake in a process of its own: it starts and ends, counts, forgets, keeps quiet watches informed."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agentmemory.core.key import Key
from agentmemory.kube.client import KubeClient
from agentmemory.kube.config import from_file
from tests.conformance.api import Api, Server, pool
from tests.kube.objects import config_map

from .client import configuration_for
from .process import ROOT, FakeKubeProcess

Object = dict[str, Any]


@pytest.fixture
def process() -> Iterator[FakeKubeProcess]:
    with FakeKubeProcess(bookmark_seconds=0.2, events=10) as started:
        yield started


@pytest.fixture
def api(process: FakeKubeProcess) -> Iterator[Api]:
    api = Api(Server(process.url, None, process.compact), "default")
    yield api
    api.close()


def gone(pid: int, seconds: float = 20) -> bool:
    """Whether the process ends within the time (a child that nobody waited for counts as gone)."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return True
        if state == "Z":
            return True
        time.sleep(0.02)
    return False


async def test_the_client_works_with_it(process: FakeKubeProcess, tmp_path: Path) -> None:
    configuration = await from_file(process.kubeconfig(tmp_path / "kubeconfig"))
    async with KubeClient(configuration, manager="test") as kube:
        await kube.create(config_map("default"))
        assert await kube.get(Key("ConfigMap", "default", "c")) is not None


async def test_requests_are_counted(process: FakeKubeProcess) -> None:
    async with (
        KubeClient(configuration_for(process.url), manager="one") as one,
        KubeClient(configuration_for(process.url), manager="two") as two,
    ):
        made = await one.create(pool_of())
        await one.merge_patch(Key("BrokerPool", "default", "p"), {"status": {"replicas": 1}}, subresource="status")
        await one.list("BrokerPool")
        await two.apply({**config_map("default", a="1")})
        await two.get(Key("BrokerPool", "default", "p"))
    assert made["metadata"]["uid"]
    counts = process.counts()
    assert counts.of("create", "BrokerPool") == 1
    assert counts.of("patch", "BrokerPool", "status") == counts.of("patch", "BrokerPool") == 1
    assert (counts.of(user_agent="one"), counts.of(user_agent="two"), counts.of()) == (3, 2, 5)
    assert (counts.writes("one"), counts.writes("two"), counts.of("patch", "ConfigMap")) == (2, 1, 1)
    assert process.state()["objects"] == 4, "two namespaces, and what was made"
    process.reset()
    assert process.counts().of() == 0


def pool_of() -> Object:
    made = pool()
    return {**made, "metadata": {**made["metadata"], "namespace": "default"}}


def test_it_ends_when_told(process: FakeKubeProcess) -> None:
    pid, url = process.pid, process.url
    process.stop()
    assert gone(pid)
    process.stop()
    with pytest.raises(RuntimeError, match="does not run"):
        _ = process.pid
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(f"{url}/version", timeout=5)


def test_it_comes_back_on_its_port(process: FakeKubeProcess) -> None:
    port = int(process.url.rpartition(":")[2])
    process.stop()
    with FakeKubeProcess(port) as again:
        assert again.url == process.url


def test_a_taken_port_is_told(process: FakeKubeProcess) -> None:
    with pytest.raises(RuntimeError, match="before it listened"):
        FakeKubeProcess(int(process.url.rpartition(":")[2])).start()


def test_it_dies_with_its_parent() -> None:
    program = (
        "import sys\n"
        "from tests.fakekube.process import FakeKubeProcess\n"
        "print(FakeKubeProcess().start().pid, flush=True)\n"
        "sys.stdin.read()\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "operator")])}
    parent = subprocess.Popen(
        [sys.executable, "-c", program], cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert parent.stdin is not None
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    assert not gone(pid, 0.1)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.stdin.close()
    parent.stdout.close()
    assert gone(pid)


def test_an_idle_watch_gets_bookmarks(api: Api) -> None:
    start = api.create(pool()).version
    query = {"resourceVersion": str(start), "allowWatchBookmarks": "true"}
    with api.watch("BrokerPool", **query) as events:
        type_, told = events.next()
        assert type_ == "BOOKMARK"
        assert int(told["metadata"]["resourceVersion"]) == start
        other = api.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}}).version
        versions = (int(obj["metadata"]["resourceVersion"]) for _, obj in events)
        assert next(version for version in versions if version > start) == other


def test_events_are_kept_within_bounds(api: Api) -> None:
    start = api.create(pool()).version
    for at in range(20):
        api.patch("BrokerPool", "p", {"spec": {"replicas": at}})
    with api.watch("BrokerPool", resourceVersion=str(start)) as events:
        type_, told = events.next()
        assert (type_, told["code"]) == ("ERROR", 410)
        assert list(events) == []
    latest = api.get("BrokerPool", "p").version
    with api.watch("BrokerPool", resourceVersion=str(latest - 1)) as events:
        assert events.take(1) == [("MODIFIED", "p")]


def test_a_watch_is_told_when_it_missed_something(api: Api) -> None:
    """One that reads too slowly, and one that stands where events were forgotten."""
    start = api.create(pool()).version
    api.patch("BrokerPool", "p", {"spec": {"replicas": 5}})
    with api.watch("BrokerPool", resourceVersion=str(start)) as events:
        assert events.take(1) == [("MODIFIED", "p")]
        api.server.compact()
        latest = api.create(pool("q")).version
        assert events.take(1) == [("ADDED", "q")], "what it had seen was forgotten, which is no loss to it"
    with api.watch("BrokerPool", resourceVersion=str(start)) as events:
        assert events.next()[1]["code"] == 410
    with api.watch("BrokerPool", resourceVersion=str(latest - 1)) as events:
        assert events.take(1) == [("ADDED", "q")]


def test_without_schemas_everything_is_taken() -> None:
    with FakeKubeProcess(schemas=False) as process:
        api = Api(Server(process.url, None, process.compact), "default")
        made = api.create({**pool(), "spec": {"replicas": "many"}}).body
        assert made["spec"] == {"replicas": "many"}
        assert made["status"] == {"observedGeneration": -1}
        api.close()


def test_a_large_body_is_refused(api: Api) -> None:
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"a": "x" * (4 * 2**20)}}
    answer = api.create(body, expect=413)
    assert json.loads(answer.text)["reason"] == "RequestEntityTooLarge"
