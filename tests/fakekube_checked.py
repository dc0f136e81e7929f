"""The `world` fixture for kinds that never meet a bug of their own: a crash that a retry papers over fails the test."""

from collections.abc import AsyncIterator

import pytest

from tests.fakekube.fixture import World


def bugs(world: World) -> int:
    """How many reconciles of the last process ended in an error that is none of ours."""
    samples = (sample for metric in world.workers.metrics.reconciles.collect() for sample in metric.samples)
    return int(sum(it.value for it in samples if it.labels["outcome"] == "bug" and it.name.endswith("_total")))


@pytest.fixture
async def world() -> AsyncIterator[World]:
    """As the one of tests.fakekube.fixture, and none of its reconciles may end in a bug."""
    async with World.open() as opened:
        yield opened
        assert bugs(opened) == 0
