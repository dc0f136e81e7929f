"""Who acts in a scenario, and how steps and scenarios are written. The same list runs on every driver."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from agentmemory.core.key import Key
from tests.fakekafka import FakeKafka
from tests.fakes3 import FakeS3

Object = dict[str, Any]


class User(Protocol):
    """A platform team, an AI team, or somebody with a keyboard."""

    kafka: FakeKafka
    s3: FakeS3

    async def put(self, *objs: Object) -> None:
        """`kubectl apply`, one after the other."""

    async def edit(self, key: Key | str, patch_: Object) -> None:
        """`kubectl patch --type merge`."""

    async def delete(self, *keys: Key | str) -> None:
        """`kubectl delete --wait=false`, one after the other."""

    async def scale(self, key: Key | str, replicas: int) -> None:
        """`kubectl scale`."""

    async def wait(self, seconds: float) -> None:
        """Let time pass."""


Kind = Literal["team", "nodes", "shared"]
"""What a scenario finds: brokers that somebody else runs, none, or none and an engine on shared storage."""
Act = Callable[[User], Awaitable[None]]


@dataclass(frozen=True)
class Step:
    """One thing that a user does, after which everything comes to rest."""

    name: str
    act: Act


@dataclass(frozen=True)
class Scenario:
    """`given` is there before and is not perturbed; each of `steps` is, by every fault at every place.

    `fresh`: after the step of this name all stands as if only these steps had been taken (A→B equals a fresh B).
    `undoes`: after the step of this name all stands as after that earlier one ("" is `given`).
    """

    name: str
    steps: tuple[Step, ...]
    given: tuple[Step, ...] = ()
    land: Kind = "team"
    fresh: Mapping[str, tuple[Step, ...]] = field(default_factory=dict)
    undoes: Mapping[str, str] = field(default_factory=dict)


def put(name: str, *objs: Object) -> Step:
    """Declare."""

    async def act(user: User) -> None:
        await user.put(*objs)

    return Step(name, act)


def edit(name: str, key: Key | str, spec: Object | None = None, **metadata: Any) -> Step:
    """Change a spec, or annotations and the like."""

    async def act(user: User) -> None:
        patch = ({"spec": spec} if spec is not None else {}) | ({"metadata": metadata} if metadata else {})
        await user.edit(key, patch)

    return Step(name, act)


def delete(name: str, *keys: Key | str) -> Step:
    """Delete."""

    async def act(user: User) -> None:
        await user.delete(*keys)

    return Step(name, act)


def scale(name: str, key: Key | str, replicas: int) -> Step:
    """Scale."""

    async def act(user: User) -> None:
        await user.scale(key, replicas)

    return Step(name, act)


def wait(name: str, seconds: float) -> Step:
    """Do nothing for a while."""

    async def act(user: User) -> None:
        await user.wait(seconds)

    return Step(name, act)


def in_kafka(name: str, change: Callable[[FakeKafka], Any], touch: Key | str | None = None) -> Step:
    """Somebody changes something with Kafka's own tools, and asks for a look by annotation."""

    async def act(user: User) -> None:
        change(user.kafka)
        if touch is not None:
            await user.edit(touch, {"metadata": {"annotations": {"agentmemory.dev/reconcile-at": name}}})

    return Step(name, act)


def in_s3(name: str, change: Callable[[FakeS3], Any], touch: Key | str | None = None) -> Step:
    """Somebody changes something with the object storage's own tools, and asks for a look by annotation."""

    async def act(user: User) -> None:
        change(user.s3)
        if touch is not None:
            await user.edit(touch, {"metadata": {"annotations": {"agentmemory.dev/reconcile-at": name}}})

    return Step(name, act)
