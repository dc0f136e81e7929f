"""Which volumes are made and which are removed."""

from pathlib import Path
from typing import Any

import pytest

from e2e.stand import provisioner

Object = dict[str, Any]
CLASS = {"metadata": {"name": "local"}, "provisioner": provisioner.NAME, "reclaimPolicy": "Delete"}
FOREIGN = {"metadata": {"name": "ssd"}, "provisioner": "csi.example.com"}


def claim(**metadata: Any) -> Object:
    about = {"name": "data", "namespace": "team", "uid": "u1", "annotations": {provisioner.SELECTED_NODE: "node2"}}
    spec = {
        "storageClassName": "local",
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "1Gi"}},
    }
    return {"metadata": {**about, **metadata}, "spec": spec}


def test_a_claim_gets_a_volume_once_a_node_is_chosen() -> None:
    assert provisioner.wanted([claim()], [], [CLASS, FOREIGN]) == [(claim(), CLASS)]


@pytest.mark.parametrize("metadata", [{"annotations": None}, {"deletionTimestamp": "2026-01-01T00:00:00Z"}])
def test_a_claim_without_a_node_or_on_its_way_out_gets_none(metadata: Object) -> None:
    assert provisioner.wanted([claim(**metadata)], [], [CLASS]) == []


def test_a_claim_of_another_class_or_already_bound_gets_none() -> None:
    foreign, bound = claim(), claim()
    foreign["spec"]["storageClassName"] = "ssd"
    bound["spec"]["volumeName"] = "pv"
    assert provisioner.wanted([foreign, bound], [], [CLASS, FOREIGN]) == []


def test_a_volume_is_made_once() -> None:
    made = provisioner.volume(claim(), CLASS, Path("/volumes/x"))
    assert provisioner.wanted([claim()], [made], [CLASS]) == []


def test_the_volume_is_bound_to_its_claim_and_node() -> None:
    spec = provisioner.volume(claim(), CLASS, Path("/volumes/x"))["spec"]
    assert spec["local"] == {"path": "/volumes/x"}
    assert spec["claimRef"]["uid"] == "u1"
    assert spec["capacity"] == {"storage": "1Gi"}
    (term,) = spec["nodeAffinity"]["required"]["nodeSelectorTerms"]
    assert term["matchExpressions"] == [{"key": "kubernetes.io/hostname", "operator": "In", "values": ["node2"]}]


def test_only_our_own_released_volumes_of_policy_delete_are_removed() -> None:
    def volume(name: str, policy: str = "Delete", phase: str = "Released", by: str = provisioner.NAME) -> Object:
        return {
            "metadata": {"name": name, "annotations": {provisioner.PROVISIONED_BY: by}},
            "spec": {"persistentVolumeReclaimPolicy": policy},
            "status": {"phase": phase},
        }

    ours = volume("ours")
    others = [volume("kept", policy="Retain"), volume("bound", phase="Bound"), volume("foreign", by="csi.example.com")]
    assert provisioner.unwanted([ours, *others]) == [ours]
