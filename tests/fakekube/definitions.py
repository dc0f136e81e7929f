"""Our own CRDs as the fake uses them: every custom object pruned, defaulted and checked as its CRD says."""

from functools import cache
from pathlib import Path
from typing import Any

import yaml

from .answers import ApiError, invalid
from .kinds import KINDS, FakeKind
from .schema import Schema, where

Object = dict[str, Any]

CRDS = Path(__file__).parents[2] / "crds"
META = ("apiVersion", "kind", "metadata")


class Definitions:
    """Schemas of the custom kinds. `Definitions.ours()` reads crds/ once a process."""

    def __init__(self, schemas: dict[str, Schema]) -> None:
        self._schemas = schemas

    @classmethod
    def ours(cls) -> "Definitions":
        return cls(_ours())

    def clean(self, kind: FakeKind, obj: Object, strict: bool, live: Object | None = None) -> Object:
        """Pruned and with defaults. Raises ApiError 400 for an unknown field when `strict`.

        What is the same in `live` was cleaned before and is not again.
        """
        schema = self._schemas.get(kind.resource.kind)
        if schema is None:
            return obj
        unknown: list[Any] = []
        same = {} if live is None else {name: value for name, value in obj.items() if value is live.get(name)}
        rest = {name: value for name, value in obj.items() if name not in same} if same else obj
        cleaned: Object = schema.clean(rest, (), unknown)
        if cleaned is rest:
            cleaned = obj
        elif same:
            order = [*obj, *(name for name in cleaned if name not in obj)]
            cleaned = {name: same.get(name, cleaned.get(name)) for name in order if name in same or name in cleaned}
        if strict and unknown:
            told = ", ".join(f'unknown field "{path}"' for path in sorted(where(one) for one in unknown))
            name, version = kind.resource.kind, kind.resource.version
            said = f'{name} in version "{version}" cannot be handled as a {name}: strict decoding error: {told}'
            raise ApiError(400, said)
        return cleaned

    def check(self, kind: FakeKind, obj: Object, live: Object | None = None) -> None:
        """Raises ApiError 422. What is the same in `live` was checked before and is not again."""
        schema = self._schemas.get(kind.resource.kind)
        if schema is None:
            return
        same = {} if live is None else {name for name in obj if obj[name] is live.get(name)}
        rest = {name: value for name, value in obj.items() if name not in same or name in META}
        found: list[Object] = []
        schema.check(rest, (), found)
        causes = [one for one in found if one["field"] not in same]
        if causes:
            raise invalid(kind, obj["metadata"]["name"], *causes)


@cache
def _ours() -> dict[str, Schema]:
    found = {}
    for file in sorted(CRDS.glob("*.yaml")):
        crd = yaml.load(file.read_text(), Loader=yaml.CSafeLoader)
        kind = crd["spec"]["names"]["kind"]
        if kind not in KINDS:
            raise ValueError(f"{file.name}: no resource of this kind is known")
        found[kind] = Schema(crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"])
    return found
