"""A land as it stands, without what differs from run to run: the pictures of two good runs are equal.

Random values become the names of what they belong to, wherever they occur, so that their relations are compared too:
a password in Kafka is "the password of Secret x", a topic id in a status is "the id of topic y".
"""

import base64
import json
import re
from collections.abc import Mapping
from typing import Any

from agentmemory.domain.ids import cluster_id_from_uid, directory_id
from tests.fakekafka import FakeKafka
from tests.fakes3 import FakeS3

Object = dict[str, Any]

LEFT_OUT = frozenset({"resourceVersion", "creationTimestamp", "lastTransitionTime", "firstTimestamp", "lastTimestamp"})
LEFT_OUT |= frozenset({"startedAt", "managedFields", "deletionGracePeriodSeconds"})
HISTORY = frozenset({"generation", "observedGeneration", "agentmemory.dev/reconcile-at"})
HASHES = frozenset({"agentmemory.dev/spec-hash", "agentmemory.dev/tls-hash", "agentmemory.dev/config-hash"})
HASHES |= frozenset({"agentmemory.dev/credentials-hash"})
PRIVATE = frozenset({"ca.key", "tls.pem", "password"})
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
LONG = 20
"""A value of fewer characters is no secret, and no name for one."""


def picture(
    objects: list[Object], kafka: FakeKafka, s3: FakeS3, born: Mapping[str, str], *, history: bool = True
) -> Object:
    """Everything by name. `history` False: without lives and generations, to compare different ways to one end."""
    tokens = _tokens(objects, kafka, born)
    pattern = re.compile("|".join(re.escape(raw) for raw in sorted(tokens, key=len, reverse=True)) or "(?!)")

    def named(text: str) -> str:
        return pattern.sub(lambda match: tokens[match.group()], text)

    painter = _Painter(named, history)
    found: Object = {}
    for obj in objects:
        if obj["kind"] == "Event" and not history:
            continue
        if obj["kind"] == "Event":
            found[f"Event/{obj['involvedObject']['name']}/{obj['reason']}/{named(obj['message'])}"] = 1
        else:
            metadata = obj["metadata"]
            found[f"{obj['kind']}/{metadata.get('namespace', '')}/{metadata['name']}"] = painter.paint("", _state(obj))
    return found | _kafka(kafka, named, objects) | _s3(s3, painter)


def _state(obj: Object) -> Object:
    """Of an object that users wrote the generation says what they did; of one that we made, which way we took."""
    if obj["apiVersion"].startswith("agentmemory.dev/"):
        return obj
    return {**obj, "metadata": {name: value for name, value in obj["metadata"].items() if name != "generation"}}


def differences(wanted: Object, found: Object) -> list[str]:
    """In words, one a place; empty when the pictures are equal."""
    return list(_differ("", wanted, found))


def _differ(path: str, wanted: Any, found: Any) -> Any:
    if isinstance(wanted, dict) and isinstance(found, dict):
        for name in sorted(wanted.keys() | found.keys()):
            if name not in found:
                yield f"{path}.{name} is missing, wanted {_short(wanted[name])}"
            elif name not in wanted:
                yield f"{path}.{name} is too much: {_short(found[name])}"
            else:
                yield from _differ(f"{path}.{name}", wanted[name], found[name])
    elif isinstance(wanted, list) and isinstance(found, list) and len(wanted) == len(found):
        for number, (one, other) in enumerate(zip(wanted, found, strict=True)):
            yield from _differ(f"{path}[{number}]", one, other)
    elif wanted != found:
        yield f"{path} is {_short(found)}, wanted {_short(wanted)}"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) < 300 else f"{text[:300]}..."


def _tokens(objects: list[Object], kafka: FakeKafka, born: Mapping[str, str]) -> dict[str, str]:
    """Raw value to name."""
    tokens = {uid: f"<uid of {name}>" for uid, name in born.items()}
    for uid, name in born.items():
        if name.startswith("MemoryCluster/"):
            tokens[cluster_id_from_uid(uid)] = f"<cluster id of {name}>"
            tokens |= {directory_id(uid, node): f"<directory {node} of {name}>" for node in range(9)}
    tokens |= {topic.topic_id: f"<id of topic {name}>" for name, topic in kafka.topics.items()}
    for obj in objects:
        if obj["kind"] != "Secret":
            continue
        where = f"{obj['metadata']['namespace']}/{obj['metadata']['name']}"
        for field, text in text_of(obj).items():
            private = field in PRIVATE or (field == "ca.crt" and "ca.key" in (obj.get("data") or {}))
            if private and len(text) >= LONG:
                tokens.setdefault(text, f"<{field} of {where}>")
    return tokens


def text_of(secret: Object) -> dict[str, str]:
    """A Secret's values as text."""
    return {name: base64.b64decode(value).decode() for name, value in (secret.get("data") or {}).items()}


class _Painter:
    def __init__(self, named: Any, history: bool) -> None:
        self._named = named
        self._history = history

    def paint(self, name: str, value: Any) -> Any:
        if name in HASHES:
            return "<hash>"
        if name == "deletionTimestamp":
            return "<time>"
        if isinstance(value, dict):
            if value.get("kind") == "Secret":
                return self._secret(value)
            painted = {key: self.paint(key, inner) for key, inner in value.items() if self._counts(key)}
            return {key: inner for key, inner in painted.items() if self._history or inner != {}}
        if isinstance(value, list):
            # How an empty volume may be formatted depends on when the pod was made.
            return [
                self.paint("", it)
                for it in value
                if not (isinstance(it, dict) and it.get("name") == "AGENTMEMORY_FORMAT")
            ]
        return self._text(value) if isinstance(value, str) else value

    def _counts(self, key: str) -> bool:
        return key not in LEFT_OUT and (self._history or key not in HISTORY)

    def _text(self, value: str) -> str:
        named: str = TIME.sub("<time>", self._named(value))
        return named if self._history else re.sub(r"#\d+>", ">", named)

    def _secret(self, obj: Object) -> Object:
        content = {name: self._content(name, text) for name, text in text_of(obj).items()}
        rest = {name: value for name, value in obj.items() if name not in ("data", "kind")}
        return {**self.paint("", rest), "content": content}

    def _content(self, name: str, text: str) -> Any:
        if not name.endswith(".json"):
            return self._text(text)
        handed = json.loads(text)
        masked = {field: "<pem>" for field in ("cert", "key") if len(handed.get(field, "")) >= LONG}
        return {field: self._text(value) for field, value in (handed | masked).items()}


def _s3(s3: FakeS3, painter: "_Painter") -> Object:
    return {
        f"bucket {name}": {
            "tags": painter.paint("", bucket.tags),
            "policy": painter.paint("", bucket.policy),
            "objects": sorted(bucket.objects),
            "settings": str(
                (
                    bucket.region,
                    bucket.encryption,
                    bucket.versioning,
                    bucket.public_access_block,
                    bucket.ownership,
                    bucket.lifecycle,
                    bucket.object_lock,
                )
            ),
        }
        for name, bucket in s3.buckets.items()
    }


def _kafka(kafka: FakeKafka, named: Any, objects: list[Object]) -> Object:
    found: Object = {
        f"topic {name}": {"partitions": it.partitions, "factor": it.factor, "configs": dict(sorted(it.configs.items()))}
        for name, it in kafka.topics.items()
    }
    found |= {str(acl): 1 for acl in kafka.acls}
    passwords = {
        text_of(obj).get("password", ""): obj["metadata"]["name"] for obj in objects if obj["kind"] == "Secret"
    }
    for user, entries in kafka.scram.items():
        found[f"user {user}"] = {
            mechanism: f"password of {passwords.get(entry[0], entry[0] if len(entry[0]) < LONG else 'no Secret')}"
            for mechanism, entry in entries.items()
        }
    found["brokers"] = {str(node): named(str(view)) for node, view in sorted(kafka.brokers.items())}
    if kafka.automq:
        found["nodes"] = sorted(kafka.known_nodes)
        found["excluded"] = sorted(kafka.excluded)
    found["voters"] = {str(node): named(directory) for node, directory in sorted(kafka.voters.items())}
    return found
