"""One admin connection per Kafka cluster, kept while its address and credentials stay the same."""

import asyncio
import logging

from agentmemory.core.key import Key
from agentmemory.kafka.admin import KafkaAdmin
from agentmemory.kafka.credentials import Credentials

__all__ = ["Credentials", "KafkaPool"]


class KafkaPool:
    """The admin connections of this process, by MemoryCluster."""

    def __init__(self, limit: float = 15.0) -> None:
        """`limit`: seconds after which a call gives up (Transient)."""
        self._limit = limit
        library = logging.getLogger("kafka")
        if library.level == logging.NOTSET:  # it logs each failed attempt, some with a trace; we get exceptions anyway
            library.setLevel(logging.CRITICAL)
        self._admins: dict[Key, KafkaAdmin] = {}

    async def get(self, cluster: Key, credentials: Credentials) -> KafkaAdmin:
        """The cluster's admin; made anew when address or credentials differ from the ones it was made with.

        Does not connect: the first call does, and raises what stands in the way. Keep the admin for one
        reconciliation only: one that was replaced answers Transient.
        """
        admin = self._admins.get(cluster)
        if admin is not None and admin.credentials == credentials:
            return admin
        self._admins[cluster] = KafkaAdmin(credentials, limit=self._limit)
        if admin is not None:
            await admin.close()
        return self._admins[cluster]

    async def forget(self, cluster: Key) -> None:
        """Closes the connection of a cluster that is gone."""
        admin = self._admins.pop(cluster, None)
        if admin is not None:
            await admin.close()

    async def close(self) -> None:
        """Closes all; never waits longer than a connection's close does (2 s each, side by side)."""
        admins, self._admins = list(self._admins.values()), {}
        await asyncio.gather(*(admin.close() for admin in admins))
