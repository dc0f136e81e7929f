"""Bad input: each ends in an error or a condition that says what, where and the way out, and disturbs nothing else."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
import yaml

from e2e.demo.engine import EXAMPLES
from e2e.demo.story import PLATFORM, TEAM, Story
from e2e.kubectl import Kubectl, KubectlError, condition_of


def example(name: str, **spec: Any) -> dict[str, Any]:
    """One of the five files, with other spec fields."""
    obj: dict[str, Any] = copy.deepcopy(yaml.safe_load((EXAMPLES / name).read_text()))
    obj["spec"] |= spec
    return obj


def named(obj: dict[str, Any], name: str, namespace: str = "") -> dict[str, Any]:
    obj["metadata"]["name"] = name
    if namespace:
        obj["metadata"]["namespace"] = namespace
    return obj


REFUSED_AT_APPLY = {
    "wrong enum": (named(example("family.yaml", priority="urgent"), "bad"), "spec.priority", "critical"),
    "negative retention": (named(example("family.yaml", retention={"time": "-1h"}), "bad"), "spec.retention.time", ""),
    "events too large": (named(example("family.yaml", maxEventBytes="3Gi"), "bad"), "spec.maxEventBytes", "64Mi"),
    "wrong engine": (named(example("cluster.yaml", engine="pulsar"), "bad"), "spec.engine", "kafka"),
    "no owner": (named(example("family.yaml", owner=None), "bad"), "spec.owner", ""),
    "minInSync above factor": (
        named(example("cluster.yaml", replication={"factor": 1, "minInSync": 2}), "bad"),
        "minInSync",
        "factor",
    ),
}


@pytest.mark.parametrize("case", REFUSED_AT_APPLY)
def test_the_api_server_refuses_and_names_the_field(kubectl: Kubectl, story: Story, case: str) -> None:
    obj, field, way_out = REFUSED_AT_APPLY[case]
    with pytest.raises(KubectlError) as refused:
        kubectl.apply(obj)
    assert field in str(refused.value)
    assert way_out in str(refused.value)


def test_partitions_never_shrink(kubectl: Kubectl, story: Story) -> None:
    family = kubectl.get("topicfamily", "trail", TEAM)
    assert family
    topics = family["spec"]["topics"]
    topics[0]["partitions"] -= 1
    with pytest.raises(KubectlError, match="partitions"):
        kubectl(
            "-n", TEAM, "patch", "topicfamily", "trail", "--type=merge", "-p", json.dumps({"spec": {"topics": topics}})
        )


def refused(kubectl: Kubectl, obj: dict[str, Any], kind: str, reason: str) -> str:
    """Apply, wait until it is refused for `reason`, take it away again; returns the message."""
    name, namespace = obj["metadata"]["name"], obj["metadata"]["namespace"]
    kubectl.apply(obj)
    try:
        seen = kubectl.wait_condition(kind, name, namespace, 60, "Ready", "False", reason)
        stalled = condition_of(seen, "Stalled")
        assert stalled is not None
        return str((condition_of(seen, "Ready") or {})["message"])
    finally:
        kubectl.delete(kind, name, namespace)


def test_a_tenant_that_does_not_list_the_namespace(kubectl: Kubectl, story: Story) -> None:
    kubectl.ensure_namespace("strangers")
    message = refused(
        kubectl, named(example("family.yaml"), "trail", "strangers"), "topicfamily", "NamespaceNotAllowed"
    )
    assert "strangers" in message
    assert "memory-system/support" in message


def test_a_tenant_that_does_not_exist(kubectl: Kubectl, story: Story) -> None:
    bad = named(example("family.yaml", tenantRef={"namespace": PLATFORM, "name": "nobody"}), "orphan")
    assert "nobody" in refused(kubectl, bad, "topicfamily", "TenantNotFound")


def test_a_pool_without_its_cluster(kubectl: Kubectl, story: Story) -> None:
    bad = named(example("brokers.yaml", clusterRef={"name": "nowhere"}), "lonely")
    assert "nowhere" in refused(kubectl, bad, "brokerpool", "ClusterNotFound")


def test_a_priority_that_the_tenant_does_not_allow(kubectl: Kubectl, story: Story) -> None:
    bad = named(example("family.yaml", priority="critical"), "loud")
    assert "standard" in refused(kubectl, bad, "topicfamily", "PriorityNotAllowed")


def test_a_broker_pool_never_shrinks_yet(kubectl: Kubectl, story: Story) -> None:
    kubectl("-n", PLATFORM, "scale", "brokerpool/brokers", "--replicas=2")
    try:
        seen = kubectl.wait_condition("brokerpool", "brokers", PLATFORM, 60, "Stalled", "True", "ScaleDownUnsupported")
        assert len(seen["status"]["brokers"]) == 3
    finally:
        kubectl("-n", PLATFORM, "scale", "brokerpool/brokers", "--replicas=3")
    kubectl.wait_ready("brokerpool", "brokers", PLATFORM, 60)
