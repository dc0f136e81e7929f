"""`python -m agentmemory.api.crdgen [--check]`: writes crds/ and docs/reference/api.md from the models.

With --check it writes nothing, names each file that differs, and ends with 1.
"""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel

from agentmemory.api.base import VERSION, Column, KindInfo, Resource
from agentmemory.api.kinds import KINDS
from agentmemory.api.labels import GROUP
from agentmemory.api.reference import render
from agentmemory.api.rules import KEY
from agentmemory.api.structural import Schema, structural_schema, with_whole_lists, without_defaults

HEADER = "# Written by `python -m agentmemory.api.crdgen` from operator/agentmemory/api; change it there.\n"
REFERENCE = "docs/reference/api.md"

_API_VERSION = "The version of this kind's API, agentmemory.dev/v1alpha1."


def object_schema(model: type[Resource[Any, Any]]) -> Schema:
    """`openAPIV3Schema`: the whole object. The status' default stands on `status` itself; a nested one does nothing."""
    info = model.INFO
    schema: Schema = {
        "type": "object",
        "description": _description(model),
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string", "description": _API_VERSION},
            "kind": {"type": "string", "description": f"{info.kind}."},
            "metadata": {"type": "object"},
            "spec": structural_schema(_part(model, "spec")),
            "status": {
                **with_whole_lists(without_defaults(structural_schema(_part(model, "status")))),
                "default": {"observedGeneration": -1},
            },
        },
    }
    return schema | ({KEY: [rule.schema() for rule in info.rules]} if info.rules else {})


def crd(model: type[Resource[Any, Any]]) -> dict[str, Any]:
    """The CustomResourceDefinition of one kind."""
    info = model.INFO
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": info.crd_name},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": _names(info),
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "additionalPrinterColumns": [_column(column) for column in info.columns],
                    "subresources": {"status": {}} | ({"scale": dict(info.scale)} if info.scale else {}),
                    "schema": {"openAPIV3Schema": object_schema(model)},
                }
            ],
        },
    }


def generate() -> dict[str, str]:
    """The CRDs, file name to text."""
    return {f"{GROUP}_{model.INFO.plural}.yaml": HEADER + _dump(crd(model)) for model in KINDS}


def files() -> dict[str, str]:
    """Everything that is generated here: path from the root of the source tree to text."""
    reference = render([(model.INFO, object_schema(model)) for model in KINDS])
    return {f"crds/{name}": text for name, text in generate().items()} | {REFERENCE: reference}


def differing(root: Path, wanted: Mapping[str, str]) -> list[str]:
    """Paths that are missing, not as wanted, or CRDs of kinds that are gone."""
    stale = {f"crds/{path.name}" for path in (root / "crds").glob("*.yaml")} - wanted.keys()
    return sorted(stale | {name for name, text in wanted.items() if _read(root / name) != text})


def write(root: Path, wanted: Mapping[str, str]) -> None:
    """Make the files as wanted; removes CRDs of kinds that are gone."""
    for name in differing(root, wanted):
        path = root / name
        if name not in wanted:
            path.unlink()
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(wanted[name], encoding="utf-8")


def main(arguments: Sequence[str], root: Path | None = None) -> int:
    """The command; ends with 1 when --check finds a difference, 2 when used wrongly."""
    root = root or Path(__file__).resolve().parents[3]
    if list(arguments) not in ([], ["--check"]):
        return _say(
            f"unknown argument in {' '.join(arguments)!r}; usage: python -m agentmemory.api.crdgen [--check]", 2
        )
    if not (root / "pyproject.toml").is_file():
        return _say(f"{root} is not the source tree (it has no pyproject.toml); run this from a checkout", 2)
    wanted = files()
    if not arguments:
        write(root, wanted)
        return 0
    found = differing(root, wanted)
    for name in found:
        _say(f"{name} differs from what the models say: run `make generate`", 1)
    return 1 if found else 0


def _say(message: str, code: int) -> int:
    sys.stderr.write(message + "\n")
    return code


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None


def _names(info: KindInfo) -> dict[str, Any]:
    return {
        "kind": info.kind,
        "listKind": f"{info.kind}List",
        "plural": info.plural,
        "singular": info.singular,
        "shortNames": [info.short],
        "categories": ["agentmemory"],
    }


def _column(column: Column) -> dict[str, Any]:
    made: dict[str, Any] = {"name": column.name, "type": column.type, "jsonPath": column.path}
    if column.description:
        made["description"] = column.description
    return made | ({"priority": column.priority} if column.priority else {})


def _part(model: type[Resource[Any, Any]], name: str) -> type[BaseModel]:
    annotation = model.model_fields[name].annotation
    assert isinstance(annotation, type)
    assert issubclass(annotation, BaseModel)
    return annotation


def _description(model: type[Resource[Any, Any]]) -> str:
    return " ".join((model.__doc__ or "").split())


def _dump(content: Mapping[str, Any]) -> str:
    return yaml.dump(content, Dumper=_Dumper, sort_keys=False, width=120, allow_unicode=True)


class _Dumper(yaml.SafeDumper):
    """YAML without anchors and with list items indented, as people write it."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 (PyYAML's signature)
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002 (PyYAML's signature)
        super().increase_indent(flow, False)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
