"""Merge patch, and setting and removing by path, on plain dicts that are never changed in place."""

from typing import Any

Object = dict[str, Any]
Path = tuple[str, ...]


def merge_patch(target: Any, patch: Any) -> Any:
    """RFC 7386. The result shares what it can with both."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        elif isinstance(value, dict):
            result[name] = merge_patch(result.get(name), value)
        else:
            result[name] = value
    return result


def merged_over(live: Any, wanted: Object) -> Object:
    """`wanted` over `live`, dict by dict; lists go whole."""
    result = dict(live) if isinstance(live, dict) else {}
    for name, value in wanted.items():
        result[name] = merged_over(result.get(name), value) if isinstance(value, dict) else value
    return result


def without(obj: Object, path: Path) -> Object:
    """The object without what stands at the path, and without the dicts that this empties."""
    name, rest = path[0], path[1:]
    if name not in obj:
        return obj
    result = dict(obj)
    inner = result.pop(name)
    if rest and isinstance(inner, dict):
        kept = without(inner, rest)
        if kept:
            result[name] = kept
    return result


def leaves(obj: Object, path: Path = ()) -> dict[Path, Any]:
    """Everything in it that is not a dict with something in it, by path."""
    found: dict[Path, Any] = {}
    for name, value in obj.items():
        if isinstance(value, dict) and value:
            found |= leaves(value, (*path, name))
        else:
            found[(*path, name)] = value
    return found
