"""The rules of an apiserver over the log: create, update, patch, delete, finalizers, generation, owners, namespaces."""

import base64
import copy
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from agentmemory.core.key import Key, key_of
from agentmemory.kube.resources import RESOURCES

from .answers import ApiError, already_exists, conflict, not_found, terminating
from .kinds import KINDS, FakeKind
from .log import Log
from .patches import apply_patch, merge_patch

Object = dict[str, Any]
# What only the server decides.
SERVER_FIELDS = ("uid", "resourceVersion", "creationTimestamp", "deletionTimestamp", "generation", "namespace", "name")


class FakeCluster:
    """The state and its verbs; every refusal is an ApiError. Synchronous: one verb is one transaction."""

    def __init__(self, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.log = Log()
        self._now = now
        self._uids = 0
        self._applied: dict[tuple[str, str], Object] = {}  # (uid, manager) -> what it applied last

    # --- what tests use to act as somebody else (a user, a kubelet) ---

    def get(self, key: Key) -> Object:
        """A copy of the object. Raises ApiError 404."""
        return copy.deepcopy(self._live(key))

    def find(self, key: Key) -> Object | None:
        """A copy of the object, or None."""
        return copy.deepcopy(self.log.objects.get(key))

    def list(self, kind: str, namespace: str | None = None) -> "list[Object]":
        """Copies, sorted by namespace and name."""
        keys = sorted(k for k in self.log.objects if k.kind == kind and namespace in (None, k.namespace))
        return [copy.deepcopy(self.log.objects[key]) for key in keys]

    def put(self, obj: Object) -> Object:
        """Create the object (and its namespace), or merge it over the one that is there, as `kubectl apply` does."""
        key = key_of(obj)
        if key.namespace:
            self.namespace(key.namespace)
        return self.patch(key, obj) if key in self.log.objects else self.create(obj)

    def namespace(self, name: str) -> None:
        """Make sure that the namespace exists."""
        if Key("Namespace", "", name) not in self.log.objects:
            self.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})

    def set_status(self, key: Key, status: Object) -> Object:
        """Merge into the status, as a kubelet or a controller would."""
        return self.patch(key, {"status": status}, "status")

    # --- verbs ---

    def create(self, obj: Object) -> Object:
        kind = _kind(obj)
        key = self._creatable(kind, obj)
        self._uids += 1
        made = copy.deepcopy(obj)
        metadata = {name: value for name, value in made["metadata"].items() if name not in SERVER_FIELDS}
        metadata |= {
            "name": key.name,
            "uid": str(UUID(int=(1 << 127) + self._uids)),
            "creationTimestamp": self._stamp(),
        }
        if kind.resource.namespaced:
            metadata["namespace"] = key.namespace
        if kind.has_generation:
            metadata["generation"] = 1
        made["metadata"] = metadata
        made["apiVersion"] = kind.resource.api_version
        if kind.resource.custom:
            made["status"] = {"observedGeneration": -1}
        return self._out(self.log.commit(_encoded(made)))

    def update(self, obj: Object, subresource: str | None = None) -> Object:
        key = key_of(obj)
        live = self._live(key)
        self._check(key, live, obj["metadata"])
        return self._change(key, live, obj, subresource)

    def patch(self, key: Key, patch: Object, subresource: str | None = None) -> Object:
        live = self._live(key)
        if subresource == "scale":
            return self._scale(key, patch)
        self._check_patch(key, live, patch.get("metadata") or {})
        return self._change(key, live, merge_patch(live, patch), subresource)

    def apply(self, wanted: Object, manager: str) -> Object:
        """Server-side apply of one manager; conflicts with other managers are not told."""
        key = key_of(wanted)
        live = self.log.objects.get(key)
        uid = wanted["metadata"].get("uid")
        if live is None:
            if uid is not None:
                raise conflict(*_names(key), f"uid mismatch: {uid} given, and no object found")
            made = self.create(wanted)
        else:
            self._check_patch(key, live, wanted["metadata"])
            last = self._applied.get((live["metadata"]["uid"], manager), {})
            made = self._change(key, live, apply_patch(live, last, wanted), None)
        self._applied[(made["metadata"]["uid"], manager)] = copy.deepcopy(wanted)
        return made

    def delete(self, key: Key, options: Object | None = None) -> Object:
        live = self._live(key)
        options = options or {}
        self._check(key, live, options.get("preconditions") or {})
        if options.get("propagationPolicy") == "Orphan":
            self._orphan(live["metadata"]["uid"])
        if key.kind == "Namespace":
            return self._end_namespace(key, live)
        if live["metadata"].get("finalizers"):
            return self._out(self._mark_deleted(key, live))
        return self._out(self._remove(key))

    def scale_of(self, key: Key) -> Object:
        live = self._live(key)
        status = live.get("status") or {}
        return {
            "apiVersion": "autoscaling/v1",
            "kind": "Scale",
            "metadata": {name: live["metadata"].get(name) for name in ("name", "namespace", "uid", "resourceVersion")},
            "spec": {"replicas": live["spec"].get("replicas", 0)},
            "status": {"replicas": status.get("replicas", 0), "selector": status.get("selector", "")},
        }

    # --- inside ---

    def _scale(self, key: Key, patch: Object) -> Object:
        self._check(key, self._live(key), patch.get("metadata") or {})
        self.patch(key, {"spec": {"replicas": patch["spec"]["replicas"]}})
        return self.scale_of(key)

    def _live(self, key: Key) -> Object:
        live = self.log.objects.get(key)
        if live is None:
            raise not_found(*_names(key))
        return live

    def _creatable(self, kind: FakeKind, obj: Object) -> Key:
        metadata = obj["metadata"]
        if "name" not in metadata and "generateName" in metadata:
            metadata = obj["metadata"] = {**metadata, "name": f"{metadata['generateName']}{self.log.version:05x}"}
        key = key_of(obj)
        if not kind.resource.namespaced:
            key = key._replace(namespace="")
        elif key.namespace:
            self._check_namespace(kind, key)
        else:
            raise ApiError(400, "an empty namespace may not be set during creation")
        if key in self.log.objects:
            raise already_exists(*_names(key))
        if metadata.get("resourceVersion"):
            raise ApiError(500, "resourceVersion should not be set on objects to be created", "ServerError")
        return key

    def _check_namespace(self, kind: FakeKind, key: Key) -> None:
        namespace = self.log.objects.get(Key("Namespace", "", key.namespace))
        if namespace is None:
            raise not_found("namespaces", "", key.namespace)
        if namespace["metadata"].get("deletionTimestamp"):
            raise terminating(kind.resource.plural, key.namespace, key.name)

    def _check(self, key: Key, live: Object, preconditions: Object) -> None:
        for field in ("uid", "resourceVersion"):
            wanted = preconditions.get(field)
            if wanted and wanted != live["metadata"][field]:
                why = f"the {field} in the precondition is {wanted}, the object's is {live['metadata'][field]}"
                raise conflict(*_names(key), why)

    def _check_patch(self, key: Key, live: Object, metadata: Object) -> None:
        uid = metadata.get("uid")
        if uid and uid != live["metadata"]["uid"]:
            causes = [{"reason": "FieldValueInvalid", "field": "metadata.uid", "message": "field is immutable"}]
            raise ApiError(422, "metadata.uid: Invalid value: field is immutable", details={"causes": causes})
        self._check(key, live, metadata)

    def _change(self, key: Key, live: Object, wanted: Object, subresource: str | None) -> Object:
        kind = KINDS[key.kind]
        if subresource == "status":
            changed = {**live, "status": copy.deepcopy(wanted.get("status"))}
        else:
            changed = _encoded(copy.deepcopy(wanted))
            if kind.has_status:
                changed.pop("status", None)
                if "status" in live:
                    changed["status"] = live["status"]
            changed["metadata"] = self._metadata(live, changed)
            changed["apiVersion"], changed["kind"] = live["apiVersion"], live["kind"]
        if changed == live:
            return self._out(live)
        if kind.has_generation and _spec(changed) != _spec(live):
            changed["metadata"]["generation"] = live["metadata"]["generation"] + 1
        stored = self.log.commit(changed)
        if stored["metadata"].get("deletionTimestamp") and not stored["metadata"].get("finalizers"):
            stored = self._remove(key)
        return self._out(stored)

    def _metadata(self, live: Object, changed: Object) -> Object:
        old = live["metadata"]
        metadata = {name: value for name, value in changed["metadata"].items() if value not in (None, {}, [])}
        metadata.pop("managedFields", None)
        if old.get("deletionTimestamp") and set(metadata.get("finalizers", ())) - set(old.get("finalizers", ())):
            raise ApiError(
                422, "metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted"
            )
        for name in SERVER_FIELDS:
            metadata.pop(name, None)
            if name in old:
                metadata[name] = old[name]
        return metadata

    def _mark_deleted(self, key: Key, live: Object) -> Object:
        if live["metadata"].get("deletionTimestamp"):
            return live
        metadata = {**live["metadata"], "deletionTimestamp": self._stamp(), "deletionGracePeriodSeconds": 0}
        if KINDS[key.kind].has_generation:
            metadata["generation"] += 1
        return self.log.commit({**live, "metadata": metadata})

    def _remove(self, key: Key) -> Object:
        gone = self.log.remove(key)
        uid = gone["metadata"]["uid"]
        self._applied = {known: value for known, value in self._applied.items() if known[0] != uid}
        self._collect(uid)
        self._maybe_end(key.namespace)
        return gone

    def _collect(self, uid: str) -> None:
        """Garbage collection: dependents whose owners are all gone go too."""
        alive = {obj["metadata"]["uid"] for obj in self.log.objects.values()}
        for key, obj in list(self.log.objects.items()):
            owners = {reference["uid"] for reference in obj["metadata"].get("ownerReferences") or ()}
            if uid in owners and not owners & alive and key in self.log.objects:
                self.delete(key)

    def _orphan(self, uid: str) -> None:
        for key, obj in list(self.log.objects.items()):
            references = obj["metadata"].get("ownerReferences") or []
            if any(reference["uid"] == uid for reference in references):
                kept = [reference for reference in references if reference["uid"] != uid]
                self._change(key, obj, {**obj, "metadata": {**obj["metadata"], "ownerReferences": kept}}, None)

    def _end_namespace(self, key: Key, live: Object) -> Object:
        marked = self._mark_deleted(key, live)
        marked = self.log.commit({**marked, "status": {"phase": "Terminating"}})
        for inner in [known for known in self.log.objects if known.namespace == key.name]:
            if inner in self.log.objects:
                self.delete(inner)
        self._maybe_end(key.name)
        return self._out(marked)

    def _maybe_end(self, name: str) -> None:
        key = Key("Namespace", "", name)
        namespace = self.log.objects.get(key)
        if namespace is None or not namespace["metadata"].get("deletionTimestamp"):
            return
        if not any(known.namespace == name for known in self.log.objects):
            self.log.remove(key)

    def _stamp(self) -> str:
        return self._now().strftime("%Y-%m-%dT%H:%M:%SZ")

    def _out(self, obj: Object) -> Object:
        return copy.deepcopy(obj)


def _kind(obj: Object) -> FakeKind:
    return KINDS[obj["kind"]]


def _names(key: Key) -> tuple[str, str, str]:
    resource = RESOURCES[key.kind]
    return resource.plural, resource.group, key.name


def _spec(obj: Object) -> Object:
    return {name: value for name, value in obj.items() if name not in ("metadata", "status")}


def _encoded(obj: Object) -> Object:
    """Secrets are written with stringData and read with data."""
    if obj["kind"] == "Secret" and "stringData" in obj:
        texts = obj.pop("stringData") or {}
        encoded = {name: base64.b64encode(text.encode()).decode() for name, text in texts.items()}
        obj["data"] = {**(obj.get("data") or {}), **encoded}
    return obj
