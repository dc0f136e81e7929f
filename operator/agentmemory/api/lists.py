"""Kubernetes' list types for `Annotated`: the schema's mark, and pydantic's refusal of what repeats.

Both let two writers merge their parts under server-side apply, and the apiserver refuses repetitions.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.alias_generators import to_snake
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema


@dataclass(frozen=True)
class ListSet:
    """A list of different scalars (`x-kubernetes-list-type: set`)."""

    def keys(self, items: Sequence[Any]) -> list[Any]:
        """What must differ."""
        return list(items)

    def mark(self) -> dict[str, Any]:
        """The schema's extension."""
        return {"x-kubernetes-list-type": "set"}

    def refuse_repeats(self, items: Sequence[Any]) -> Sequence[Any]:
        """The items. Raises ValueError that names what stands there twice."""
        keys = self.keys(items)
        if len(set(keys)) == len(keys):
            return items
        repeated = sorted({str(key) for key in keys if keys.count(key) > 1})
        if repeated:
            raise ValueError(f"{', '.join(repeated)} stands there more than once; keep one")
        return items

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self.refuse_repeats, handler(source))

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {**handler(core), **self.mark()}


@dataclass(frozen=True)
class ListMap(ListSet):
    """A list of objects told apart by one field (`x-kubernetes-list-type: map`); `key` in camelCase."""

    key: str = "name"

    @cached_property
    def _attribute(self) -> str:
        return to_snake(self.key)

    def keys(self, items: Sequence[Any]) -> list[Any]:
        return [getattr(item, self._attribute) for item in items]

    def mark(self) -> dict[str, Any]:
        return {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": [self.key]}
