"""The discovery documents, as far as clients ask for them."""

from typing import Any

from agentmemory.kube.resources import RESOURCES

from .kinds import KINDS

Object = dict[str, Any]
ALL_VERBS = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]


def discover(parts: list[str], hidden: set[str]) -> Object | None:
    """The document under this path, None when it is not a discovery path."""
    if parts == ["version"]:
        return {"major": "1", "minor": "36", "gitVersion": "v1.36.0-fake", "platform": "linux/amd64"}
    if parts == ["api"]:
        return {"kind": "APIVersions", "versions": ["v1"]}
    if parts == ["apis"]:
        return {"kind": "APIGroupList", "apiVersion": "v1", "groups": [_group(name) for name in _groups(hidden)]}
    if parts == ["api", "v1"]:
        return _resources("v1", hidden)
    if parts[0] == "apis" and len(parts) == 3 and parts[1] in _groups(hidden):
        return _resources(f"{parts[1]}/{parts[2]}", hidden)
    return None


def _groups(hidden: set[str]) -> list[str]:
    return sorted({known.group for kind, known in RESOURCES.items() if known.group and kind not in hidden})


def _group(name: str) -> Object:
    versions = sorted({known.version for known in RESOURCES.values() if known.group == name})
    entries = [{"groupVersion": f"{name}/{version}", "version": version} for version in versions]
    return {"name": name, "versions": entries, "preferredVersion": entries[0]}


def _resources(api_version: str, hidden: set[str]) -> Object:
    listed: list[Object] = []
    for kind, known in KINDS.items():
        resource = known.resource
        if resource.api_version != api_version or kind in hidden:
            continue
        entry = {"kind": kind, "singularName": kind.lower(), "namespaced": resource.namespaced}
        listed.append({**entry, "name": resource.plural, "verbs": ALL_VERBS})
        if known.has_status:
            listed.append({**entry, "name": f"{resource.plural}/status", "verbs": ["get", "patch", "update"]})
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": api_version, "resources": listed}
