"""Who uses a bucket, who else means it, and which server an endpoint is."""

from typing import Any

import pytest

from agentmemory.buckets import world
from agentmemory.buckets.drift import AWS_EVALUATES, SEEN, Conditions
from agentmemory.buckets.trial import conclude
from agentmemory.core.key import Key
from agentmemory.core.store import Store

from .worlds import SPACE, around, automq, bucket, declared


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (None, "https://s3.eu-central-1.amazonaws.com", True),
        ("https://s3.us-east-1.amazonaws.com", "https://s3.eu-central-1.amazonaws.com", True),
        ("http://s3.storage.svc:7070", "http://s3.storage.svc.cluster.local:7070", True),
        ("https://s3.example.com", "https://S3.example.com:443", True),
        ("http://s3.storage.svc", "http://s3.storage.svc:80", True),
        ("https://s3.example.com", "https://s3.example.com:9000", False),
        ("https://amazonaws.com.example", None, False),
        ("http://s3.storage.svc", "http://s3.other.svc", False),
    ],
)
def test_one_server_has_one_name(one: str | None, other: str | None, same: bool) -> None:
    assert (world.server_of(one) == world.server_of(other)) is same


@pytest.mark.parametrize(
    ("spec", "named"),
    [
        ({"objectStorage": {"dataBucketRef": {"name": "a"}, "opsBucketRef": {"name": "b"}}}, {"a", "b"}),
        ({"tiering": {"bucketRef": {"name": "c"}}}, {"c"}),
        ({"tiering": {}}, set()),
        ({"tiering": "odd", "objectStorage": {"dataBucketRef": "odd"}}, set()),
        (None, set()),
    ],
)
def test_what_a_cluster_names(spec: Any, named: set[str]) -> None:
    assert world.references({"spec": spec}) == named


def obj(name: str, uid: str, made: str, **spec: Any) -> dict[str, Any]:
    found = declared(name, bucketName="shared", **spec)
    found["metadata"] |= {"uid": uid, "creationTimestamp": made, "resourceVersion": uid}
    return found


def test_the_older_claim_counts_unless_the_younger_has_it() -> None:
    store = Store()
    store.put(obj("older", "1", "2026-01-01T00:00:00Z"))
    younger = obj("younger", "2", "2026-01-02T00:00:00Z")
    store.put(younger)
    found = bucket(bucketName="shared")
    mine = found.model_copy(update={"metadata": found.metadata.model_copy(update={"uid": "2", "name": "younger"})})
    assert world.gather(store, mine).rival == Key("MemoryBucket", SPACE, "older")
    store.put({**younger, "metadata": {**younger["metadata"], "resourceVersion": "9"}, "status": {"adopted": False}})
    assert world.gather(store, mine).rival is None


def test_a_cluster_that_is_gone_uses_it_while_it_has_pods() -> None:
    store, used = Store(), bucket({"usedBy": ["agents", "gone"], "adopted": True, "region": "eu-central-1"})
    labels = {"agentmemory.dev/cluster": "agents"}
    store.put(
        {
            "kind": "Pod",
            "metadata": {"name": "agents-1000", "namespace": SPACE, "labels": labels, "resourceVersion": "1"},
        }
    )
    assert world.gather(store, used).used_by == ("agents",)
    store.put(automq("more") | {"metadata": {"name": "more", "namespace": SPACE, "resourceVersion": "2"}})
    assert world.gather(store, used).used_by == ("agents", "more")


@pytest.mark.parametrize(
    ("answers", "concluded"),
    [
        (("Denied", "Absent", "Absent"), Conditions("Supported", SEEN)),
        (("Denied", "Absent", "Denied"), Conditions("Supported", SEEN, locks_out=True)),
        (("Denied", "Denied", "Denied"), "Missing"),
        (("Absent", "Absent", "Absent"), "Unknown"),
        (("Absent", "Denied", "Absent"), "Missing"),
    ],
)
def test_what_a_trial_says(answers: Any, concluded: Any) -> None:
    found = conclude(around(bucket()), *answers)
    assert (found if isinstance(concluded, Conditions) else found.state) == concluded


def test_a_trial_on_aws_is_about_us_alone() -> None:
    assert conclude(around(bucket(s3={})), "Denied", "Absent", "Absent") == Conditions("Supported", AWS_EVALUATES)
