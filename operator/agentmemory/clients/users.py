"""All that clients ask of Kafka, behind one small interface: one user's credentials and rules."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Protocol, TypeVar

from agentmemory.clients.model import User
from agentmemory.core.errors import Denied, OperatorError, Transient
from agentmemory.core.key import Key
from agentmemory.engines.handover import Handover
from agentmemory.engines.outage import Breaker, Unanswered, unanswered
from agentmemory.kafka.admin import KafkaAdmin
from agentmemory.kafka.connection import KafkaPool
from agentmemory.kafka.model import Acl, ScramMechanism, or_raise
from agentmemory.kube.errors import NotLeading

T = TypeVar("T")


class Users(Protocol):
    """Kafka as clients see it. Every method raises OperatorError; where there was no answer it is Unanswered."""

    async def authority(self, cluster: Key) -> str | None:
        """The PEM certificate that clients check brokers against; None when a public one does."""

    async def observe(self, cluster: Key, principal: str) -> User:
        """What Kafka has of the user; nothing at all for one that does not exist."""

    async def set_password(
        self, cluster: Key, principal: str, mechanism: ScramMechanism, password: str, iterations: int
    ) -> None:
        """Makes the user, or changes its password."""

    async def take_mechanisms(self, cluster: Key, principal: str, mechanisms: Iterable[ScramMechanism]) -> None:
        """Takes credentials away; what is gone already is fine."""

    async def change_rules(self, cluster: Key, missing: Iterable[Acl], surplus: Iterable[Acl]) -> None:
        """Takes rules away first, then gives new ones."""


class DirectUsers:
    """Each client's calls by themselves. Kafka takes a write from anybody, so each looks at the Lease first."""

    def __init__(
        self, pool: KafkaPool, handover: Handover, breaker: Breaker, leading: Callable[[], bool] = lambda: True
    ) -> None:
        self._pool = pool
        self._handover = handover
        self._breaker = breaker
        self._leading = leading

    async def authority(self, cluster: Key) -> str | None:
        """From the credentials that were handed over: they name the same authority."""
        return (await self._handover.credentials(cluster)).ca_pem

    async def observe(self, cluster: Key, principal: str) -> User:
        """Two calls, side by side."""

        async def ask(admin: KafkaAdmin) -> User:
            scram, acls = await asyncio.gather(
                admin.describe_scram([principal]), admin.describe_acls(f"User:{principal}")
            )
            return User(or_raise(scram).get(principal, {}), frozenset(acls))

        return await self._ask(cluster, ask)

    async def set_password(
        self, cluster: Key, principal: str, mechanism: ScramMechanism, password: str, iterations: int
    ) -> None:
        """One call."""

        async def change(admin: KafkaAdmin) -> None:
            self._check_leading()
            await admin.upsert_scram(principal, mechanism, password, iterations)

        await self._ask(cluster, change)

    async def take_mechanisms(self, cluster: Key, principal: str, mechanisms: Iterable[ScramMechanism]) -> None:
        """One call each."""

        async def take(admin: KafkaAdmin) -> None:
            for mechanism in mechanisms:
                self._check_leading()
                await admin.delete_scram(principal, mechanism)

        await self._ask(cluster, take)

    async def change_rules(self, cluster: Key, missing: Iterable[Acl], surplus: Iterable[Acl]) -> None:
        """One call for each kind of change there is."""
        wanted, unwanted = sorted(missing), sorted(surplus)

        async def change(admin: KafkaAdmin) -> None:
            results: dict[Acl, OperatorError | None] = {}
            for call, rules in ((admin.delete_acls, unwanted), (admin.create_acls, wanted)):
                if rules:
                    self._check_leading()
                    results |= await call(rules)
            or_raise({str(acl): error for acl, error in results.items()})

        await self._ask(cluster, change)

    def _check_leading(self) -> None:
        if not self._leading():
            raise NotLeading("NotLeading", "access is not changed: this process does not hold its Lease")

    async def _ask(self, cluster: Key, call: Callable[[KafkaAdmin], Awaitable[T]]) -> T:
        admin = await self._pool.get(cluster, await self._handover.credentials(cluster))
        self._breaker.check(cluster)
        try:
            answer = await call(admin)
        except (Transient, Denied) as error:
            self._handover.forget()
            found = unanswered(cluster, error)
            if isinstance(found, Unanswered):
                self._breaker.met(found)
            raise found from error
        self._breaker.passed(cluster)
        return answer
