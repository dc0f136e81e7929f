"""Stands in for StorePool in an operator process: every call goes to a `store_server.StoreServer`."""

from typing import cast

from agentmemory.objectstore.model import Location
from agentmemory.objectstore.store import ObjectStore

from .remote import Line, Remote


class RemoteStores:
    """`url` is the server's; `replica` names the caller."""

    def __init__(self, url: str, replica: str) -> None:
        self._line = Line(url, replica)

    def get(self, location: Location) -> ObjectStore:
        """Every method of ObjectStore; every location is the one server."""
        return cast(ObjectStore, Remote(self._line, location))

    async def close(self) -> None:
        """Close the connections."""
        await self._line.close()
