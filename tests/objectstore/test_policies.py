"""What bucket policies do on a server that enforces them, and that ours never lock their writer out."""

import json
from typing import Any

import pytest

from agentmemory.core.errors import Denied
from agentmemory.objectstore import keepin
from agentmemory.objectstore.caller import Caller
from agentmemory.objectstore.errors import Unsupported
from agentmemory.objectstore.model import Location
from agentmemory.objectstore.pool import StorePool
from tests.objectstore.answering import KEYS
from tests.objectstore.conftest import Place
from tests.objectstore.servers import REGION, Server, VersityGw

NOBODY = "192.0.2.1/32"


def deny(bucket: str, key: str, condition: dict[str, Any] | None = None) -> dict[str, Any]:
    made = {
        "Sid": f"Deny{key.title()}",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:GetObject",
        "Resource": f"arn:aws:s3:::{bucket}/{key}",
    }
    return made | ({"Condition": condition} if condition else {})


def policy(*statements: dict[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def both_ways(bucket: str) -> dict[str, Any]:
    """Conditions that hold for nobody, and for everybody without TLS."""
    return policy(
        deny(bucket, "never", {"IpAddress": {"aws:SourceIp": [NOBODY]}}),
        deny(bucket, "always", {"NotIpAddress": {"aws:SourceIp": [NOBODY]}}),
        deny(bucket, "plain", {"Bool": {"aws:SecureTransport": "false"}}),
        deny(bucket, "secure", {"Bool": {"aws:SecureTransport": "true"}}),
    )


@pytest.fixture
def owner(versitygw: VersityGw, pool: StorePool) -> Any:
    return pool.get(versitygw.location(versitygw.user("owner")))


async def test_versitygw_evaluates_conditions(owner: Any) -> None:
    await owner.create("policy-conditions", REGION)
    await owner.put_policy("policy-conditions", both_ways("policy-conditions"))
    looks = {key: await owner.look("policy-conditions", key) for key in ("never", "always", "plain", "secure", "free")}
    assert looks == {"never": "Absent", "always": "Denied", "plain": "Denied", "secure": "Absent", "free": "Absent"}


async def test_versitygw_refuses_unknown_condition_keys(owner: Any) -> None:
    await owner.create("policy-unknown", REGION)
    condition = {"StringNotEquals": {"aws:SourceVpce": ["vpce-1"]}}
    with pytest.raises(Unsupported) as raised:
        await owner.put_policy("policy-unknown", policy(deny("policy-unknown", "x", condition)))
    assert raised.value.reason == "PolicyRefused"
    view = await owner.describe("policy-unknown")
    assert view is not None
    assert view.policy is None


async def test_versitygws_root_bypasses_policies(versitygw: VersityGw, pool: StorePool) -> None:
    root = pool.get(versitygw.location())
    await root.create("policy-root", REGION)
    await root.put_policy("policy-root", both_ways("policy-root"))
    assert await root.look("policy-root", "always") == "Absent"


async def test_moto_ignores_conditions(moto: Server, pool: StorePool) -> None:
    store = pool.get(moto.location())
    await store.create("policy-moto", REGION)
    await store.put_policy("policy-moto", both_ways("policy-moto"))
    assert await store.look("policy-moto", "never") == "Denied"
    await store.delete_policy("policy-moto")


async def test_a_policy_that_only_denies_leaves_its_writer_in(place: Place) -> None:
    await place.store.create(place.bucket, REGION)
    written = policy(deny(place.bucket, "x"))
    await place.store.put_policy(place.bucket, written)
    view = await place.store.describe(place.bucket)
    assert view is not None
    assert view.policy == written
    await place.store.put_tags(place.bucket, {"still": "in"})
    await place.store.delete_policy(place.bucket)


async def test_without_the_writers_statement_the_owner_would_be_locked_out(versitygw: VersityGw, owner: Any) -> None:
    """Why `keepin` is there: this is what the server does to a policy as it is."""

    await owner.create("policy-locks", REGION)
    client = versitygw.client(versitygw.user("owner"))
    client.put_bucket_policy(Bucket="policy-locks", Policy=json.dumps(policy(deny("policy-locks", "x"))))
    with pytest.raises(Denied):
        await owner.delete_policy("policy-locks")
    versitygw.client().delete_bucket_policy(Bucket="policy-locks")


async def test_the_writers_statement_lets_in_nobody_else(versitygw: VersityGw, owner: Any, pool: StorePool) -> None:
    await owner.create("policy-others", REGION)
    await owner.put_policy("policy-others", policy(deny("policy-others", "x")))
    other = pool.get(versitygw.location(versitygw.user("other")))
    assert await other.look("policy-others", "free") == "Denied"
    with pytest.raises(Denied):
        await other.delete_policy("policy-others")


OWN = {"Sid": keepin.SID, "Effect": "Allow"}
OTHER = {"Sid": "Other", "Effect": "Deny"}


@pytest.mark.parametrize(
    ("read", "shown"),
    [
        (None, None),
        (policy(OTHER), policy(OTHER)),
        (policy(OTHER, OWN), policy(OTHER)),
        (policy(OWN), None),
        ({"Version": "1", "Statement": OTHER}, {"Version": "1", "Statement": OTHER}),
        ({"Version": "1", "Statement": OWN}, None),
        (policy(), policy()),
    ],
)
def test_the_writers_statement_is_hidden(read: Any, shown: Any) -> None:
    assert keepin.hidden(read) == shown


def test_aws_itself_is_not_asked_for_the_writers_statement() -> None:
    asked: list[dict[str, Any]] = []

    class Recording(Caller):
        def call(self, name: str, bucket: str, **params: Any) -> dict[str, Any]:
            asked.append(params)
            return {}

    keepin.put(Recording(Location(None, REGION, credentials=KEYS), lambda: None), "b", policy(OTHER))
    keepin.put(Recording(Location("https://s3.example.com", REGION), lambda: None), "b", policy(OTHER))
    assert [keepin.SID in params["Policy"] for params in asked] == [False, False]
