"""How a node's memory and CPU become JVM options."""

from agentmemory.api.shapes import Resources
from agentmemory.domain.units import format_quantity

MIB = 1024**2
GIB = 1024**3

MIN_MEMORY = 384 * MIB
"""Below it a node does not live: 192 MiB of heap, and as much again for metaspace, code cache, some 80 threads' stacks
and network buffers (an idle 4.3.1 broker takes 140 MiB, a busy one is killed at 256)."""
MAX_HEAP = 6 * GIB
"""More does not help a broker, whose cache is the page cache (Kafka, docs/operations/java-version)."""
SMALL_CPU = 1000
"""Thousandths of a core up to which a node counts as small."""


def heap(memory: int) -> int:
    """Heap in MiB: half of the memory, at most 6 GiB; the rest is for off-heap memory and the page cache."""
    return min(memory // 2, MAX_HEAP) // MIB


def environment(resources: Resources) -> dict[str, str]:
    """The variables that Kafka's start script reads (bin/kafka-run-class.sh)."""
    size = heap(resources.memory)
    options = {
        "KAFKA_HEAP_OPTS": f"-Xms{size}m -Xmx{size}m",
        # Nodes' Services are headless and a replaced pod has another IP: a JVM would hold the old one for 30 s. A node
        # out of heap must end and be started again, not linger half dead.
        "KAFKA_OPTS": "-XX:+ExitOnOutOfMemoryError -Dsun.net.inetaddr.ttl=5 -Dsun.net.inetaddr.negative.ttl=1",
        # Something has to stand here: empty, the script adds an agent.
        "KAFKA_JMX_OPTS": "-Dcom.sun.management.jmxremote.local.only=true",
    }
    if resources.cpu is not None and resources.cpu <= SMALL_CPU:
        # On one core the second compiler and a concurrent collector take their time from the node itself: without them
        # six nodes on two cores are up in a third of the time. Peak throughput is lower; so is the declared CPU.
        options["KAFKA_JVM_PERFORMANCE_OPTS"] = (
            "-server -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Djava.awt.headless=true"
        )
    return options


def too_small(resources: Resources, path: str) -> str | None:
    """What is wrong with the memory at `path`, or None."""
    if resources.memory >= MIN_MEMORY:
        return None
    return (
        f"{path} is {resources.memory.text}, and a Kafka node does not live on less than {format_quantity(MIN_MEMORY)}"
        ": half is heap, half is metaspace, code, threads and network buffers; raise it"
    )
