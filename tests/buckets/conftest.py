"""Fixtures of this folder."""

import pytest

from agentmemory.buckets.reconcile import BucketReconciler
from tests.fakekube.fixture import World
from tests.fakekube_checked import world
from tests.fakes3 import FakeS3, FakeStores

from .worlds import SECRET

__all__ = ["world"]


@pytest.fixture
def s3() -> FakeS3:
    """A server that does everything."""
    return FakeS3(region="eu-central-1")


@pytest.fixture
def buckets(world: World, s3: FakeS3) -> World:
    """A world with the reconciler and the server."""
    world.ctx.stores = FakeStores(s3)
    world.use(BucketReconciler)
    world.put(SECRET)
    return world
