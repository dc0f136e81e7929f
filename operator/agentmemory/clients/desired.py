"""What a client becomes: access rules in Kafka, a Secret, and its status. Pure builders."""

import base64
import binascii
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from agentmemory.api.base import API_VERSION, EnforcementEntry
from agentmemory.api.conditions import Phase, to_conditions
from agentmemory.api.enforcement import enforced, to_list, unverified
from agentmemory.api.labels import MANAGED_BY, MANAGER
from agentmemory.clients.model import mechanism_of
from agentmemory.clients.world import World
from agentmemory.domain import names
from agentmemory.engines.templating import property_value
from agentmemory.kafka.model import Acl, Operation, ResourceType

Object = dict[str, Any]

MOUNT = "/etc/agent-memory"
"""Where the two client files expect the Secret to be mounted."""
_HEAD = f"# Written by agent-memory-operator. Expects this Secret to be mounted at {MOUNT}.\n"
_READS = frozenset({"Consume", "Replay"})


def acls(world: World) -> frozenset[Acl]:
    """All rules of the user, none of them a deny.

    Write and Read imply Describe in Kafka (AclOperation), and since Kafka 2.8 an idempotent producer needs no more
    than Write (KIP-679); Describe is spelled out so that a listing of rules shows what may be done.
    """
    rules: set[Acl] = set()
    for entry in world.access:
        prefix = names.family_prefix(world.frame.ref.name, world.segment, entry.family)
        if "Produce" in entry.operations:
            rules |= _rules(world, "TOPIC", prefix, ("WRITE", "DESCRIBE"))
        if _READS & set(entry.operations):
            rules |= _rules(world, "TOPIC", prefix, ("READ", "DESCRIBE"))
    operations = {operation for entry in world.access for operation in entry.operations}
    if "Produce" in operations:
        rules |= _rules(world, "TRANSACTIONAL_ID", transactional_id_prefix(world), ("WRITE", "DESCRIBE"))
    if _READS & operations:
        rules |= _rules(world, "GROUP", group_prefix(world), ("READ", "DESCRIBE"))
    return frozenset(rules)


def _rules(world: World, resource: ResourceType, prefix: str, operations: tuple[Operation, ...]) -> set[Acl]:
    return {Acl(f"User:{world.principal}", resource, prefix, "PREFIXED", operation) for operation in operations}


def group_prefix(world: World) -> str:
    """What the client's consumer groups begin with."""
    return names.group_prefix(world.frame.ref.name, world.segment, world.client.metadata.name)


def transactional_id_prefix(world: World) -> str:
    """What its transactional ids begin with."""
    return names.transactional_id_prefix(world.frame.ref.name, world.segment, world.client.metadata.name)


def settings(world: World, password: str, ca: str | None) -> dict[str, str]:
    """The Secret's content as text. `ca` None: a public authority signed the brokers' certificates."""
    cluster = world.frame.cluster
    if cluster is None or cluster.status.bootstrap_servers is None:
        raise ValueError("a client's Secret needs its cluster's addresses")
    values = {
        "bootstrap.servers": cluster.status.bootstrap_servers,
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": mechanism_of(world.client.spec.authentication),
        "username": world.principal,
        "password": password,
        "group.prefix": group_prefix(world),
        "transactional.id.prefix": transactional_id_prefix(world),
    }
    common = {name: values[name] for name in ("bootstrap.servers", "security.protocol", "sasl.mechanism")}
    files = {"client.properties": _java(common, values, ca), "librdkafka.conf": _librdkafka(common, values, ca)}
    return values | files | ({} if ca is None else {"ca.crt": ca})


def _java(common: Mapping[str, str], values: Mapping[str, str], ca: str | None) -> str:
    login = "org.apache.kafka.common.security.scram.ScramLoginModule"
    lines = {
        **common,
        "sasl.jaas.config": f'{login} required username="{values["username"]}" password="{values["password"]}";',
    }
    trust = {"ssl.truststore.type": "PEM", "ssl.truststore.location": f"{MOUNT}/ca.crt"}
    return _HEAD + _lines(lines | ({} if ca is None else trust))


def _librdkafka(common: Mapping[str, str], values: Mapping[str, str], ca: str | None) -> str:
    lines = {**common, "sasl.username": values["username"], "sasl.password": values["password"]}
    return _HEAD + _lines(lines | ({} if ca is None else {"ssl.ca.location": f"{MOUNT}/ca.crt"}))


def _lines(values: Mapping[str, str]) -> str:
    """Raises ValueError for a value that could begin another line."""
    return "".join(f"{name}={property_value(value)}\n" for name, value in values.items())


def secret(world: World, content: Mapping[str, str]) -> Object:
    """The client's Secret; the garbage collector takes it along with the client."""
    metadata = world.client.metadata
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": world.client.secret_name,
            "namespace": metadata.namespace,
            "labels": {MANAGED_BY: MANAGER},
            "ownerReferences": [
                {
                    "apiVersion": API_VERSION,
                    "kind": "MemoryClient",
                    "name": metadata.name,
                    "uid": metadata.uid,
                    "controller": True,
                }
            ],
        },
        "type": "Opaque",
        "data": {name: base64.b64encode(text.encode()).decode() for name, text in sorted(content.items())},
    }


def is_right(live: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Whether a Secret of ours has exactly the wanted content and our label."""
    has, wants = live["metadata"].get("labels") or {}, wanted["metadata"]["labels"]
    return live.get("data") == wanted["data"] and all(has.get(name) == value for name, value in wants.items())


def password_in(secret: Mapping[str, Any]) -> str | None:
    """The password that a Secret holds, if there is one."""
    try:
        text = base64.b64decode((secret.get("data") or {}).get("password") or "", validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None
    return text or None


def status(obj: Mapping[str, Any], world: World | None, phase: Phase, now: datetime, *, given: bool | None) -> Object:
    """The complete status. `given` True: access is in place; False: it was withdrawn; None: it is as it was before."""
    before, generation = obj.get("status") or {}, obj["metadata"].get("generation", 0)
    made: Object = {
        "observedGeneration": generation,
        "conditions": to_conditions(phase, before.get("conditions") or [], generation, now),
    }
    if world is not None:
        made["enforcement"] = to_list(enforcement(world, in_place=phase.kind == "Ready"))
    elif "enforcement" in before:
        made["enforcement"] = before["enforcement"]
    if given and world is not None:
        return made | {
            "principal": world.principal,
            "secretName": world.client.secret_name,
            "groupPrefix": group_prefix(world),
            "transactionalIdPrefix": transactional_id_prefix(world),
        }
    kept = ("principal", "secretName", "groupPrefix", "transactionalIdPrefix") if given is None else ("secretName",)
    return made | {name: before[name] for name in kept if name in before}


def enforcement(world: World, *, in_place: bool) -> list[EnforcementEntry]:
    """What becomes of each promise about access."""
    mechanism = mechanism_of(world.client.spec.authentication)
    promises = {
        "spec.access": "prefixed ACLs of the client's own user; what is not listed is denied",
        "spec.authentication": f"{mechanism} over TLS; the user has no other mechanism",
    }
    if in_place:
        return [enforced(path, how) for path, how in promises.items()]
    return [
        unverified(path, how, "not in place, or not looked at: see the conditions") for path, how in promises.items()
    ]
