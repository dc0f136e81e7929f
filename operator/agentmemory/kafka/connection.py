"""The admin connections to each Kafka cluster, kept while its address and credentials stay the same.

A broker answers the requests of one connection one after the other: what may take its time has a connection apart.
"""

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
        self._admins: dict[tuple[Key, bool], KafkaAdmin] = {}

    async def get(self, cluster: Key, credentials: Credentials, *, apart: bool = False) -> KafkaAdmin:
        """The cluster's admin; made anew when address or credentials differ from the ones it was made with.

        Does not connect: the first call does, and raises what stands in the way. Keep the admin for one
        reconciliation only: one that was replaced answers Transient. `apart`: the one for what nobody waits for.
        """
        place = (cluster, apart)
        admin = self._admins.get(place)
        if admin is not None and admin.credentials == credentials:
            return admin
        made = self._admins[place] = KafkaAdmin(credentials, limit=self._limit)
        if admin is not None:
            await admin.close()
        return made

    async def forget(self, cluster: Key) -> None:
        """Closes the connections of a cluster that is gone."""
        admins = [self._admins.pop((cluster, apart), None) for apart in (False, True)]
        await asyncio.gather(*(admin.close() for admin in admins if admin is not None))

    async def close(self) -> None:
        """Closes all; never waits longer than a connection's close does (2 s each, side by side)."""
        admins, self._admins = list(self._admins.values()), {}
        await asyncio.gather(*(admin.close() for admin in admins))
