"""The rules of an apiserver over the log: create, update, patch, apply, scale, delete; preconditions and generation."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from agentmemory.core.key import Key

from .answers import ApiError, already_exists, cause, conflict, invalid, not_found
from .definitions import Definitions
from .ending import Ending
from .kinds import KINDS, FakeKind
from .log import Entry, Log
from .names import check_labels, check_name, generated
from .ownership import Owners, fields_of, updater
from .patches import merge_patch
from .rules import (
    MADE_FIELDS,
    check_base64,
    check_patch,
    check_uid_of_put,
    check_version,
    desired,
    encoded,
    in_order,
    key_in,
    metadata_of,
)

Object = dict[str, Any]


@dataclass(frozen=True)
class Writer:
    """Who writes and how: for field ownership, and whether unknown fields are refused (`fieldValidation=Strict`)."""

    manager: str = "unknown"
    force: bool = False
    strict: bool = False


NOBODY = Writer()


class Verbs:
    """Each is one transaction; every refusal is an ApiError. Takes objects that nobody else changes afterwards."""

    def __init__(
        self, log: Log, now: Callable[[], datetime], definitions: Definitions | None = None, faithful: bool = False
    ) -> None:
        self.log = log
        self.ending = Ending(log, self.stamp, strays=faithful)
        self._faithful = faithful
        self.ending.forget = self._forget
        self._now = now
        self._definitions = definitions
        self._made = 0
        # New custom objects: the real one stores them without the status that it shows as default, so that the first
        # write stores them anew even if it changes nothing.
        self._unstored: set[Key] = set()
        self._owners: dict[str, Owners] = {}  # by uid, of objects that were applied

    # --- verbs ---

    def create(self, obj: Object, writer: Writer = NOBODY) -> Entry:
        """POST."""
        kind = KINDS[obj["kind"]]
        metadata, key = self._creatable(kind, obj)
        self._made += 1
        metadata |= {"uid": str(UUID(int=(1 << 127) + self._made)), "creationTimestamp": self.stamp()}
        if kind.has_generation:
            metadata["generation"] = 1
        made = in_order(kind, obj, metadata)
        if kind.resource.custom:
            made.pop("status", None)
        made = self._admitted(kind, self._encoded(kind, made), writer)
        entry = self.log.commit(made)
        if self._faithful and kind.resource.custom:
            self._unstored.add(key)
        self.ending.settle(key)
        return entry

    def update(self, obj: Object, subresource: str | None = None, writer: Writer = NOBODY) -> tuple[Entry, bool]:
        """PUT; with whether it created the object."""
        kind, metadata = KINDS[obj["kind"]], obj["metadata"]
        key = key_in(kind, metadata)
        entry = self.log.find(key)
        if entry is None:
            if kind.created_by_update and subresource is None:
                return self.create(obj, writer), True
            raise not_found(kind, key.name)
        version = metadata.get("resourceVersion")
        if not version and not kind.blind_update:
            said = "Invalid value: 0: must be specified for an update"
            refused = invalid(kind, key.name, cause("FieldValueInvalid", said, "metadata.resourceVersion"))
            refused.status["details"]["kind"] = kind.resource.plural
            raise refused
        check_uid_of_put(kind, key.name, entry.obj["metadata"], metadata.get("uid"))
        check_version(kind, key, entry, version)
        return self._change(kind, entry, obj, subresource, writer), False

    def patch(self, key: Key, patch: Object, subresource: str | None = None, writer: Writer = NOBODY) -> Entry:
        """PATCH with a merge patch."""
        kind = KINDS[key.kind]
        entry = self.live(key)
        check_patch(kind, key, entry, patch, subresource)
        return self._change(kind, entry, merge_patch(entry.obj, patch), subresource, writer)

    def scale(self, key: Key, patch: Object, writer: Writer = NOBODY, *, put: bool = False) -> Object:
        """PATCH or PUT of the scale subresource."""
        wanted: Object = {"spec": {"replicas": (patch.get("spec") or {}).get("replicas", 0)}}
        entry = self.live(key)
        check_patch(KINDS[key.kind], key, entry, patch, "scale")
        if put:
            uid = (patch.get("metadata") or {}).get("uid")
            check_uid_of_put(KINDS[key.kind], key.name, entry.obj["metadata"], uid)
        self._change(KINDS[key.kind], entry, merge_patch(entry.obj, wanted), None, writer)
        return self.scale_of(key)

    def apply(self, wanted: Object, subresource: str | None, writer: Writer) -> tuple[Entry, bool]:
        """PATCH with server-side apply; with whether it created the object."""
        kind, metadata = KINDS[wanted["kind"]], wanted["metadata"]
        key = key_in(kind, metadata)
        entry = self.log.find(key)
        if entry is None:
            return self._applied_anew(kind, key, wanted, subresource, writer), True
        uid = entry.obj["metadata"]["uid"]
        known = self._owners.get(uid)
        owners = known or Owners.before(entry.obj, kind.resource.api_version)
        refused = None if writer.force else owners.conflicts(
            entry.obj, fields_of(wanted, subresource), writer.manager, subresource
        )  # fmt: skip
        if refused is not None:
            raise refused
        check_patch(kind, key, entry, wanted)
        draft = Owners({path: set(managers) for path, managers in owners.by_path.items()})
        after = draft.applied(entry.obj, wanted, writer.manager, subresource)
        changed = self._change(kind, entry, after, subresource, writer, follow=False)
        self._owners[uid] = draft
        return changed, False

    def delete(self, key: Key, options: Object | None = None) -> tuple[Entry, bool]:
        """DELETE; with whether the object is gone (and not held by finalizers or by what is in the namespace)."""
        return self.ending.delete(self.live(key), options or {})

    # --- looking ---

    def live(self, key: Key) -> Entry:
        """Raises ApiError 404."""
        entry = self.log.find(key)
        if entry is None:
            raise not_found(KINDS[key.kind], key.name)
        return entry

    def scale_of(self, key: Key) -> Object:
        """The scale subresource."""
        live = self.live(key).obj
        status = live.get("status") or {}
        shown = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
        selector = {"selector": status["selector"]} if status.get("selector") else {}
        return {
            "kind": "Scale",
            "apiVersion": "autoscaling/v1",
            "metadata": {name: live["metadata"][name] for name in shown},
            "spec": {"replicas": live["spec"].get("replicas", 0)},
            "status": {"replicas": status.get("replicas", 0), **selector},
        }

    def stamp(self) -> str:
        """The time, as objects carry it."""
        return self._now().strftime("%Y-%m-%dT%H:%M:%SZ")

    # --- inside ---

    def _creatable(self, kind: FakeKind, obj: Object) -> tuple[Object, Key]:
        given = obj.get("metadata") or {}
        metadata = {
            name: value for name, value in given.items() if name not in MADE_FIELDS and value not in (None, {}, [])
        }
        if not metadata.get("name") and metadata.get("generateName"):
            self._made += 1
            metadata["name"] = generated(metadata["generateName"], self._made)
        key = key_in(kind, {"name": metadata.get("name") or "", "namespace": metadata.get("namespace")})
        if not kind.resource.namespaced:
            metadata.pop("namespace", None)
        elif key.namespace:
            self.ending.check_namespace(kind, key)
        else:
            raise ApiError(400, "an empty namespace may not be set during creation")
        if given.get("resourceVersion"):
            raise ApiError(500, "resourceVersion should not be set on objects to be created", "")
        check_name(kind, key.name)
        check_labels(kind, key.name, metadata.get("labels") or {})
        if self.log.find(key) is not None:
            raise already_exists(kind, key.name)
        return metadata, key

    def _admitted(self, kind: FakeKind, made: Object, writer: Writer) -> Object:
        """What the kind adds to a new object."""
        if kind.resource.kind == "Namespace":
            labels = (made["metadata"].get("labels") or {}) | {"kubernetes.io/metadata.name": made["metadata"]["name"]}
            made["metadata"]["labels"] = labels
            return {**made, "spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"}}
        if not kind.resource.custom:
            return made
        if self._definitions is None:
            return {**made, "status": {"observedGeneration": -1}}
        made = self._definitions.clean(kind, made, writer.strict)
        self._definitions.check(kind, made)
        return made

    def _applied_anew(self, kind: FakeKind, key: Key, wanted: Object, subresource: str | None, writer: Writer) -> Entry:
        uid = wanted["metadata"].get("uid")
        if subresource is not None:
            raise not_found(kind, key.name)
        if uid:
            why = f"uid mismatch: the provided object specified uid {uid}, and no existing object was found"
            raise conflict(kind, key.name, why)
        metadata = {name: value for name, value in wanted["metadata"].items() if name != "resourceVersion"}
        made = self.create({**wanted, "metadata": metadata}, writer)
        owners = self._owners[made.obj["metadata"]["uid"]] = Owners()
        owners.applied(made.obj, wanted, writer.manager, None)
        return made

    def _change(
        self,
        kind: FakeKind,
        entry: Entry,
        wanted: Object,
        subresource: str | None,
        writer: Writer,
        *,
        follow: bool = True,
    ) -> Entry:
        live = entry.obj
        changed = self._wanted(kind, live, wanted, subresource)
        if self._definitions is not None and kind.resource.custom:
            changed = self._definitions.clean(kind, changed, writer.strict, live)
            self._definitions.check(kind, changed, live)
        if changed == live and entry.key not in self._unstored:
            return entry
        self._unstored.discard(entry.key)
        if kind.has_generation and desired(changed) != desired(live):
            changed["metadata"] = {**changed["metadata"], "generation": live["metadata"]["generation"] + 1}
        if follow and (owners := self._owners.get(live["metadata"]["uid"])) is not None:
            owners.written(live, changed, updater(writer.manager, kind.resource.api_version))
        if live["metadata"].get("deletionTimestamp") and not changed["metadata"].get("finalizers"):
            # The last finalizer went: nothing is stored, the object goes.
            self.ending.remove(entry.key)
            return Entry(entry.key, changed)
        stored = self.log.commit(changed)
        self.ending.settle(entry.key)
        return stored

    def _wanted(self, kind: FakeKind, live: Object, wanted: Object, subresource: str | None) -> Object:
        if subresource == "status":
            changed = {name: value for name, value in live.items() if name != "status"}
            return {**changed, "status": wanted["status"]} if wanted.get("status") is not None else changed
        changed = in_order(kind, wanted, metadata_of(kind, live, wanted["metadata"]))
        changed = self._encoded(kind, changed)
        if kind.has_status:
            changed.pop("status", None)
            if "status" in live:
                changed["status"] = live["status"]
        return changed

    def _encoded(self, kind: FakeKind, obj: Object) -> Object:
        if kind.resource.kind != "Secret":
            return obj
        if self._faithful:
            check_base64(obj.get("data") or {})
        return encoded(obj)

    def _forget(self, key: Key, uid: str) -> None:
        self._unstored.discard(key)
        self._owners.pop(uid, None)
