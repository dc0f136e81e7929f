"""Stands in for KafkaPool in an operator process: every call goes to a `kafka_server.KafkaServer`."""

from agentmemory.core.key import Key
from agentmemory.kafka.credentials import Credentials

from .remote import Line, Remote


class RemotePool:
    """`url` is the server's; `replica` names the caller."""

    def __init__(self, url: str, replica: str) -> None:
        self._line = Line(url, replica)

    async def get(self, cluster: Key, credentials: Credentials, *, apart: bool = False) -> Remote:
        """Every method of KafkaAdmin; every cluster is the one that the server has."""
        return Remote(self._line, credentials)

    async def forget(self, cluster: Key) -> None:
        """Nothing is kept."""

    async def close(self) -> None:
        """Close the connections."""
        await self._line.close()
