"""What a mutant changes, found by comparing it with the function that it was made from; and what is left out.

Three changes cannot be told by what the operator does, and no test should pin them:

- `wording`: the letters of a string with a space in it (mutmut writes it in capitals, in small letters or between XX).
  Such strings are for people. What the operator compares or sends (reasons, keys, names, settings) has no space.
- `log`: an argument of a call `log.debug|info|warning|error|exception(...)`. That one logs at all is not left out.
- `label`: the name of a task or thread (`name=` of `create_task` and `Thread`), which debuggers show.

Everything else counts, also a message that is missing or holds the wrong thing.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

_LEVELS = frozenset({"debug", "info", "warning", "error", "exception"})
_LABELLED = frozenset({"create_task", "Thread"})


def functions(module: ast.Module) -> dict[str, ast.AST]:
    """Every function of a mutated module by its generated name, methods included."""
    return {node.name: node for node in ast.walk(module) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def left_out(original: ast.AST, mutant: ast.AST) -> str | None:
    """The rule by which a mutant does not count, or None."""
    return _rule(original, mutant)


def _rule(original: ast.AST, mutant: ast.AST) -> str | None:
    """Descend to the only child that differs, and look at each node on the way."""
    if isinstance(original, ast.Constant) and isinstance(mutant, ast.Constant):
        return "wording" if _is_wording(original.value, mutant.value) else None
    if isinstance(original, ast.Call) and isinstance(mutant, ast.Call):
        if _is_log(original) and _same(original.func, mutant.func):
            return "log"
        if _called(original) in _LABELLED and _same_but_name(original, mutant):
            return "label"
    pairs = _differing(original, mutant)
    return _rule(*pairs[0]) if len(pairs) == 1 else None


def _is_wording(original: object, mutant: object) -> bool:
    """A literal may be one of several that Python joins, so the change may be in a part of the text."""
    if not isinstance(original, str) or not isinstance(mutant, str) or " " not in original:
        return False
    before, _, rest = mutant.partition("XX")
    inner, _, after = rest.rpartition("XX")
    return before + inner + after == original or mutant.lower() == original.lower()


def _is_log(call: ast.Call) -> bool:
    match call.func:
        case ast.Attribute(value=ast.Name(id="log"), attr=level):
            return level in _LEVELS
        case _:
            return False


def _called(call: ast.Call) -> str:
    match call.func:
        case ast.Attribute(attr=name) | ast.Name(id=name):
            return name
        case _:
            return ""


def _same_but_name(original: ast.Call, mutant: ast.Call) -> bool:
    def rest(call: ast.Call) -> list[str]:
        parts = [call.func, *call.args, *(keyword for keyword in call.keywords if keyword.arg != "name")]
        return [ast.dump(part) for part in parts]

    return rest(original) == rest(mutant)


def _differing(original: ast.AST, mutant: ast.AST) -> list[tuple[ast.AST, ast.AST]]:
    """The pairs of children that differ; none when the nodes themselves differ in more than their children."""
    if type(original) is not type(mutant) or _own(original) != _own(mutant):
        return []
    children = [*zip(_children(original), _children(mutant), strict=False)]
    if len([*_children(original)]) != len([*_children(mutant)]):
        return []
    return [(one, other) for one, other in children if not _same(one, other)]


def _children(node: ast.AST) -> Iterator[ast.AST]:
    return ast.iter_child_nodes(node)


def _own(node: ast.AST) -> list[object]:
    """The fields of a node that are neither nodes nor lists of nodes; a function's generated name is none."""
    named = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    return [
        value
        for field, value in ast.iter_fields(node)
        if not isinstance(value, ast.AST | list) and not (named and field == "name")
    ]


def _same(one: ast.AST, other: ast.AST) -> bool:
    return ast.dump(one) == ast.dump(other)
