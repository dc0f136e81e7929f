"""The client's Secret: read, made, kept right, and moved when the client wants another name for it.

The Secret is where the password is decided: it is drawn when no Secret of ours holds one, and written there before
Kafka hears of it. Nobody watches Secrets, so each look at a client reads its Secret by name.
"""

import secrets
import string
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import structlog

from agentmemory.clients import desired
from agentmemory.clients.model import PASSWORD_LENGTH, User, iterations_of, mechanism_of
from agentmemory.clients.world import World
from agentmemory.core.errors import Conflict, Denied, Transient
from agentmemory.core.key import Key, key_of
from agentmemory.kube.client import KubeClient
from agentmemory.kube.errors import AlreadyExists
from agentmemory.kube.owned import is_owned

log = structlog.get_logger(__name__)

Object = dict[str, Any]
T = TypeVar("T")
ALPHABET = string.ascii_letters + string.digits
# Seconds until the garbage collector has taken what an earlier client of this name left behind.
LEFT_OVER = 2.0


def draw_password() -> str:
    """40 letters and digits (238 bits): nothing that a shell or a properties file could misread."""
    return "".join(secrets.choice(ALPHABET) for _ in range(PASSWORD_LENGTH))


class RightsPending(Denied):
    """No rights on Secrets in the client's namespace: they come a moment after the tenant lists it."""


class Credentials:
    """Secrets of the clients of one role. Every method raises RightsPending where it may not do what it must."""

    def __init__(self, kube: KubeClient, draw: Callable[[], str] = draw_password) -> None:
        self._kube = kube
        self._draw = draw

    async def read(self, world: World) -> Object | None:
        """The client's Secret as it is. Raises Conflict when somebody else's has its name, Denied without rights."""
        key = _key(world, world.client.secret_name)
        live = await _allowed(self._kube.get(key))
        if live is None:
            return None
        _check_owner(world, live)
        return live

    async def password(self, world: World, live: Object | None, user: User) -> str:
        """The password that holds: the Secret's, or that of the Secret under its former name, or a new one.

        A new one is drawn so that its iterations differ from those Kafka has, and cannot be taken for what is there.
        """
        held = desired.password_in(live) if live is not None else await self._former_password(world)
        if held is not None and len(held) >= PASSWORD_LENGTH:
            return held
        there = user.scram.get(mechanism_of(world.client.spec.authentication))
        password = self._draw()
        while iterations_of(password) == there:
            password = self._draw()
        return password

    async def write(self, world: World, live: Object | None, password: str, ca: str | None) -> None:
        """Make the Secret, or correct it; no call when it is right."""
        wanted = desired.secret(world, desired.settings(world, password, ca))
        if live is None:
            try:
                await _allowed(self._kube.create(wanted))
            except AlreadyExists:
                raise Transient("Unseen", f"{key_of(wanted)} came a moment ago; it is looked at again") from None
            log.info("made secret", key=str(key_of(wanted)))
        elif not desired.is_right(live, wanted):
            await _allowed(self._kube.update(_over(live, wanted)))
            log.info("corrected secret", key=str(key_of(wanted)))

    async def drop_former(self, world: World) -> None:
        """Delete the Secret under the name that the client had for it before."""
        live = await self._former(world)
        if live is not None:
            await _allowed(self._kube.delete(key_of(live), uid=live["metadata"]["uid"]))
            log.info("deleted secret", key=str(key_of(live)))

    async def _former_password(self, world: World) -> str | None:
        live = await self._former(world)
        return None if live is None else desired.password_in(live)

    async def _former(self, world: World) -> Object | None:
        before = world.client.status.secret_name
        if before is None or before == world.client.secret_name:
            return None
        live = await _allowed(self._kube.get(_key(world, before)))
        return live if live is not None and is_owned(live, world.client.metadata.uid) else None


async def _allowed(call: Awaitable[T]) -> T:
    try:
        return await call
    except Denied as error:
        raise RightsPending(error.reason, error.message) from error


def _key(world: World, name: str) -> Key:
    return Key("Secret", world.client.metadata.namespace, name)


def _check_owner(world: World, live: Object) -> None:
    key, metadata = key_of(live), world.client.metadata
    if is_owned(live, metadata.uid):
        if live["metadata"].get("deletionTimestamp"):
            raise Transient("SecretTerminating", f"{key} is being deleted; it is made anew when it is gone")
        return
    references = live["metadata"].get("ownerReferences") or ()
    if any((one.get("kind"), one.get("name")) == ("MemoryClient", metadata.name) for one in references):
        raise Transient(
            "LeftOver", f"{key} belongs to an earlier client of this name and goes with it; it is made anew", LEFT_OVER
        )
    raise Conflict(
        "NotOurs",
        f"Secret {key.namespace}/{key.name} exists and is not this client's; delete it, or set spec.secretName to "
        "another name",
    )


def _over(live: Object, wanted: Object) -> Object:
    """The whole Secret as wanted, with the identity, labels and annotations that it has."""
    old, new = live["metadata"], wanted["metadata"]
    metadata = {**old, **new, "labels": {**(old.get("labels") or {}), **new["labels"]}}
    return {**wanted, "metadata": metadata}
