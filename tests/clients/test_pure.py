"""The client's checks and builders."""

import base64
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentmemory.api.base import parse
from agentmemory.api.conditions import ready, refused, stalled
from agentmemory.api.memoryclient import Authentication, MemoryClient
from agentmemory.clients import desired, policy
from agentmemory.clients.credentials import ALPHABET, draw_password
from agentmemory.clients.ending import Access, access_to_end
from agentmemory.clients.model import FEWEST, MOST, PASSWORD_LENGTH, iterations_of, mechanism_of
from agentmemory.clients.world import World, gather
from agentmemory.kafka.model import Acl
from tests import teams
from tests.clients.worlds import Object, make_store, make_world, stored
from tests.fakekafka import FakeKafka
from tests.teams import CLUSTER_KEY, PLATFORM, TEAM, client, family

NOW = datetime(2026, 1, 2, tzinfo=UTC)
LATER = datetime(2026, 1, 3, tzinfo=UTC)
ENDING = {"deletionTimestamp": "2026-01-01T00:00:00Z"}
PASSWORD = "p" * PASSWORD_LENGTH


def access(family: str, *operations: str) -> Object:
    return {"family": family, "operations": list(operations)}


def accepted(obj: Object) -> Object:
    return {**obj, "status": teams.ACCEPTED}


OTHER_TENANT = family("foreign", tenantRef={"namespace": PLATFORM, "name": "sales"})

REFUSALS: dict[str, tuple[World, str, str, tuple[str, ...]]] = {
    "no tenant": (make_world(tenant={}), "Progressing", "TenantNotFound", ("create it",)),
    "handshake": (
        make_world(tenant=accepted(teams.tenant(namespaces=[{"name": "others"}]))),
        "Refused",
        "NamespaceNotAllowed",
        (TEAM,),
    ),
    "no cluster": (make_world(cluster={}), "Progressing", "ClusterNotFound", ()),
    "cluster without addresses": (
        make_world(cluster={**teams.cluster(), "status": {**teams.running(), "bootstrapServers": None}}),
        "Progressing",
        "ClusterNotReady",
        (),
    ),
    "family of another tenant": (
        make_world(client(access=[access("foreign", "Consume")]), OTHER_TENANT),
        "Refused",
        "FamilyOfAnotherTenant",
        ("family foreign of MemoryTenant memory-system/sales", "a client for each tenant"),
    ),
    "two priorities": (
        make_world(
            client(access=[access("trail", "Produce"), access("urgent", "Produce", "Consume")]),
            family(),
            family("urgent", priority="critical"),
        ),
        "Refused",
        "MixedPriorities",
        ("trail (standard), urgent (critical)", "a client for each priority"),
    ),
}

ACCEPTED: dict[str, World] = {
    "plain": make_world(),
    "reads of two priorities": make_world(
        client(access=[access("trail", "Produce"), access("urgent", "Consume")]),
        family(),
        family("urgent", priority="critical"),
    ),
    "missing families": make_world(client(access=[access("nowhere", "Produce")])),
    "of two priorities one is gone": make_world(
        client(access=[access("trail", "Produce"), access("urgent", "Produce")]),
        family(),
        stored(family("urgent", priority="critical"), **ENDING),
    ),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_findings(case: str) -> None:
    world, kind, reason, words = REFUSALS[case]
    found = policy.judge(world)
    assert found is not None
    assert (found.kind, found.reason) == (kind, reason)
    assert all(word in found.message for word in words), found.message
    assert policy.is_own_finding(world) == (reason in ("FamilyOfAnotherTenant", "MixedPriorities"))


@pytest.mark.parametrize("case", ACCEPTED)
def test_accepted(case: str) -> None:
    assert policy.judge(ACCEPTED[case]) is None


def dotted() -> World:
    world = make_world()
    metadata = world.client.metadata.model_copy(update={"name": "a.b"})
    return World(world.client.model_copy(update={"metadata": metadata}), world.frame, world.families)


def test_names_that_the_api_once_let_through() -> None:
    found = policy.judge(dotted())
    assert found is not None
    assert found.reason == "InvalidName"
    assert "client 'a.b' must be a DNS label" in found.message
    assert not policy.is_own_finding(dotted())


def test_every_check_is_met() -> None:
    worlds = [world for world, *_ in REFUSALS.values()] + [dotted()]
    assert {check for world in worlds for check in policy.CHECKS if check(world)} == set(policy.CHECKS)


def test_what_ends_access() -> None:
    met = {found.reason for world, *_ in REFUSALS.values() if (found := policy.judge(world))}
    assert {"TenantNotFound", "NamespaceNotAllowed"} == policy.WITHDRAWN & met


def test_served() -> None:
    assert policy.served(make_world()) == ready("user support.agents.bot has access to 1 family")
    two = make_world(client(access=[access("trail", "Consume"), access("b", "Consume")]), family(), family("b"))
    assert policy.served(two).message.endswith("2 families")
    missing = policy.served(make_world(client(access=[access("trail", "Consume"), access("b", "Consume")])))
    assert (missing.kind, missing.reason) == ("Progressing", "FamilyNotFound")
    assert "names b, which namespace support-agents does not have" in missing.message
    many = make_world(client(access=[access(name, "Consume") for name in "abcd"]))
    assert "a, b, c and others" in policy.served(many).message
    three = make_world(client(access=[access(name, "Consume") for name in "abc"]))
    assert "names a, b, c, which namespace" in policy.served(three).message
    pending = policy.rights_pending(make_world())
    assert (pending.kind, pending.reason) == ("Progressing", "RightsPending")
    assert "RoleBinding" in pending.message


def rule(kind: str, name: str, operation: str) -> Acl:
    return Acl("User:support.agents.bot", kind, name, "PREFIXED", operation)  # type: ignore[arg-type]


TOPICS, OWN = "support.agents.trail.", "support.agents.bot."
WRITES = {
    rule("TOPIC", TOPICS, "WRITE"),
    rule("TOPIC", TOPICS, "DESCRIBE"),
    rule("TRANSACTIONAL_ID", OWN, "WRITE"),
    rule("TRANSACTIONAL_ID", OWN, "DESCRIBE"),
}
READS = {
    rule("TOPIC", TOPICS, "READ"),
    rule("TOPIC", TOPICS, "DESCRIBE"),
    rule("GROUP", OWN, "READ"),
    rule("GROUP", OWN, "DESCRIBE"),
}


@pytest.mark.parametrize(
    ("operations", "expected"),
    [
        (["Produce"], WRITES),
        (["Consume"], READS),
        (["Replay"], READS),
        (["Produce", "Consume", "Replay"], WRITES | READS),
    ],
)
def test_rules(operations: list[str], expected: set[Acl]) -> None:
    assert desired.acls(make_world(client(access=[access("trail", *operations)]))) == expected


def test_no_rules_on_families_that_are_not_there() -> None:
    assert desired.acls(make_world(client(access=[access("nowhere", "Produce", "Consume")]))) == frozenset()
    assert desired.acls(make_world(client(), stored(family(), **ENDING))) == frozenset()
    assert desired.acls(make_world(client(access=[access("foreign", "Produce")]), OTHER_TENANT)) == frozenset()


names = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,8}[a-z0-9])?", fullmatch=True)
operations = st.frozensets(st.sampled_from(["Produce", "Consume", "Replay"]), min_size=1)


@given(
    granted=st.dictionaries(names, operations, min_size=1, max_size=4),
    family_name=names,
    topic=names,
    segment=st.sampled_from(["agents", "agents2", "other"]),
    operation=st.sampled_from(["READ", "WRITE"]),
)
def test_the_authorizer_allows_what_is_declared_and_nothing_else(
    granted: dict[str, frozenset[str]], family_name: str, topic: str, segment: str, operation: str
) -> None:
    declared = client(access=[access(name, *sorted(wanted)) for name, wanted in granted.items()])
    kafka = FakeKafka()
    kafka.acls = set(desired.acls(make_world(declared, *[family(name) for name in granted])))
    enough = {"Produce"} if operation == "WRITE" else {"Consume", "Replay"}
    expected = segment == "agents" and bool(granted.get(family_name, frozenset()) & enough)
    assert (
        kafka.allows("support.agents.bot", operation, "TOPIC", f"support.{segment}.{family_name}.{topic}") == expected
    )


@given(mine=names, other=names)
def test_groups_and_transactional_ids_are_a_clients_own(mine: str, other: str) -> None:
    kafka = FakeKafka()
    kafka.acls = set(desired.acls(make_world(client(mine))))
    assert kafka.allows(f"support.agents.{mine}", "READ", "GROUP", f"support.agents.{mine}.any")
    for kind in ("GROUP", "TRANSACTIONAL_ID"):
        assert not kafka.allows(f"support.agents.{mine}", "READ", kind, f"support.agents.{mine}x.any")
        allowed = kafka.allows(f"support.agents.{mine}", "DESCRIBE", kind, f"support.agents.{other}.any")
        assert allowed == (mine == other)


def test_secret() -> None:
    world = make_world(client(secretName="creds"))
    made = desired.secret(world, desired.settings(world, PASSWORD, "PEM\n"))
    assert (made["metadata"]["name"], made["metadata"]["namespace"], made["type"]) == ("creds", TEAM, "Opaque")
    assert (made["apiVersion"], made["kind"]) == ("v1", "Secret")
    assert made["metadata"]["labels"] == {"app.kubernetes.io/managed-by": "agent-memory-operator"}
    assert made["metadata"]["ownerReferences"] == [
        {
            "apiVersion": "agentmemory.dev/v1alpha1",
            "kind": "MemoryClient",
            "name": "bot",
            "uid": "MemoryClient-bot",
            "controller": True,
        }
    ]
    content = {name: base64.b64decode(value).decode() for name, value in made["data"].items()}
    files = {name: content.pop(name).splitlines()[1:] for name in ("client.properties", "librdkafka.conf")}
    assert content == {
        "bootstrap.servers": "agents-bootstrap.memory-system.svc:9092",
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "SCRAM-SHA-512",
        "username": "support.agents.bot",
        "password": PASSWORD,
        "group.prefix": "support.agents.bot.",
        "transactional.id.prefix": "support.agents.bot.",
        "ca.crt": "PEM\n",
    }
    common = [
        "bootstrap.servers=agents-bootstrap.memory-system.svc:9092",
        "security.protocol=SASL_SSL",
        "sasl.mechanism=SCRAM-SHA-512",
    ]
    login = f'ScramLoginModule required username="support.agents.bot" password="{PASSWORD}";'
    assert files["client.properties"] == [
        *common,
        f"sasl.jaas.config=org.apache.kafka.common.security.scram.{login}",
        "ssl.truststore.type=PEM",
        "ssl.truststore.location=/etc/agent-memory/ca.crt",
    ]
    assert files["librdkafka.conf"] == [
        *common,
        "sasl.username=support.agents.bot",
        f"sasl.password={PASSWORD}",
        "ssl.ca.location=/etc/agent-memory/ca.crt",
    ]
    assert desired.is_right(made, made)
    assert not desired.is_right({**made, "data": {**made["data"], "extra": "eA=="}}, made)
    assert not desired.is_right({**made, "metadata": {**made["metadata"], "labels": {}}}, made)


def test_settings_without_an_authority_of_its_own() -> None:
    made = desired.settings(make_world(), PASSWORD, None)
    assert "ca.crt" not in made
    assert "ssl" not in made["client.properties"] + made["librdkafka.conf"].replace("SASL_SSL", "")


def test_settings_need_addresses() -> None:
    with pytest.raises(ValueError, match="addresses"):
        desired.settings(make_world(cluster={}), PASSWORD, None)


def test_no_password_can_smuggle_in_a_setting() -> None:
    with pytest.raises(ValueError, match="line break"):
        desired.settings(make_world(), "x\nsecurity.protocol=PLAINTEXT", None)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"password": base64.b64encode(b"secret").decode()}, "secret"),
        ({"password": "!!"}, None),
        ({"password": "c2Vj!cmV0"}, None),
        ({"password": "/w=="}, None),
        ({"password": ""}, None),
        ({}, None),
        (None, None),
    ],
)
def test_password_in(data: Any, expected: str | None) -> None:
    assert desired.password_in({"data": data}) == expected


def test_passwords() -> None:
    drawn = {draw_password() for _ in range(50)}
    assert len(drawn) == 50
    assert all(len(one) == PASSWORD_LENGTH and set(one) <= set(ALPHABET) for one in drawn)


@given(st.text(min_size=1))
def test_iterations(password: str) -> None:
    assert FEWEST <= iterations_of(password) <= MOST
    assert iterations_of(password) == iterations_of(password)


def test_iterations_differ() -> None:
    assert len({iterations_of(f"password-{number}") for number in range(200)}) > 190
    assert iterations_of("a known password") == 8981, "kept from release to release, or all users are written anew"


def test_mechanisms() -> None:
    assert mechanism_of(Authentication()) == "SCRAM-SHA-512"
    assert mechanism_of(Authentication(type="ScramSha256")) == "SCRAM-SHA-256"


def test_status() -> None:
    obj, world = stored(client(), generation=4), make_world()
    status = desired.status(obj, world, ready(), NOW, given=True)
    names_in_it = {
        "principal": "support.agents.bot",
        "secretName": "bot-kafka",
        "groupPrefix": "support.agents.bot.",
        "transactionalIdPrefix": "support.agents.bot.",
    }
    assert status | names_in_it == status
    assert status["observedGeneration"] == 4
    assert {entry["state"] for entry in status["enforcement"]} == {"Enforced"}
    assert {entry["path"]: entry["mechanism"] for entry in status["enforcement"]} == {
        "spec.access": "prefixed ACLs of the client's own user; what is not listed is denied",
        "spec.authentication": "SCRAM-SHA-512 over TLS; the user has no other mechanism",
    }
    assert {one["observedGeneration"] for one in status["conditions"]} == {4}
    known = {**obj, "status": status}
    assert desired.status(known, world, ready(), LATER, given=True) == status, "time alone changes nothing"
    kept = desired.status(known, world, refused("X", "x"), NOW, given=None)
    assert kept | names_in_it == kept
    assert {entry["path"]: entry["state"] for entry in kept["enforcement"]} == {
        "spec.access": "Unverified",
        "spec.authentication": "Unverified",
    }
    assert all("see the conditions" in entry["reason"] for entry in kept["enforcement"])
    assert desired.status(stored(client()), world, ready(), NOW, given=True)["observedGeneration"] == 0
    taken = desired.status(known, world, refused("X", "x"), NOW, given=False)
    assert "principal" not in taken
    assert taken["secretName"] == "bot-kafka"
    unread = desired.status(known, None, stalled("X", "x"), NOW, given=None)
    assert unread["enforcement"] == status["enforcement"]
    assert set(desired.status(obj, None, stalled("X", "x"), NOW, given=None)) == {"observedGeneration", "conditions"}


def test_a_world_without_handshake_has_no_principal() -> None:
    with pytest.raises(ValueError, match="no segment"):
        _ = REFUSALS["handshake"][0].principal


def with_principal(principal: str | None) -> Object:
    return {**stored(client()), "status": {"principal": principal}}


OTHERS = accepted(teams.tenant(namespaces=[{"name": "others", "segment": "moved"}]))
TAKEN = accepted(teams.tenant(namespaces=[{"name": "others", "segment": "agents"}]))
SECOND = {**teams.cluster("second"), "status": teams.running()}
UNSTARTED = teams.cluster("unstarted")
EXTERNAL = {**teams.cluster("external"), "status": {"clusterId": "x"}}
MINE = "support.agents.bot"

# what: the principal in the status, the frame, other objects, the clusters on which access ends
ENDS: dict[str, tuple[str | None, dict[str, Object], tuple[Object, ...], list[str]]] = {
    "good frame": (None, {}, (SECOND,), ["agents"]),
    "no tenant": (MINE, {"tenant": {}}, (SECOND, UNSTARTED, EXTERNAL), ["agents", "second", "external"]),
    "no tenant, no access before": (None, {"tenant": {}}, (), []),
    "not listed any more": (MINE, {"tenant": OTHERS}, (SECOND,), ["agents"]),
    "not listed, the segment is another's": (MINE, {"tenant": TAKEN}, (), []),
    "forged: another client": ("support.agents.admin", {"tenant": {}}, (), []),
    "forged: another tenant": ("sales.agents.bot", {"tenant": {}}, (), []),
    "forged: nonsense": ("x", {"tenant": {}}, (), []),
    "no cluster": (MINE, {"cluster": {}}, (), []),
    "cluster ends": (MINE, {"cluster": stored({**teams.cluster(), "status": teams.running()}, **ENDING)}, (), []),
    "cluster never started": (MINE, {"cluster": teams.cluster()}, (), []),
}


@pytest.mark.parametrize("case", ENDS)
def test_access_to_end(case: str) -> None:
    principal, frame, others, clusters = ENDS[case]
    store = make_store(*others, **frame)
    found = access_to_end(store, gather(store, parse(MemoryClient, with_principal(principal))))
    assert found == [Access(CLUSTER_KEY._replace(name=name), MINE) for name in clusters]
