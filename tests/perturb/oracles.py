"""What must hold whenever everything has come to rest, whatever happened before."""

from typing import Any

from agentmemory.api.memoryclient import Authentication
from agentmemory.clients.model import mechanism_of
from agentmemory.core.key import Key, key_of
from agentmemory.kube.resources import RESOURCES
from tests.fakekafka import FakeKafka

from .normal import text_of

Object = dict[str, Any]

PUBLIC = "-public"
"""Ends the name of the ConfigMap with an authority's certificate; the rest is the Secret's."""
WAITING = {("MemoryBucket", "GracePeriod"), ("MemoryBucket", "BucketNotEmpty")}
"""Where a deletion waits for time or for a person, and says so."""


def broken(objects: list[Object], kafka: FakeKafka) -> list[str]:
    """Invariants that do not hold, in words."""
    return [
        *unseen(objects),
        *locked_out(objects, kafka),
        *unsigned(objects),
        *mistaken_ids(objects, kafka),
        *orphans(objects),
    ]


def unseen(objects: list[Object]) -> list[str]:
    """Every object of ours has been looked at in its last form, and says so; none hangs in its deletion."""
    found = []
    for obj in objects:
        metadata = obj["metadata"]
        if not RESOURCES[obj["kind"]].custom or (metadata.get("annotations") or {}).get("agentmemory.dev/paused"):
            continue
        seen = seen_generation(obj)
        if metadata.get("deletionTimestamp"):
            if (obj["kind"], _condition(obj, "Ready").get("reason")) in WAITING:
                continue
            found.append(f"{obj['kind']} {metadata['name']} hangs in its deletion: {metadata.get('finalizers')}")
        elif seen != metadata["generation"]:
            found.append(f"{obj['kind']} {metadata['name']}: generation {metadata['generation']}, observed {seen}")
    return found


def seen_generation(obj: Object) -> Any:
    """The generation that was judged; while something is waited for, the one that was looked at."""
    if _condition(obj, "Reconciling").get("status") == "True":
        return _condition(obj, "Ready")["observedGeneration"]
    return (obj.get("status") or {}).get("observedGeneration")


def locked_out(objects: list[Object], kafka: FakeKafka) -> list[str]:
    """Every ready client gets in with what its Secret holds."""
    secrets = {obj["metadata"]["name"]: text_of(obj) for obj in objects if obj["kind"] == "Secret"}
    found = []
    for obj in objects:
        if obj["kind"] != "MemoryClient" or not _is_ready(obj):
            continue
        status, kind = obj["status"], (obj["spec"].get("authentication") or {}).get("type", "ScramSha512")
        mechanism = mechanism_of(Authentication(type=kind))
        held = secrets.get(status["secretName"], {}).get("password", "")
        if not kafka.authenticates(status["principal"], mechanism, held):
            found.append(f"{status['principal']} does not get in by {mechanism} with its Secret's password")
    return found


def unsigned(objects: list[Object]) -> list[str]:
    """The authority that a cluster shows is the one whose private key is kept."""
    held = {key_of(obj): text_of(obj).get("ca.crt") for obj in objects if obj["kind"] == "Secret"}
    found = []
    for obj in objects:
        if obj["kind"] != "ConfigMap" or not obj["metadata"]["name"].endswith(PUBLIC):
            continue
        secret = Key("Secret", obj["metadata"]["namespace"], obj["metadata"]["name"].removesuffix(PUBLIC))
        if held.get(secret) != obj["data"]["ca.crt"]:
            found.append(f"{key_of(obj)} shows an authority whose private key is not in {secret}")
    return found


def mistaken_ids(objects: list[Object], kafka: FakeKafka) -> list[str]:
    """Every topic that a ready family tells of is there, under the id that it tells."""
    found = []
    for obj in objects:
        if obj["kind"] != "TopicFamily" or not _is_ready(obj):
            continue
        for entry in obj["status"].get("topics", ()):
            topic = kafka.topics.get(entry["topicName"])
            if topic is None or topic.topic_id != entry["topicId"] or topic.partitions != entry["partitions"]:
                found.append(f"family {obj['metadata']['name']} tells of {entry}, and Kafka has {topic}")
    return found


def orphans(objects: list[Object]) -> list[str]:
    """Nothing belongs to an object that is gone."""
    alive = {obj["metadata"]["uid"] for obj in objects}
    return [
        f"{obj['kind']} {obj['metadata']['name']} belongs to {reference['kind']} {reference['name']}, which is gone"
        for obj in objects
        for reference in obj["metadata"].get("ownerReferences") or ()
        if reference["uid"] not in alive
    ]


def is_unready(obj: Object) -> bool:
    """Whether an object of ours does not say that it is as declared."""
    return RESOURCES[obj["kind"]].custom and not _is_ready(obj)


def _is_ready(obj: Object) -> bool:
    return _condition(obj, "Ready").get("status") == "True"


def _condition(obj: Object, type_: str) -> Object:
    conditions = (obj.get("status") or {}).get("conditions") or ()
    return next((it for it in conditions if it["type"] == type_), {})
