"""A FakeS3 that several processes share: `store_client.RemoteStores` in each of them calls it."""

from agentmemory.objectstore.model import Location
from tests.fakes3 import FakeS3, FakeStore

from .shared_server import SharedServer


class StoreServer(SharedServer):
    """One server for all locations."""

    def __init__(self, s3: FakeS3) -> None:
        super().__init__()
        self.s3 = s3

    def target(self, way: Location) -> FakeStore:
        return FakeStore(self.s3, way)
