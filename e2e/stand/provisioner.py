"""`local` PersistentVolumes made when a pod needs one: a folder of its node that any user may write.

What a CSI driver's sidecar does in a real cluster: wait for the scheduler to choose a node for a claim, make the
volume there, and remove it when a volume of reclaim policy Delete has lost its claim.
"""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from e2e.stand.kubeapi import Api, ApiError
from e2e.stand.shell import say

Object = dict[str, Any]
NAME = "agentmemory.dev/stand-local"
SELECTED_NODE = "volume.kubernetes.io/selected-node"
PROVISIONED_BY = "pv.kubernetes.io/provisioned-by"


def wanted(claims: list[Object], volumes: list[Object], classes: list[Object]) -> list[tuple[Object, Object]]:
    """The claims to make a volume for now, each with its storage class."""
    ours = {item["metadata"]["name"]: item for item in classes if item["provisioner"] == NAME}
    made = {item["metadata"]["name"] for item in volumes}
    return [
        (claim, ours[claim["spec"]["storageClassName"]])
        for claim in claims
        if claim["spec"].get("storageClassName") in ours
        and not claim["spec"].get("volumeName")
        and SELECTED_NODE in (claim["metadata"].get("annotations") or {})
        and "deletionTimestamp" not in claim["metadata"]
        and volume_name(claim) not in made
    ]


def unwanted(volumes: list[Object]) -> list[Object]:
    """Our volumes whose claim is gone and that need not be kept."""
    return [
        volume
        for volume in volumes
        if (volume["metadata"].get("annotations") or {}).get(PROVISIONED_BY) == NAME
        and volume["spec"]["persistentVolumeReclaimPolicy"] == "Delete"
        and (volume.get("status") or {}).get("phase") == "Released"
        and "deletionTimestamp" not in volume["metadata"]
    ]


def volume_name(claim: Object) -> str:
    return f"pvc-{claim['metadata']['uid']}"


def volume(claim: Object, storage_class: Object, folder: Path) -> Object:
    """The PersistentVolume for a claim, bound to it, on the node that the scheduler chose."""
    about = claim["metadata"]
    node = about["annotations"][SELECTED_NODE]
    here = {"key": "kubernetes.io/hostname", "operator": "In", "values": [node]}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": volume_name(claim), "annotations": {PROVISIONED_BY: NAME}},
        "spec": {
            "capacity": {"storage": claim["spec"]["resources"]["requests"]["storage"]},
            "accessModes": claim["spec"]["accessModes"],
            "volumeMode": "Filesystem",
            "storageClassName": storage_class["metadata"]["name"],
            "persistentVolumeReclaimPolicy": storage_class.get("reclaimPolicy", "Delete"),
            "local": {"path": str(folder)},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [here]}]}},
            "claimRef": {
                "apiVersion": "v1",
                "kind": "PersistentVolumeClaim",
                "namespace": about["namespace"],
                "name": about["name"],
                "uid": about["uid"],
            },
        },
    }


def provision(api: Api, folder_of: Callable[[str, str], Path], claim: Object, storage_class: Object) -> None:
    """Makes the folder (writable by every user: a stand's volumes hide nothing) and its PersistentVolume."""
    node = claim["metadata"]["annotations"][SELECTED_NODE]
    folder = folder_of(node, volume_name(claim))
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o777)
    try:
        api.request("POST", "/api/v1/persistentvolumes", volume(claim, storage_class, folder))
    except ApiError as error:
        if error.code != 409:  # made by an earlier life of ours
            raise
    say(f"volume {volume_name(claim)} for {claim['metadata']['namespace']}/{claim['metadata']['name']} on {node}")


def reclaim(api: Api, item: Object) -> None:
    """Removes a volume and what is in it."""
    try:
        api.request("DELETE", f"/api/v1/persistentvolumes/{item['metadata']['name']}")
    except ApiError as error:
        if error.code != 404:
            raise
    shutil.rmtree(item["spec"]["local"]["path"], ignore_errors=True)
    say(f"volume {item['metadata']['name']} removed")
