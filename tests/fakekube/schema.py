"""Structural schemas: prune, default, check, worded as the apiserver does. CEL is left out; unknown keywords fail."""

import re
from collections.abc import Callable
from typing import Any

import orjson

from .answers import cause

Object = dict[str, Any]

# (the path before, name or index), from the end to the start, so that a path is made only where it is told.
Path = Any

NUMBERS = (int, float)
TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "string or integer": (str, int),
}
KNOWN = frozenset(
    {
        *("type", "description", "required", "properties", "default", "format", "enum", "items", "pattern", "anyOf"),
        *("minLength", "maxLength", "minItems", "maxItems", "minimum", "maximum", "x-kubernetes-int-or-string"),
        *("x-kubernetes-validations", "x-kubernetes-list-type", "x-kubernetes-list-map-keys"),
        *("x-kubernetes-map-type", "additionalProperties", "maxProperties"),
    }
)
DATE_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
BOUNDS = {"int32": 2**31, "int64": 2**63}


class Schema:
    """One node, made ready once: `clean` prunes and defaults without copying what it keeps, `check` finds faults."""

    def __init__(self, raw: Object) -> None:
        unknown = raw.keys() - KNOWN
        if unknown:
            raise ValueError(f"the fake apiserver knows no schema keyword {', '.join(sorted(unknown))}")
        self._raw = raw
        self._type: str = "string or integer" if raw.get("x-kubernetes-int-or-string") else raw["type"]
        self._types = TYPES[self._type]
        # Objects without properties (metadata) are kept as they are.
        self._properties = {name: Schema(inner) for name, inner in raw.get("properties", {}).items()}
        self._defaults = {
            name: node.clean(node._raw["default"], (), [])
            for name, node in self._properties.items()
            if "default" in node._raw
        }
        self._required: list[str] = raw.get("required", [])
        self._items = Schema(raw["items"]) if "items" in raw else None
        self._values = Schema(raw["additionalProperties"]) if "additionalProperties" in raw else None
        self._text = Text(raw)
        self._number = Number(raw)
        self._enum: list[Any] | None = raw.get("enum")
        self._fine = self._quick()

    def _quick(self) -> Callable[[Any], bool]:
        """Whether a string is fine, in one call: most of what there is to check."""
        enum, text = self._enum, self._text
        if self._type != "string":
            return _not_sure
        if enum is not None:
            return enum.__contains__
        most, least, pattern = text.most, text.least, text.pattern
        if text.is_time or pattern is None:
            return _not_sure if text.is_time else lambda value: type(value) is str and least <= len(value) <= most
        search = pattern.search
        return lambda value: type(value) is str and least <= len(value) <= most and search(value) is not None

    # --- pruning and defaults ---

    def clean(self, value: Any, path: Path, unknown: list[Path]) -> Any:
        """The value without unknown fields (their paths go into `unknown`) and with defaults."""
        if self._properties and isinstance(value, dict):
            return self._clean_object(value, path, unknown)
        if self._values is not None and isinstance(value, dict):
            return self._clean_map(value, path, unknown)
        if self._items is not None and isinstance(value, list):
            items = self._items
            cleaned = [items.clean(item, (path, at), unknown) for at, item in enumerate(value)]
            same = all(new is old for new, old in zip(cleaned, value, strict=True))
            return value if same else cleaned
        return value

    def _clean_map(self, value: Object, path: Path, unknown: list[Path]) -> Object:
        assert self._values is not None
        cleaned = {
            name: self._values.clean(inner, (path, name), unknown) for name, inner in value.items() if inner is not None
        }
        same = len(cleaned) == len(value) and all(cleaned[name] is value[name] for name in cleaned)
        return value if same else cleaned

    def _clean_object(self, value: Object, path: Path, unknown: list[Path]) -> Object:
        changed: Object = {}
        pruned: list[str] = []
        for name, inner in value.items():
            node = self._properties.get(name)
            if node is None:
                unknown.append((path, name))
                pruned.append(name)
            elif inner is None:
                pruned.append(name)  # nothing of ours is nullable
            elif isinstance(inner, dict | list):
                cleaned = node.clean(inner, (path, name), unknown)
                if cleaned is not inner:
                    changed[name] = cleaned
        for name, default in self._defaults.items():
            if value.get(name) is None:
                changed[name] = default
        if not changed and not pruned:
            return value
        return {name: inner for name, inner in value.items() if name not in pruned} | changed

    # --- faults ---

    def check(self, value: Any, path: Path, causes: list[Object]) -> None:
        """Append the causes of a 422."""
        if type(value) not in self._types:
            found = _type_of(value)
            said = f'Invalid value: "{found}": {where(path)} in body must be of type {self._type}: "{found}"'
            causes.append(cause("FieldValueTypeInvalid", said, where(path)))
            return
        if self._properties:
            self._check_object(value, path, causes)
        elif self._values is not None:
            self._check_map(value, path, causes)
        elif type(value) is list:
            self._check_list(value, path, causes)
        elif type(value) is str:
            self._text.check(value, path, causes)
        elif type(value) in NUMBERS:
            self._number.check(value, path, causes)
        if self._enum is not None and value not in self._enum:
            supported = ", ".join(_json(one) for one in self._enum)
            said = f"Unsupported value: {_json(value)}: supported values: {supported}"
            causes.append(cause("FieldValueNotSupported", said, where(path)))

    def _check_object(self, value: Object, path: Path, causes: list[Object]) -> None:
        missing = [name for name in self._required if name not in value]
        causes += [cause("FieldValueRequired", "Required value", where((path, name))) for name in missing]
        for name, inner in value.items():
            node = self._properties.get(name)
            if node is not None and not node._fine(inner):
                node.check(inner, (path, name), causes)

    def _check_map(self, value: Object, path: Path, causes: list[Object]) -> None:
        assert self._values is not None
        most = self._raw.get("maxProperties")
        if most is not None and len(value) > most:
            said = f"Too many: {len(value)}: must have at most {most} items"
            causes.append(cause("FieldValueTooMany", said, where(path)))
        for name, inner in value.items():
            self._values.check(inner, (path, name), causes)

    def _check_list(self, value: list[Any], path: Path, causes: list[Object]) -> None:
        most, least = self._raw.get("maxItems"), self._raw.get("minItems", 0)
        if most is not None and len(value) > most:
            said = f"Too many: {len(value)}: must have at most {most} items"
            causes.append(cause("FieldValueTooMany", said, where(path)))
        if len(value) < least:
            said = f"Invalid value: {len(value)}: {where(path)} in body should have at least {least} items"
            causes.append(cause("FieldValueInvalid", said, where(path)))
        if self._items is not None:
            for at, item in enumerate(value):
                self._items.check(item, (path, at), causes)
        sort = self._raw.get("x-kubernetes-list-type", "atomic")
        if sort != "atomic" and len(value) > 1:
            self._check_repeats(value, sort, path, causes)

    def _check_repeats(self, value: list[Any], sort: str, path: Path, causes: list[Object]) -> None:
        keys = self._raw.get("x-kubernetes-list-map-keys", ())
        seen: list[Any] = []
        for at, item in enumerate(value):
            if sort == "map" and not isinstance(item, dict):
                continue
            identity = {key: item.get(key) for key in keys} if sort == "map" else item
            if identity in seen:
                said = f"Duplicate value: {_json(identity)}"
                causes.append(cause("FieldValueDuplicate", said, where((path, at))))
            seen.append(identity)


class Text:
    """What a schema asks of a string."""

    def __init__(self, raw: Object) -> None:
        self.most: int = raw.get("maxLength", 2**31)
        self.least: int = raw.get("minLength", 0)
        self.pattern = re.compile(raw["pattern"]) if "pattern" in raw else None
        self.is_time = raw.get("format") == "date-time"

    def check(self, value: str, path: Path, causes: list[Object]) -> None:
        if len(value) > self.most:
            said = f"Too long: may not be more than {self.most} bytes"
            causes.append(cause("FieldValueTooLong", said, where(path)))
        if len(value) < self.least:
            self._refuse(f"should be at least {self.least} chars long", value, path, causes)
        if self.pattern is not None and not self.pattern.search(value):
            self._refuse(f"should match '{self.pattern.pattern}'", value, path, causes)
        if self.is_time and not DATE_TIME.fullmatch(value):
            self._refuse(f"must be of type date-time: {_json(value)}", value, path, causes)

    def _refuse(self, why: str, value: str, path: Path, causes: list[Object]) -> None:
        said = f"Invalid value: {_json(value)}: {where(path)} in body {why}"
        causes.append(cause("FieldValueInvalid", said, where(path)))


class Number:
    """What a schema asks of a number."""

    def __init__(self, raw: Object) -> None:
        self._least, self._most = raw.get("minimum"), raw.get("maximum")
        self._format = raw.get("format", "")
        self._bound = BOUNDS.get(self._format)

    def check(self, value: float, path: Path, causes: list[Object]) -> None:
        if self._least is not None and value < self._least:
            self._refuse(f"should be greater than or equal to {self._least}", value, path, causes)
        if self._most is not None and value > self._most:
            self._refuse(f"should be less than or equal to {self._most}", value, path, causes)
        if self._bound is not None and not -self._bound <= value < self._bound:
            self._refuse(f"must be of type {self._format}", value, path, causes)

    def _refuse(self, why: str, value: float, path: Path, causes: list[Object]) -> None:
        said = f"Invalid value: {value}: {where(path)} in body {why}"
        causes.append(cause("FieldValueInvalid", said, where(path)))


def _not_sure(_: Any) -> bool:
    return False


def where(path: Path) -> str:
    """`spec.topics[0].name` for the path as it was come by."""
    parts: list[str] = []
    while path:
        path, name = path
        parts.append(f"[{name}]" if isinstance(name, int) else f".{name}")
    return "".join(reversed(parts)).removeprefix(".")


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()


def _type_of(value: Any) -> str:
    if value is None:
        return "null"
    return next(name for name, types in TYPES.items() if type(value) in types)
