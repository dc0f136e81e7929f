import pytest

from agentmemory.core.errors import Bug, Invalid
from agentmemory.engines.external.engine import ExternalEngine
from agentmemory.engines.registry import ENGINES, engine_of
from tests.engines.builders import broker_plan, cluster_model, pool_model


def test_engines_by_name() -> None:
    assert set(ENGINES) == {"kafka", "kafka-tiered", "automq", "external"}
    assert all(engine_of(name).name == name for name in ENGINES)


def test_an_engine_of_a_newer_release() -> None:
    with pytest.raises(Invalid, match="this operator has automq, external, kafka"):
        engine_of("tansu")


def test_external_has_no_nodes() -> None:
    engine = ExternalEngine()
    assert engine.check_cluster(cluster_model()) is None
    found = engine.check_pool(pool_model())
    assert found is not None
    assert found.reason == "ExternalCluster"
    for build in (engine.pod, engine.config_map):
        with pytest.raises(Bug):
            build(broker_plan())
