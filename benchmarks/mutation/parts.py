"""What is mutated, and the tests that must notice it."""

from __future__ import annotations

from dataclasses import dataclass

# The unit tests of the kinds: no fake API server, no Kafka.
_PURE = tuple(f"tests/*/test_{name}.py" for name in ("policy", "desired", "pure", "cuts", "erasure"))


@dataclass(frozen=True)
class Part:
    """`mutated` and `tests` are globs, from the source root `operator/` and from the repository's root."""

    name: str
    mutated: tuple[str, ...]
    tests: tuple[str, ...]


PARTS: tuple[Part, ...] = (
    Part("core", ("agentmemory/core/*.py",), ("tests/core",)),
    Part("domain", ("agentmemory/domain/*.py",), ("tests/domain",)),
    Part("policy", ("agentmemory/*/policy.py",), _PURE),
    Part("desired", ("agentmemory/*/desired.py",), _PURE),
)


def named(wanted: str | None) -> tuple[Part, ...]:
    """The part of that name, or all. Raises ValueError for a name that no part has."""
    found = tuple(part for part in PARTS if wanted in (None, part.name))
    if not found:
        raise ValueError(f"no part is named {wanted}; there are {', '.join(part.name for part in PARTS)}")
    return found
