"""With which credentials Kafka is asked, and that the cluster's authority is never among them."""

import base64
import json
from collections.abc import Mapping
from typing import Any

import pytest

from agentmemory.api.base import parse
from agentmemory.api.memorycluster import MemoryCluster
from agentmemory.cli.drill.kafkaside import Way, admin_ways, credentials_in, open_side
from agentmemory.core.errors import Invalid
from agentmemory.engines.handover import SECRET
from agentmemory.kafka.credentials import Credentials
from tests.cli.drill.builders import NAMESPACE, cluster
from tests.fakekube.fixture import World

CLUSTER = parse(MemoryCluster, cluster())
OPERATOR = "agent-memory-system"


def secret(name: str, values: Mapping[str, str], namespace: str = NAMESPACE) -> dict[str, Any]:
    data = {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": namespace}, "data": data}


HANDED = {"memory-system.main.json": json.dumps({"bootstrap": "h:1", "ca": "CA", "cert": "C", "key": "K"})}


@pytest.mark.parametrize(
    ("values", "bootstrap", "user"),
    [
        ({"tls.crt": "C", "tls.key": "K", "ca.crt": "CA"}, "main-bootstrap.memory-system.svc:9091", None),
        ({"username": "u", "password": "p"}, "main-bootstrap.memory-system.svc:9092", "u"),
        ({"username": "u", "password": "p", "bootstrap.servers": "b:1", "sasl.mechanism": "SCRAM-SHA-256"}, "b:1", "u"),
        (HANDED, "h:1", None),
    ],
)
def test_credentials(values: dict[str, str], bootstrap: str, user: str | None) -> None:
    found = credentials_in(secret("s", values), CLUSTER)
    assert (found.bootstrap, found.username) == (bootstrap, user)


def test_a_secret_with_neither_is_refused() -> None:
    broken = secret("s", {"ca.key": "never used"})
    broken["data"]["binary"] = base64.b64encode(b"\xff").decode()
    with pytest.raises(Invalid, match="memory-system/s has neither"):
        credentials_in(broken, CLUSTER)


async def test_the_named_secret_goes_first(world: World) -> None:
    world.put(secret("mine", {"tls.crt": "C", "tls.key": "K"}, "other"), secret(SECRET, HANDED, OPERATOR))
    (way,) = await admin_ways(world.ctx.kube, CLUSTER, "other/mine", OPERATOR)
    assert (way.who, way.whole) == ("Secret other/mine", True)
    with pytest.raises(Invalid, match="no Secret/memory-system/none"):
        await admin_ways(world.ctx.kube, CLUSTER, "none", OPERATOR)


async def test_the_operators_tenant_role_is_the_usual_way(world: World) -> None:
    assert await admin_ways(world.ctx.kube, CLUSTER, None, OPERATOR) == []
    world.put(secret(SECRET, HANDED, OPERATOR))
    assert await admin_ways(world.ctx.kube, CLUSTER, None, "elsewhere") == []
    (way,) = await admin_ways(world.ctx.kube, CLUSTER, None, None)
    assert way.who == "the operator's tenant role"
    world.fake.requests.clear()
    world.fake.faults.before.append(lambda request: 403)
    assert await admin_ways(world.ctx.kube, CLUSTER, None, OPERATOR) == []


async def test_no_secret_with_the_authority_is_read(world: World) -> None:
    world.put(secret(SECRET, HANDED, OPERATOR), secret("main-ca", {"ca.key": "K"}))
    await admin_ways(world.ctx.kube, CLUSTER, None, OPERATOR)
    assert not [request for request in world.fake.requests if "main-ca" in str(request)]


async def test_why_nothing_works_is_told() -> None:
    assert "give --admin-secret" in (await open_side([]))[1]
    closed = Credentials("127.0.0.1:1", None, username="u", password="p")
    side, why = await open_side([Way("somebody", closed, whole=True)], limit=2.0)
    assert side is None
    assert why.startswith("as somebody: ")
