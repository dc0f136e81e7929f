"""What is compared: everything of one land, in Kubernetes and in Kafka, without what differs from run to run.

Random values become the names of what they belong to, so that their relations are compared too: an owner reference is
"the uid of MemoryClient bot", a password in Kafka is "the password of Secret bot-kafka".
"""

import base64
import re
from typing import Any

from tests.fakekafka import FakeKafka
from tests.fakes3 import FakeS3

Object = dict[str, Any]

LEFT_OUT = frozenset({"resourceVersion", "managedFields", "selfLink", "agentmemory.dev/spec-hash", "metadata.name"})
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
UID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def picture(tag: str, objects: list[Object], kafka: FakeKafka, s3: FakeS3) -> dict[str, Any]:
    """By name; `tag` marks the land's namespaces, its tenant and all that is theirs in Kafka."""
    # A token's own name may have the tag in it.
    tokens = {raw: name.replace(tag, "TAG") for raw, name in _tokens(objects, kafka).items()} | {tag: "TAG"}
    pattern = re.compile("|".join(re.escape(raw) for raw in sorted(tokens, key=len, reverse=True)))

    def named(text: str) -> str:
        text = pattern.sub(lambda match: tokens[match.group()], text)
        return UID.sub("<a uid that nothing has>", TIME.sub("<time>", text))

    found = {named(_name(obj)): _painted(obj, named) for obj in objects}
    return found | _in_kafka(tag, kafka, named) | _in_s3(tag, s3, named)


def differences(wanted: Any, found: Any, path: str = "") -> list[str]:
    """In words, one a place; empty when the pictures are equal."""
    if isinstance(wanted, dict) and isinstance(found, dict):
        told = []
        for name in sorted(wanted.keys() | found.keys()):
            if name not in found:
                told.append(f"{path} {name} is missing, wanted {wanted[name]}")
            elif name not in wanted:
                told.append(f"{path} {name} is too much: {found[name]}")
            else:
                told += differences(wanted[name], found[name], f"{path} {name}")
        return told
    if isinstance(wanted, list) and isinstance(found, list) and len(wanted) == len(found):
        pairs = enumerate(zip(wanted, found, strict=True))
        return [text for number, (one, other) in pairs for text in differences(one, other, f"{path}[{number}]")]
    return [] if wanted == found else [f"{path} is {found}, wanted {wanted}"]


def text_of(secret: Object) -> dict[str, str]:
    """A Secret's values as text."""
    return {name: base64.b64decode(value).decode() for name, value in (secret.get("data") or {}).items()}


def _name(obj: Object) -> str:
    metadata = obj["metadata"]
    if obj["kind"] == "Event":
        return f"Event/{metadata['namespace']}/{obj['involvedObject']['name']}/{obj['reason']}/{obj['message']}"
    return f"{obj['kind']}/{metadata.get('namespace', '')}/{metadata['name']}"


def _tokens(objects: list[Object], kafka: FakeKafka) -> dict[str, str]:
    tokens = {topic.topic_id: f"<id of {name}>" for name, topic in kafka.topics.items()}
    for obj in objects:
        tokens[obj["metadata"]["uid"]] = f"<uid of {obj['kind']} {obj['metadata']['name']}>"
        if obj["kind"] == "Secret" and (password := text_of(obj).get("password")):
            tokens[password] = f"<password of {obj['metadata']['name']}>"
    return {raw: name for raw, name in tokens.items() if len(raw) > 8}


def _painted(value: Any, named: Any) -> Any:
    if isinstance(value, dict):
        if value.get("kind") == "Secret":
            value = {**value, "kind": "a Secret", "data": text_of(value)}
        if value.get("kind") == "Event":
            return "told"
        return {named(key): _painted(inner, named) for key, inner in value.items() if key not in LEFT_OUT}
    if isinstance(value, list):
        return [_painted(inner, named) for inner in value]
    return named(value) if isinstance(value, str) else value


def _in_kafka(tag: str, kafka: FakeKafka, named: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, topic in kafka.topics.items():
        if name.startswith(f"{tag}."):
            found[named(f"topic {name}")] = [topic.partitions, topic.factor, topic.configs]
    for acl in kafka.acls:
        if f":{tag}." in acl.principal:
            found[named(f"{acl.principal} may {acl}")] = True
    for user, entries in kafka.scram.items():
        if user.startswith(f"{tag}."):
            found[named(f"user {user}")] = {mechanism: named(entry[0]) for mechanism, entry in entries.items()}
    return found


def _in_s3(tag: str, s3: FakeS3, named: Any) -> dict[str, Any]:
    return {
        named(f"bucket {name}"): {
            "tags": _painted(bucket.tags, named),
            "policy": _painted(bucket.policy, named),
            "encryption": str(bucket.encryption),
            "settings": str((bucket.versioning, bucket.public_access_block, bucket.ownership, bucket.lifecycle)),
            "objects": sorted(bucket.objects),
        }
        for name, bucket in s3.buckets.items()
        if name.startswith(f"{tag}-")
    }
