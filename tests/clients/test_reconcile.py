"""The client's story against a fake API server and Kafka's admin in memory."""

import base64
import itertools
from collections.abc import Callable
from typing import Any

import pytest

from agentmemory.api.labels import FINALIZER
from agentmemory.clients.credentials import Credentials
from agentmemory.clients.model import PASSWORD_LENGTH, iterations_of
from agentmemory.clients.reconcile import ClientReconciler
from agentmemory.context import Context
from agentmemory.core.errors import Denied, Invalid
from agentmemory.core.key import Key
from agentmemory.kafka.model import Acl
from tests import teams
from tests.fakekafka import FakeKafka, FakePool, timed_out
from tests.fakekube.fixture import World
from tests.teams import CLIENT_KEY, CLUSTER_KEY, FAMILY_KEY, PREFIX, TEAM, TENANT_KEY, client, family

USER = "support.agents.bot"
SECRET = Key("Secret", TEAM, "bot-kafka")


def set_up(world: World, *factories: Callable[[Context], Any]) -> FakeKafka:
    kafka = FakeKafka()
    world.kafka(FakePool(kafka))
    world.use(*(factories or (ClientReconciler,)))
    world.put(teams.handover(), teams.cluster(), teams.tenant())
    world.cluster.set_status(CLUSTER_KEY, teams.running())
    world.cluster.set_status(TENANT_KEY, teams.ACCEPTED)
    world.put(family())
    return kafka


@pytest.fixture
def kafka(world: World) -> FakeKafka:
    """A platform that runs, the family `trail`, and no client yet."""
    return set_up(world)


@pytest.fixture
async def served(world: World, kafka: FakeKafka) -> FakeKafka:
    """A client `bot` that has its access."""
    world.put(client())
    await world.run_until_quiet()
    assert is_ready(world)
    return kafka


async def settle(world: World, kafka: FakeKafka, within: float = 0.0) -> None:
    await world.run_until_quiet(within)
    world.fake.requests.clear()
    kafka.calls.clear()
    await world.resync()
    assert world.fake.requests.writes() == []
    assert kafka.writes() == []
    assert [request.kind for request in world.fake.requests] == ["Secret"], "its own Secret is all that it reads"


def reason(world: World) -> str:
    return str(world.condition(CLIENT_KEY).get("reason"))


def message(world: World) -> str:
    return str(world.condition(CLIENT_KEY).get("message"))


def is_ready(world: World) -> bool:
    return bool(world.condition(CLIENT_KEY).get("status") == "True")


def content(world: World, key: Key = SECRET) -> dict[str, str]:
    return {name: base64.b64decode(value).decode() for name, value in world.get(key)["data"].items()}


def gets_in(world: World, kafka: FakeKafka, key: Key = SECRET) -> bool:
    held = content(world, key)
    return kafka.authenticates(held["username"], held["sasl.mechanism"], held["password"])  # type: ignore[arg-type]


def topics_allowed(kafka: FakeKafka, operation: str, *families: str) -> list[str]:
    return [name for name in families if kafka.allows(USER, operation, "TOPIC", f"support.agents.{name}.events")]


async def test_a_new_client_can_work(world: World, kafka: FakeKafka) -> None:
    world.put(client())
    await world.run_until_quiet()
    assert is_ready(world)
    assert gets_in(world, kafka)
    assert kafka.allows(USER, "WRITE", "TOPIC", PREFIX + "events")
    assert kafka.allows(USER, "READ", "GROUP", f"{USER}.any")
    assert not kafka.allows(USER, "READ", "TOPIC", "support.agents.trail-2.events")
    held = content(world)
    assert held["ca.crt"] == "CA"
    assert len(held["password"]) == PASSWORD_LENGTH
    obj = world.get(CLIENT_KEY)
    assert obj["metadata"]["finalizers"] == [FINALIZER]
    assert (obj["status"]["principal"], obj["status"]["secretName"]) == (USER, SECRET.name)
    assert obj["status"]["groupPrefix"] == held["group.prefix"] == f"{USER}."
    assert len(world.fake.requests.writes()) == 3, "finalizer, Secret, status"
    await settle(world, kafka)


async def test_access_follows_the_declaration(world: World, served: FakeKafka) -> None:
    world.put(family("facts"))
    world.edit(CLIENT_KEY, {"spec": {"access": [{"family": "facts", "operations": ["Consume"]}]}})
    await world.run_until_quiet()
    assert topics_allowed(served, "READ", "trail", "facts") == ["facts"]
    assert topics_allowed(served, "WRITE", "trail", "facts") == []
    await settle(world, served)


async def test_rules_that_were_changed_by_hand_are_put_right(world: World, served: FakeKafka) -> None:
    right = set(served.acls)
    somebody = Acl("User:support.agents.other", "TOPIC", "x", "LITERAL", "READ")
    served.acls = {*list(right)[1:], somebody, Acl(f"User:{USER}", "CLUSTER", "kafka-cluster", "LITERAL", "ALTER")}
    await world.resync()
    assert served.acls == right | {somebody}


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-512", "SCRAM-SHA-256"])
async def test_a_password_set_by_hand_is_put_right(world: World, served: FakeKafka, mechanism: Any) -> None:
    served.scram[USER][mechanism] = ("mine", 4096)
    await world.resync()
    assert gets_in(world, served)
    assert list(served.scram[USER]) == ["SCRAM-SHA-512"]


async def test_a_deleted_user_is_made_again_with_its_password(world: World, served: FakeKafka) -> None:
    before = content(world)["password"]
    served.scram.clear()
    await world.resync()
    assert content(world)["password"] == before
    assert gets_in(world, served)


async def test_a_deleted_secret_gets_a_new_password(world: World, served: FakeKafka) -> None:
    before = content(world)["password"]
    world.delete(SECRET)
    await world.resync()
    assert content(world)["password"] != before
    assert gets_in(world, served)
    await settle(world, served)


@pytest.mark.parametrize(
    "data", [{"password": "c2hvcnQ="}, {"password": None}, {"username": "eA=="}, {"extra": "eA=="}, {"ca.crt": None}]
)
async def test_a_changed_secret_is_put_right(world: World, served: FakeKafka, data: dict[str, Any]) -> None:
    world.edit(SECRET, {"data": data, "metadata": {"annotations": {"note": "mine"}}})
    await world.resync()
    held = content(world)
    assert (len(held["password"]), held["username"], held["ca.crt"]) == (PASSWORD_LENGTH, USER, "CA")
    assert "extra" not in held
    assert world.get(SECRET)["metadata"]["annotations"] == {"note": "mine"}
    assert gets_in(world, served)
    await settle(world, served)


async def test_a_new_password_is_never_mistaken_for_the_old_one(world: World) -> None:
    """Two passwords with one iteration count: the second is passed over while Kafka has the first."""
    passwords = (f"{number:0{PASSWORD_LENGTH}d}" for number in itertools.count())
    by_count: dict[int, str] = {}
    first = twin = ""
    for password in passwords:
        first = by_count.setdefault(iterations_of(password), password)
        if first != password:
            twin = password
            break
    third = "z" * PASSWORD_LENGTH
    drawn = iter([first, twin, third])
    kafka = set_up(world, lambda ctx: ClientReconciler(ctx, None, Credentials(ctx.kube, lambda: next(drawn))))
    world.put(client())
    await world.run_until_quiet()
    assert content(world)["password"] == first
    world.delete(SECRET)
    await world.resync()
    assert content(world)["password"] == third
    assert gets_in(world, kafka)


async def test_a_secret_of_somebody_else_is_not_touched(world: World, kafka: FakeKafka) -> None:
    world.put({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": SECRET.name, "namespace": TEAM}, "data": {}})
    before = world.get(SECRET)
    world.put(client())
    await world.run_until_quiet()
    assert reason(world) == "NotOurs"
    assert "set spec.secretName" in message(world)
    assert world.condition(CLIENT_KEY, "Stalled")["status"] == "True"
    assert world.get(SECRET) == before
    assert kafka.writes() == []
    world.edit(CLIENT_KEY, {"spec": {"secretName": "mine"}})
    await world.run_until_quiet()
    assert is_ready(world)
    assert world.get(SECRET) == before


async def test_a_secret_of_an_earlier_client_is_waited_for(world: World, kafka: FakeKafka) -> None:
    old = {"apiVersion": "agentmemory.dev/v1alpha1", "kind": "MemoryClient", "name": "bot", "uid": "old"}
    metadata = {"name": SECRET.name, "namespace": TEAM, "ownerReferences": [old]}
    world.put({"apiVersion": "v1", "kind": "Secret", "metadata": metadata})
    world.put(client())
    await world.run_until_quiet()
    assert not is_ready(world)
    world.delete(SECRET)
    await world.run_until_quiet(within=5)
    assert is_ready(world)


async def test_a_secret_that_is_being_deleted_is_waited_for(world: World, served: FakeKafka) -> None:
    world.edit(SECRET, {"metadata": {"finalizers": ["x/y"]}})
    world.delete(SECRET)
    await world.resync()
    world.edit(SECRET, {"metadata": {"finalizers": None}})
    await world.run_until_quiet(within=5)
    assert gets_in(world, served)


async def test_a_secret_that_comes_at_that_moment(world: World, kafka: FakeKafka) -> None:
    def comes(request: Any) -> int | None:
        if request.verb == "create" and request.kind == "Secret" and world.find(SECRET) is None:
            world.put({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": SECRET.name, "namespace": TEAM}})
        return None

    world.fake.faults.before.append(comes)
    world.put(client())
    await world.run_until_quiet(within=5)
    assert reason(world) == "NotOurs"


async def test_the_secret_moves_with_its_name(world: World, served: FakeKafka) -> None:
    before = content(world)["password"]
    world.edit(CLIENT_KEY, {"spec": {"secretName": "creds"}})
    await world.run_until_quiet()
    assert world.find(SECRET) is None
    moved = SECRET._replace(name="creds")
    assert content(world, moved)["password"] == before
    assert gets_in(world, served, moved)
    assert world.get(CLIENT_KEY)["status"]["secretName"] == "creds"
    await settle(world, served)


async def test_a_former_secret_of_somebody_else_stays(world: World, served: FakeKafka) -> None:
    world.edit(SECRET, {"metadata": {"ownerReferences": None}})
    world.edit(CLIENT_KEY, {"spec": {"secretName": "creds"}})
    await world.run_until_quiet()
    assert is_ready(world)
    assert world.find(SECRET) is not None


async def test_another_mechanism(world: World, served: FakeKafka) -> None:
    world.edit(CLIENT_KEY, {"spec": {"authentication": {"type": "ScramSha256"}}})
    await world.run_until_quiet()
    assert content(world)["sasl.mechanism"] == "SCRAM-SHA-256"
    assert gets_in(world, served)
    assert list(served.scram[USER]) == ["SCRAM-SHA-256"]
    await settle(world, served)


async def test_rights_that_come_a_moment_later(world: World, kafka: FakeKafka) -> None:
    def forbidden(request: Any) -> int | None:
        return 403 if request.kind == "Secret" and request.namespace == TEAM else None

    world.fake.faults.before.append(forbidden)
    world.put(client())
    await world.run_until_quiet()
    assert reason(world) == "RightsPending"
    assert "agent-memory-tenant-operator" in message(world)
    assert world.condition(CLIENT_KEY, "Reconciling")["status"] == "True"
    world.fake.faults.clear()
    await world.run_until_quiet(within=3)
    assert is_ready(world)


async def test_a_family_that_comes_later(world: World, kafka: FakeKafka) -> None:
    world.delete(FAMILY_KEY)
    world.put(client())
    await world.run_until_quiet()
    assert reason(world) == "FamilyNotFound"
    assert "trail" in message(world)
    assert gets_in(world, kafka), "the user is there; what it may do is not"
    assert topics_allowed(kafka, "READ", "trail") == []
    await settle(world, kafka)
    world.put(family())
    await world.run_until_quiet()
    assert is_ready(world)
    assert topics_allowed(kafka, "READ", "trail") == ["trail"]


@pytest.mark.parametrize("held_up", [False, True])
async def test_a_family_that_goes_takes_access_along(world: World, served: FakeKafka, held_up: bool) -> None:
    if held_up:
        world.edit(FAMILY_KEY, {"metadata": {"finalizers": [FINALIZER]}})
    world.delete(FAMILY_KEY)
    await world.run_until_quiet()
    assert topics_allowed(served, "READ", "trail") == []
    assert topics_allowed(served, "WRITE", "trail") == []
    assert reason(world) == "FamilyNotFound"


async def test_a_familys_status_wakes_no_client(world: World, served: FakeKafka) -> None:
    world.cluster.set_status(FAMILY_KEY, {"observedGeneration": 1})
    world.edit(FAMILY_KEY, {"spec": {"retention": {"time": "1h"}}})
    assert await world.run_until_quiet() == 0
    world.put(family("unnamed"))
    assert await world.run_until_quiet() == 0


async def test_priorities_that_are_mixed(world: World, served: FakeKafka) -> None:
    world.put(family("urgent", priority="critical"))
    entries = [{"family": name, "operations": ["Produce"]} for name in ("trail", "urgent")]
    world.edit(CLIENT_KEY, {"spec": {"access": entries}})
    await world.run_until_quiet()
    assert reason(world) == "MixedPriorities"
    assert world.condition(CLIENT_KEY, "Accepted")["status"] == "False"
    assert topics_allowed(served, "WRITE", "trail", "urgent") == ["trail"], "nothing is gained"
    assert topics_allowed(served, "READ", "trail", "urgent") == [], "what was taken off the list is lost"
    world.delete(FAMILY_KEY)
    await world.run_until_quiet()
    assert topics_allowed(served, "WRITE", "trail", "urgent") == ["urgent"]
    assert reason(world) == "FamilyNotFound"


async def test_a_refused_client_without_access_asks_nothing_of_kafka(world: World, kafka: FakeKafka) -> None:
    world.put(family("urgent", priority="critical"))
    world.put(client(access=[{"family": name, "operations": ["Produce"]} for name in ("trail", "urgent")]))
    await world.run_until_quiet()
    assert reason(world) == "MixedPriorities"
    assert kafka.calls == []


async def test_a_refused_client_while_kafka_is_away(world: World, served: FakeKafka) -> None:
    world.put(family("urgent", priority="critical"))
    served.available = False
    entries = [{"family": name, "operations": ["Produce"]} for name in ("trail", "urgent")]
    world.edit(CLIENT_KEY, {"spec": {"access": entries}})
    await world.run_until_quiet(within=10)
    assert reason(world) == "MixedPriorities"
    served.available = True
    await world.run_until_quiet(within=3)
    assert topics_allowed(served, "READ", "trail") == []


async def _tenant_goes(world: World) -> None:
    world.delete(TENANT_KEY)


async def _tenant_ends(world: World) -> None:
    world.edit(TENANT_KEY, {"metadata": {"finalizers": ["x/y"]}})
    world.delete(TENANT_KEY)


async def _tenant_lets_go(world: World) -> None:
    world.edit(TENANT_KEY, {"spec": {"namespaces": [{"name": "others"}]}})


@pytest.mark.parametrize("goes", [_tenant_goes, _tenant_ends, _tenant_lets_go])
async def test_access_ends_when_nobody_answers_for_the_client(world: World, served: FakeKafka, goes: Any) -> None:
    before = content(world)["password"]
    await goes(world)
    await world.run_until_quiet()
    assert served.acls == set()
    assert served.scram == {}
    assert not is_ready(world)
    assert "principal" not in world.get(CLIENT_KEY)["status"]
    served.calls.clear()
    await world.resync()
    assert served.calls == []
    if goes is _tenant_ends:
        world.edit(TENANT_KEY, {"metadata": {"finalizers": None}})
    world.put(teams.tenant())
    world.cluster.set_status(TENANT_KEY, teams.ACCEPTED)
    await world.run_until_quiet()
    assert is_ready(world)
    assert content(world)["password"] == before
    assert gets_in(world, served)


async def test_access_is_not_ended_before_all_tenants_are_known(world: World, served: FakeKafka) -> None:
    world.store._synced.discard("MemoryTenant")
    await _tenant_goes(world)
    await world.run_until_quiet()
    assert served.scram != {}


async def test_what_is_missing_is_waited_for(world: World, kafka: FakeKafka) -> None:
    world.delete(TENANT_KEY)
    world.delete(CLUSTER_KEY)
    world.put(client())
    await world.run_until_quiet()
    assert reason(world) == "TenantNotFound"
    world.put(teams.tenant())
    world.cluster.set_status(TENANT_KEY, teams.ACCEPTED)
    await world.run_until_quiet()
    assert reason(world) == "ClusterNotFound"
    world.put(teams.cluster())
    await world.run_until_quiet()
    assert reason(world) == "ClusterNotReady"
    world.cluster.set_status(CLUSTER_KEY, teams.running())
    await world.run_until_quiet()
    assert is_ready(world)


async def test_new_addresses_reach_the_secret(world: World, served: FakeKafka) -> None:
    world.cluster.set_status(CLUSTER_KEY, {"bootstrapServers": "elsewhere:9092"})
    await world.run_until_quiet()
    assert content(world)["bootstrap.servers"] == "elsewhere:9092"


async def test_kafka_away_is_said_once_and_its_return_is_met_soon(world: World, served: FakeKafka) -> None:
    served.available = False
    world.fake.requests.clear()
    await world.resync(within=60)
    assert reason(world) == "KafkaUnavailable"
    assert len(world.fake.requests.writes()) == 1
    served.available = True
    await world.run_until_quiet(within=3)
    assert is_ready(world)
    await settle(world, served)


@pytest.mark.parametrize("method", ["upsert_scram", "create_acls", "describe_scram", "describe_acls"])
@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_call_whose_answer_is_lost(world: World, kafka: FakeKafka, method: str, when: str) -> None:
    hooks = kafka.before if when == "before" else kafka.after
    lost = iter([True])
    hooks.append(lambda call: timed_out(method) if call.method == method and next(lost, False) else None)
    world.put(client())
    await world.run_until_quiet(within=10)
    assert is_ready(world)
    assert gets_in(world, kafka)
    await settle(world, kafka)


async def test_rights_that_kafka_refuses(world: World, kafka: FakeKafka) -> None:
    refusal = Denied("ClusterAuthorizationFailed", "SCRAM users: Cluster authorization failed. Give the operator ...")
    kafka.before.append(lambda call: refusal if call.method == "upsert_scram" else None)
    world.put(client())
    await world.run_until_quiet()
    assert reason(world) == "ClusterAuthorizationFailed"
    assert world.condition(CLIENT_KEY, "Stalled")["status"] == "True"
    kafka.before.clear()
    await world.run_until_quiet(within=61)
    assert is_ready(world)


async def test_a_cluster_without_an_authorizer(world: World, kafka: FakeKafka) -> None:
    refusal = Invalid("SecurityDisabled", "access rules: No Authorizer is configured. Set authorizer.class.name.")
    kafka.before.append(lambda call: refusal if call.method == "create_acls" else None)
    world.put(client())
    await world.run_until_quiet()
    assert reason(world) == "SecurityDisabled"
    assert "authorizer.class.name" in message(world)


async def test_an_object_of_an_older_release(world: World, served: FakeKafka) -> None:
    world.edit(CLIENT_KEY, {"spec": {"surprise": 1}})
    await world.run_until_quiet()
    assert reason(world) == "InvalidSpec"
    assert "spec.surprise" in message(world)
    assert gets_in(world, served)
    world.edit(CLIENT_KEY, {"spec": {"surprise": None}})
    await world.run_until_quiet()
    assert is_ready(world)


async def test_paused(world: World, kafka: FakeKafka) -> None:
    world.put({**client(), "metadata": {**client()["metadata"], "annotations": {"agentmemory.dev/paused": "true"}}})
    await world.run_until_quiet()
    assert kafka.calls == []
    assert list(world.fake.requests) == []


async def test_a_follower_changes_nothing(world: World, kafka: FakeKafka) -> None:
    world.ctx.leading = lambda: False
    world.put(client())
    await world.run_until_quiet()
    assert kafka.writes() == []
    world.ctx.leading = lambda: True
    await world.run_until_quiet(within=60)
    assert is_ready(world)
    served = kafka
    served.scram[USER]["SCRAM-SHA-256"] = ("x", 4096)
    world.ctx.leading = lambda: False
    await world.resync()
    assert "SCRAM-SHA-256" in served.scram[USER]


@pytest.mark.parametrize("writes", [1, 2, 3])
async def test_crash_after_every_write(world: World, kafka: FakeKafka, writes: int) -> None:
    world.put(client())
    world.die_after(writes)
    await world.run_until_quiet()
    assert world.dead
    await world.restart()
    await world.run_until_quiet()
    assert is_ready(world)
    assert gets_in(world, kafka)
    assert len(kafka.scram) == 1
    await settle(world, kafka)


@pytest.mark.parametrize("call", range(1, 6))
async def test_death_before_every_kafka_call(world: World, kafka: FakeKafka, call: int) -> None:
    """Kafka calls one to four are two reads, the password and the rules; the operator dies before each."""
    count = itertools.count(1)
    kafka.before.append(lambda _: timed_out("dead") if next(count) >= call else None)
    world.put(client())
    await world.run_until_quiet()
    kafka.before.clear()
    await world.restart()
    await world.run_until_quiet()
    assert is_ready(world)
    assert gets_in(world, kafka)
    await settle(world, kafka)
