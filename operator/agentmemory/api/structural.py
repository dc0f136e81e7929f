"""pydantic models to what Kubernetes calls a structural schema, and a checker of what it demands.

Kubernetes knows no `$ref`, `const`, `type: null`, `title`, `propertyNames`, `patternProperties` or
`additionalProperties: false`, sets no default that is null, and prices every CEL rule by the largest value its schema
lets through: so every string, list and map has a bound.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from agentmemory.api.rules import KEY

Schema = dict[str, Any]
SHARED = frozenset({"conditions", "enforcement"})
"""Lists of a status to which others may add: a policy engine says what it enforces, a pipeline sets a condition."""

_FORBIDDEN = ("const", "oneOf", "allOf", "not", "prefixItems", "uniqueItems", "exclusiveMinimum", "exclusiveMaximum")
_FIRST = ("type", "description", "default", "enum", "format", "minimum", "maximum", "minLength", "maxLength", "pattern")
_LAST = ("items", "required", "properties")
_ORDER = {key: place for place, key in enumerate(_FIRST)} | {key: 100 + place for place, key in enumerate(_LAST)}
_INT32 = 2**31 - 1


class _KubernetesSchema(GenerateJsonSchema):
    """pydantic's generator with what Kubernetes has no word for left out."""

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        """Absent is absent: there is no null."""
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        """Defaults without nulls; an empty one stays away, except for an object whose fields have defaults."""
        made = super().default_schema(schema)
        if "default" in made:
            default = _without_none(made.pop("default"))
            if default is not None and default != []:
                made["default"] = default
        return made

    def int_schema(self, schema: core_schema.IntSchema) -> JsonSchemaValue:
        """Kubernetes has integers of two widths."""
        narrow = schema.get("le", _INT32 + 1) <= _INT32
        return {**super().int_schema(schema), "format": "int32" if narrow else "int64"}

    def dict_schema(self, schema: core_schema.DictSchema) -> JsonSchemaValue:
        """A map: what its keys must look like is said by a rule (`rules.map_keys`), for want of a word."""
        made: JsonSchemaValue = {
            "type": "object",
            "additionalProperties": self.generate_inner(schema["values_schema"]),
        }
        return made | ({"maxProperties": schema["max_length"]} if "max_length" in schema else {})

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002 (pydantic's signature)
        """Never: a title only repeats the field's name."""
        return False


def structural_schema(model: type[BaseModel]) -> Schema:
    """The model's schema as a CRD takes it. Raises ValueError where Kubernetes would refuse it."""
    generated = model.model_json_schema(schema_generator=_KubernetesSchema)
    schema = _inline(generated, generated.pop("$defs", {}))
    faults = list(violations(schema, ""))
    if faults:
        raise ValueError(f"{model.__name__}: " + "; ".join(faults))
    return schema


def violations(schema: Mapping[str, Any], path: str) -> Iterator[str]:
    """What the apiserver would refuse or could not price, and fields without a description."""
    where = path or "the schema"
    yield from (f"{where}: {word} is not structural" for word in _FORBIDDEN if word in schema)
    if "x-kubernetes-int-or-string" not in schema:
        yield from _unbounded(schema, where)
    if _has_null(schema.get("default")):
        yield f"{where}: default holds a null"
    for name, child in schema.get("properties", {}).items():
        if not child.get("description"):
            yield f"{path}.{name}: has no description"
        yield from violations(child, f"{path}.{name}")
    if "items" in schema:
        yield from violations(schema["items"], f"{path}[]")
    if "additionalProperties" in schema:
        yield from violations(schema["additionalProperties"], f"{path}{{}}")


def rules(schema: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Mapping[str, str]]]:
    """Every CEL rule as (path, entry), outermost first: `.spec.topics[].partitions`."""
    for entry in schema.get(KEY, ()):
        yield path, entry
    for name, child in schema.get("properties", {}).items():
        yield from rules(child, f"{path}.{name}")
    if "items" in schema:
        yield from rules(schema["items"], f"{path}[]")


def _unbounded(schema: Mapping[str, Any], where: str) -> Iterator[str]:
    match schema.get("type"):
        case "string" if not {"maxLength", "enum", "format"} & schema.keys():
            yield f"{where}: a string needs maxLength, enum or format"
        case "array" if "maxItems" not in schema:
            yield f"{where}: a list needs maxItems"
        case "object" if "additionalProperties" in schema:
            if "maxProperties" not in schema:
                yield f"{where}: a map needs maxProperties"
        case "object" if "properties" not in schema:
            yield f"{where}: an object needs properties"
        case None:
            yield f"{where}: has no type"


def _inline(schema: Schema, definitions: Mapping[str, Schema]) -> Schema:
    """The schema with every `$ref` put in its place; what stands beside one wins, and the rules of both stay."""
    if "$ref" in schema:
        target = definitions[schema["$ref"].removeprefix("#/$defs/")]
        both = [*target.get(KEY, ()), *schema.get(KEY, ())]
        schema = {**target, **schema, **({KEY: both} if both else {})}
    kept = sorted(schema.keys() - {"$ref", "title"}, key=_place)
    made = {key: schema[key] for key in kept}
    if not isinstance(made.get("additionalProperties"), dict):
        made.pop("additionalProperties", None)
    else:
        made["additionalProperties"] = _inline(made["additionalProperties"], definitions)
    if "description" in made:
        made["description"] = " ".join(made["description"].split())
    if "properties" in made:
        made["properties"] = {name: _inline(child, definitions) for name, child in made["properties"].items()}
    if "items" in made:
        made["items"] = _inline(made["items"], definitions)
    return made


def _place(key: str) -> tuple[int, str]:
    """People look for the type first and for what is inside last."""
    return _ORDER.get(key, len(_FIRST)), key


def without_defaults(schema: Schema) -> Schema:
    """For a status: the apiserver would put defaults beside what the operator wrote, and so make it look changed."""
    made = {key: value for key, value in schema.items() if key != "default"}
    if "properties" in made:
        made["properties"] = {name: without_defaults(child) for name, child in made["properties"].items()}
    if "items" in made:
        made["items"] = without_defaults(made["items"])
    return made


def with_whole_lists(schema: Schema) -> Schema:
    """For a status: its lists belong to their writer as a whole; of a list that others may add to, each entry does.

    There is one writer as a rule. Who set which entry, and which field of it, would fill half of the object's
    managedFields, and be the costliest part of a status write for the API server.
    """
    made = dict(schema)
    if "properties" in made:
        made["properties"] = {name: _whole(name, child) for name, child in made["properties"].items()}
    return made


def _whole(name: str, schema: Schema) -> Schema:
    made = with_whole_lists(schema)
    if made.get("x-kubernetes-list-type") != "map":
        return made
    if name in SHARED:
        return {**made, "items": {**made["items"], "x-kubernetes-map-type": "atomic"}}
    del made["x-kubernetes-list-map-keys"]
    return {**made, "x-kubernetes-list-type": "atomic"}


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_none(item) for key, item in value.items() if item is not None and item != []}
    return [_without_none(item) for item in value] if isinstance(value, list) else value


def _has_null(value: Any) -> bool:
    if isinstance(value, dict):
        return any(item is None or _has_null(item) for item in value.values())
    return isinstance(value, list) and any(item is None or _has_null(item) for item in value)
