"""Merge patch and server-side apply on plain dicts."""

import copy
from typing import Any

Object = dict[str, Any]


def merge_patch(target: Any, patch: Any) -> Any:
    """RFC 7386."""
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merge_patch(result.get(name), value)
    return result


def apply_patch(live: Object, last: Object, wanted: Object) -> Object:
    """Server-side apply of a single manager: what it applied before and applies no more goes; lists go whole."""
    result = _without(live, last, wanted)
    return _over(result, wanted)


def _without(live: Object, last: Object, wanted: Object) -> Object:
    result = dict(live)
    for name, value in last.items():
        if name not in result:
            continue
        if name not in wanted:
            if isinstance(value, dict) and isinstance(result[name], dict):
                inner = _without(result[name], value, {})
                if inner:
                    result[name] = inner
                    continue
            del result[name]
        elif isinstance(value, dict) and isinstance(wanted[name], dict) and isinstance(result[name], dict):
            result[name] = _without(result[name], value, wanted[name])
    return result


def _over(live: Any, wanted: Object) -> Object:
    result = dict(live) if isinstance(live, dict) else {}
    for name, value in wanted.items():
        result[name] = _over(result.get(name), value) if isinstance(value, dict) else copy.deepcopy(value)
    return result
