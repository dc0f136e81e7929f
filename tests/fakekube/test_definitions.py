"""The fake refuses what the schemas of our CRDs refuse: the same table that the real one is tested with."""

import pytest

from tests.api.tables import BAD_INPUT, SMALLEST, BadInput, made

from .answers import ApiError
from .cluster import FakeCluster
from .definitions import Definitions
from .schema import Schema


@pytest.fixture
def cluster() -> FakeCluster:
    cluster = FakeCluster(definitions=Definitions.ours())
    cluster.namespace("n")
    return cluster


@pytest.mark.parametrize("case", BAD_INPUT, ids=str)
def test_bad_input(cluster: FakeCluster, case: BadInput) -> None:
    with pytest.raises(ApiError) as raised:
        cluster.create(made(case.kind, case.patch, namespace="n"))
    assert raised.value.code == 422
    assert case.where.split("[")[0] in str(raised.value)


@pytest.mark.parametrize("kind", SMALLEST)
def test_the_smallest_objects(cluster: FakeCluster, kind: str) -> None:
    assert cluster.create(made(kind, {}, namespace="n"))["status"] == {"observedGeneration": -1}


def test_a_keyword_that_it_does_not_know_is_told() -> None:
    with pytest.raises(ValueError, match="oneOf"):
        Schema({"type": "object", "oneOf": []})
