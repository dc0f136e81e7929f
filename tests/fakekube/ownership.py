"""Who owns which field, for server-side apply. Only objects that somebody applied are followed; lists are one field."""

from dataclasses import dataclass, field
from typing import Any

from .answers import ApiError
from .patches import Path, leaves, merged_over, without

Object = dict[str, Any]

FOLLOWED = frozenset({"labels", "annotations", "finalizers", "ownerReferences"})
BEFORE = "before-first-apply"


def fields_of(obj: Object, subresource: str | None = None) -> dict[Path, Any]:
    """What a manager can own: the status through its subresource, all the rest but identity through the object."""
    if subresource == "status":
        return leaves({"status": obj.get("status") or {}}) if obj.get("status") else {}
    metadata = {name: value for name, value in (obj.get("metadata") or {}).items() if name in FOLLOWED and value}
    rest = {name: value for name, value in obj.items() if name not in ("apiVersion", "kind", "metadata", "status")}
    return leaves({"metadata": metadata, **rest} if metadata else rest)


@dataclass
class Owners:
    """Of one object: path -> managers, each told as the apiserver tells it in a conflict."""

    by_path: dict[Path, set[str]] = field(default_factory=dict)

    @classmethod
    def before(cls, live: Object, api_version: str) -> "Owners":
        """Of an object that nobody applied so far."""
        told = updater(BEFORE, api_version)
        return cls({path: {told} for path in (*fields_of(live), *fields_of(live, "status"))})

    def conflicts(
        self, live: Object, wanted: dict[Path, Any], manager: str, subresource: str | None
    ) -> ApiError | None:
        """What `manager` may not change unless by force."""
        present = fields_of(live, subresource)
        found = [
            {"reason": "FieldManagerConflict", "message": f"conflict with {other}", "field": f".{'.'.join(path)}"}
            for path, value in wanted.items()
            if path in present and present[path] != value
            for other in sorted(self.by_path.get(path, set()) - {applier(manager)})
        ]
        if not found:
            return None
        count = f"{len(found)} conflict{'s' if len(found) > 1 else ''}"
        said = ", ".join(f"{one['message']}: {one['field']}" for one in found)
        return ApiError(409, f"Apply failed with {count}: {said}", details={"causes": found})

    def applied(self, live: Object, wanted: Object, manager: str, subresource: str | None) -> Object:
        """The object after the apply; the manager owns what it wants and nothing else there."""
        me, fields = applier(manager), fields_of(wanted, subresource)
        result = live
        present = fields_of(live, subresource)
        for path, owners in [*self.by_path.items()]:
            if me in owners and path not in fields and _in(path, subresource):
                owners.discard(me)
                if not owners:
                    del self.by_path[path]
                    result = without(result, path)
        for path, value in fields.items():
            owners = self.by_path.setdefault(path, set())
            if path not in present or present[path] != value:
                owners.clear()
            owners.add(me)
        return merged_over(result, _named(wanted, subresource))

    def written(self, before: Object, after: Object, told: str) -> None:
        """Somebody changed the object in another way than by apply."""
        for subresource in (None, "status"):
            old, new = fields_of(before, subresource), fields_of(after, subresource)
            for path in old.keys() - new.keys():
                self.by_path.pop(path, None)
            for path, value in new.items():
                if path not in old or old[path] != value:
                    self.by_path[path] = {told}


def applier(manager: str) -> str:
    return f'"{manager}"'


def updater(manager: str, api_version: str) -> str:
    return f'"{manager}" using {api_version}'


def _in(path: Path, subresource: str | None) -> bool:
    return (path[0] == "status") == (subresource == "status")


def _named(wanted: Object, subresource: str | None) -> Object:
    if subresource == "status":
        return {"status": wanted.get("status") or {}}
    return {name: value for name, value in wanted.items() if name != "status"}
