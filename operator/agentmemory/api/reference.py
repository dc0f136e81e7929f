"""The reference document of the API, in Markdown, from the same schemas as the CRDs."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import yaml

from agentmemory.api.base import API_VERSION, KindInfo
from agentmemory.api.structural import rules

_HEAD = f"""<!-- Written by `python -m agentmemory.api.crdgen` from operator/agentmemory/api; change it there. -->
# API reference

All kinds are namespaced, in `{API_VERSION}`, and in the kubectl category `agentmemory`:
`kubectl get agentmemory -A` lists them all. Durations are written as GEP-2257 has them (`720h`, `1h30m`, `5s`),
quantities as everywhere in Kubernetes (`200Gi`, `500M`, or a plain integer). `kubectl explain topicfamily.spec` says
the same as this page.

A field with a default has it written into the object when the object is made, so that a later release of the operator
cannot change it. What one object shows to be wrong is refused by `kubectl apply`, with the messages under *Refused*.
"""
_YAML_END = "...\n"  # what PyYAML puts after a document that is one scalar


def render(kinds: Iterable[tuple[KindInfo, Mapping[str, Any]]]) -> str:
    """The document for these kinds and their `openAPIV3Schema`s."""
    return "\n".join([_HEAD, *(line for info, schema in kinds for line in _kind(info, schema))]).rstrip("\n") + "\n"


def _kind(info: KindInfo, schema: Mapping[str, Any]) -> Iterator[str]:
    yield f"## {info.kind}\n"
    yield f"{schema['description']}\n"
    yield f"`kubectl get {info.plural}`, short `{info.short}`.\n"
    for part in ("spec", "status"):
        yield f"### {info.kind} {part}\n"
        yield f"{schema['properties'][part]['description']}\n"
        yield "| field | type | default | meaning |\n| --- | --- | --- | --- |"
        yield from _rows(schema["properties"][part], f"{part}.")
        yield ""
    yield "### Refused\n"
    yield from (f"- `{path.removeprefix('.') or 'object'}`: {entry['message']}" for path, entry in rules(schema))
    yield ""


def _rows(schema: Mapping[str, Any], prefix: str) -> Iterator[str]:
    required = schema.get("required", ())
    for name, child in schema["properties"].items():
        path, below = f"{prefix}{name}", child
        if child.get("type") == "array":
            path, below = f"{path}[]", child["items"]
        default = "required" if name in required else _default(child)
        yield f"| `{path}` | {_type(child)} | {default} | {_cell(child['description'])} |"
        if "properties" in below:
            yield from _rows(below, f"{path}.")


def _type(schema: Mapping[str, Any]) -> str:
    if "enum" in schema:
        return " &#124; ".join(f"`{value}`" for value in schema["enum"])
    if "x-kubernetes-int-or-string" in schema:
        return "quantity"
    match schema["type"]:
        case "array":
            keys = schema.get("x-kubernetes-list-map-keys")
            kind = f"map by {keys[0]}" if keys else "set" if schema.get("x-kubernetes-list-type") == "set" else "list"
            return f"{kind} of {_type(schema['items'])}, {schema.get('minItems', 0)} to {schema['maxItems']}"
        case "integer":
            return "integer" + (f", {schema['minimum']} to {schema['maximum']}" if "maximum" in schema else "")
        case "string" if "(h|m|s|ms)" in schema.get("pattern", ""):
            return "duration"
        case "string" if schema.get("format") == "date-time":
            return "time"
        case other:
            return str(other)


def _default(schema: Mapping[str, Any]) -> str:
    if "default" not in schema:
        return ""
    text = yaml.safe_dump(schema["default"], default_flow_style=True, width=10_000, sort_keys=False)
    return f"`{text.removesuffix(_YAML_END).strip()}`"


def _cell(text: str) -> str:
    return text.replace("|", "&#124;")
