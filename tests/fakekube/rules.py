"""The rules of an apiserver that look at one object only: identity, metadata, preconditions, Secrets."""

import base64
import binascii
from typing import Any

from agentmemory.core.key import Key

from .answers import ApiError, cause, conflict, invalid, modified
from .kinds import FakeKind
from .log import Entry
from .names import check_labels, check_same

Object = dict[str, Any]

# What only the server decides.
SERVER_FIELDS = ("uid", "resourceVersion", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds")
OTHER_NAMESPACE = "the namespace of the provided object does not match the namespace sent on the request"
MADE_FIELDS = frozenset({*SERVER_FIELDS, "generation", "managedFields", "selfLink"})
KEPT_FIELDS = ("name", "namespace", *SERVER_FIELDS, "generation")


def key_in(kind: FakeKind, metadata: Object) -> Key:
    namespace = metadata.get("namespace") or "" if kind.resource.namespaced else ""
    return Key(kind.resource.kind, namespace, metadata["name"])


def in_order(kind: FakeKind, obj: Object, metadata: Object) -> Object:
    """apiVersion and kind first: lists of built-in kinds cut them off the JSON."""
    resource = kind.resource
    rest = {name: value for name, value in obj.items() if name not in ("apiVersion", "kind", "metadata")}
    return {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": metadata, **rest}


def metadata_of(kind: FakeKind, live: Object, wanted: Object) -> Object:
    old = live["metadata"]
    if wanted is old:
        return old
    metadata = {
        name: value
        for name, value in wanted.items()
        if name not in MADE_FIELDS and name not in KEPT_FIELDS and value not in (None, {}, [])
    }
    deleted = wanted.get("deletionTimestamp")
    if deleted and deleted != old.get("deletionTimestamp"):
        said = f'Invalid value: "{deleted}": field is immutable'
        raise invalid(kind, old["name"], cause("FieldValueInvalid", said, "metadata.deletionTimestamp"))
    added = set(metadata.get("finalizers", ())) - set(old.get("finalizers", ())) if "finalizers" in metadata else ()
    if added and old.get("deletionTimestamp"):
        names = ", ".join(f'"{name}"' for name in sorted(added))
        said = (
            "Forbidden: no new finalizers can be added if the object is being deleted,"
            f" found new finalizers []string{{{names}}}"
        )
        raise invalid(kind, old["name"], cause("FieldValueForbidden", said, "metadata.finalizers"))
    if metadata.get("labels") != old.get("labels"):
        check_labels(kind, old["name"], metadata.get("labels") or {})
    return {name: old[name] for name in KEPT_FIELDS if name in old} | metadata


def check_version(kind: FakeKind, key: Key, entry: Entry, version: str | None) -> None:
    if version and version != entry.obj["metadata"]["resourceVersion"]:
        raise modified(kind, key.name)


def check_patch(kind: FakeKind, key: Key, entry: Entry, patch: Object, subresource: str | None = None) -> None:
    """Raises ApiError. Through a custom object's subresource another uid is not even looked at."""
    metadata = patch.get("metadata") or {}
    check_same(metadata.get("name"), key.name, "name")
    if key.namespace and metadata.get("namespace", key.namespace) != key.namespace:
        raise ApiError(400, OTHER_NAMESPACE)
    uid = metadata.get("uid")
    check_version(kind, key, entry, metadata.get("resourceVersion"))
    if subresource is None or not kind.resource.custom:
        _check_uid(kind, key, entry, uid)
    if kind.resource.custom and subresource != "scale":
        check_type(kind, key.name, patch)


def check_type(kind: FakeKind, name: str, obj: Object) -> None:
    """Raises ApiError 422 for a body that says to be of another kind than its URL."""
    for field, wanted in (("apiVersion", kind.resource.api_version), ("kind", kind.resource.kind)):
        given = obj.get(field, wanted)
        if given != wanted:
            refused = invalid(
                kind, name, cause("FieldValueInvalid", f'Invalid value: "{given}": must be {wanted}', field)
            )
            if field == "kind":
                refused.status["details"]["kind"] = given
            raise refused


def check_uid_of_put(kind: FakeKind, name: str, live: Object, uid: str | None) -> None:
    """Raises ApiError 409."""
    if uid and uid != live["uid"]:
        why = f"Precondition failed: UID in precondition: {uid}, UID in object meta: {live['uid']}"
        raise conflict(kind, name, why)


def _check_uid(kind: FakeKind, key: Key, entry: Entry, uid: str | None) -> None:
    if uid and uid != entry.obj["metadata"]["uid"]:
        said = f'Invalid value: "{uid}": field is immutable'
        raise invalid(kind, key.name, cause("FieldValueInvalid", said, "metadata.uid"))


def desired(obj: Object) -> Object:
    return {name: value for name, value in obj.items() if name not in ("metadata", "status")}


def encoded(obj: Object) -> Object:
    """Secrets are written with stringData and read with data."""
    obj = dict(obj)
    texts = obj.pop("stringData", None) or {}
    data = (obj.get("data") or {}) | {name: base64.b64encode(text.encode()).decode() for name, text in texts.items()}
    if data or "data" in obj:
        obj["data"] = data
    return obj


def check_base64(data: dict[str, str]) -> None:
    for value in data.values():
        try:
            base64.b64decode(value, validate=True)
        except binascii.Error:
            said = 'Secret in version "v1" cannot be handled as a Secret: illegal base64 data at input byte 0'
            raise ApiError(400, said) from None
