import pytest

from agentmemory.api.shapes import Resources
from agentmemory.api.types import CpuQuantity, Quantity
from agentmemory.engines.kafka.jvm import environment, heap, too_small

GIB = 1024**3


@pytest.mark.parametrize(("memory", "mib"), [(GIB, 512), (GIB // 2, 256), (12 * GIB, 6144), (64 * GIB, 6144)])
def test_heap_is_half_and_at_most_6_gib(memory: int, mib: int) -> None:
    assert heap(memory) == mib


def test_variables() -> None:
    made = environment(Resources(memory=Quantity("2Gi")))
    assert made["KAFKA_HEAP_OPTS"] == "-Xms1024m -Xmx1024m"
    assert "-Dsun.net.inetaddr.ttl=5" in made["KAFKA_OPTS"].split()
    assert "-Dsun.net.inetaddr.negative.ttl=1" in made["KAFKA_OPTS"].split()
    assert "jmxremote.port" not in str(made)
    assert "KAFKA_JVM_PERFORMANCE_OPTS" not in made


@pytest.mark.parametrize(("cpu", "small"), [("100m", True), ("1", True), ("1001m", False), ("4", False)])
def test_a_small_node_runs_one_compiler_and_the_serial_collector(cpu: str, small: bool) -> None:
    made = environment(Resources(cpu=CpuQuantity(cpu)))
    assert ("-XX:TieredStopAtLevel=1" in made.get("KAFKA_JVM_PERFORMANCE_OPTS", "")) is small


def test_too_small() -> None:
    assert too_small(Resources(memory=Quantity("384Mi")), "spec.resources.memory") is None
    said = too_small(Resources(memory=Quantity("383Mi")), "spec.resources.memory")
    assert said is not None
    assert said.startswith("spec.resources.memory is 383Mi")
    assert "384Mi" in said
    assert said.endswith("raise it")
