"""One declaration for a check that the apiserver makes in CEL and pydantic makes in Python.

Objects may be older than a rule, and tests may have no apiserver: so whatever CEL refuses on one object, the models
refuse too. A transition rule (`oldSelf`) has no Python side: the models see one object only.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from agentmemory.api.types import LABEL_PATTERN, Duration, Quantity

KEY = "x-kubernetes-validations"

NEW_OBJECT = "make a new object and delete this one"
"""The way out where something cannot change."""


@dataclass(frozen=True)
class Rule:
    """One CEL rule (`x-kubernetes-validations`) and its Python twin; on a field it stands in `Annotated`.

    `cel` sees the value as `self`; `message` says what is wrong and the way out; `path` (`.minInSync`) is where to
    point, below the value; `check` returns True for a good value and is None for transition rules only.
    """

    cel: str
    message: str
    check: Callable[[Any], bool] | None = None
    path: str = ""

    def __post_init__(self) -> None:
        if (self.check is None) != ("oldSelf" in self.cel):
            raise ValueError(f"rule {self.cel!r} needs a Python check unless it compares with oldSelf")

    def schema(self) -> dict[str, str]:
        """The entry of `x-kubernetes-validations`."""
        entry = {"rule": self.cel, "message": self.message}
        told = self.path and not self.path.startswith(".metadata")  # the apiserver takes no path into metadata
        return entry | ({"fieldPath": self.path} if told else {})

    def keep(self, value: Any) -> Any:
        """The value, or a pydantic error that carries the message."""
        if self.check is not None and not self.check(value):
            raise PydanticCustomError("rule", "{message}", {"message": self.message, "path": self.path})
        return value

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self.keep, handler(source))

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        schema = handler(core)
        schema.setdefault(KEY, []).append(self.schema())
        return schema


def immutable(what: str, way_out: str) -> Rule:
    """A required value that never changes. (An optional one needs its rule a level higher: remove-then-add.)"""
    return Rule("self == oldSelf", f"{what} cannot change; {way_out}")


def duration_between(low: str, high: str) -> Rule:
    """A duration within bounds, both included."""
    least, most = Duration(low), Duration(high)
    return Rule(
        f"duration(self) >= duration('{low}') && duration(self) <= duration('{high}')",
        f"must be from {low} to {high}",
        lambda value: least <= value <= most,
    )


def quantity_between(low: str, high: str) -> Rule:
    """A quantity within bounds, both included."""
    least, most = Quantity(low), Quantity(high)
    return Rule(
        f"quantity(string(self)).compareTo(quantity('{low}')) >= 0 && "
        f"quantity(string(self)).compareTo(quantity('{high}')) <= 0",
        f"must be from {low} to {high}",
        lambda value: least <= value <= most,
    )


def map_keys(pattern: str, length: int, what: str) -> Rule:
    """What the keys of a map must look like; `what` names them and says it in words."""
    return Rule(
        f"self.all(key, key.size() <= {length} && key.matches('{pattern}'))",
        f"{what}, at most {length} characters; write such ones",
        lambda found: all(len(key) <= length and re.search(pattern, key) is not None for key in found),
    )


def object_name(length: int, why: str, pattern: str = LABEL_PATTERN) -> Rule:
    """Bounds of `metadata.name`, for a KindInfo; `why` says what is made from the name."""
    first = " that begins with a letter" if pattern != LABEL_PATTERN else ""
    return Rule(
        f"self.metadata.name.size() <= {length} && self.metadata.name.matches('{pattern}')",
        f"metadata.name must be a DNS label (a-z, 0-9, inner hyphens, no dots) of at most {length} characters{first}, "
        f"since {why}; choose another name",
        lambda found: len(found.metadata.name) <= length and re.fullmatch(pattern, found.metadata.name) is not None,
        ".metadata.name",
    )
