"""How memory is shared out: AutoMQ's own table, what was seen to boot, and the rules between."""

import pytest

from agentmemory.api.shapes import Resources
from agentmemory.api.types import Quantity
from agentmemory.engines.automq.memory import GIB, MIB, MIN_MEMORY, Memory, share_out, too_small


@pytest.mark.parametrize(
    ("memory", "made", "upload"),
    [
        # AutoMQ, performance-tuning-for-broker
        (8 * GIB, Memory("POOLED_HEAP", 6 * GIB, GIB, GIB, 512 * MIB), 357913941),
        (16 * GIB, Memory("POOLED_DIRECT", 6 * GIB, 6 * GIB, 2 * GIB, GIB), 500 * MIB),
        (32 * GIB, Memory("POOLED_DIRECT", 12 * GIB, 14 * GIB, 6 * GIB, 4 * GIB), 500 * MIB),
        # seen to boot
        (MIN_MEMORY, Memory("POOLED_HEAP", 400 * MIB, 256 * MIB, 96 * MIB, 64 * MIB), 32 * MIB),
        # between them
        (GIB, Memory("POOLED_HEAP", 512 * MIB, 256 * MIB, 96 * MIB, 64 * MIB), 32 * MIB),
        (4 * GIB, Memory("POOLED_HEAP", 3 * GIB, 512 * MIB, 512 * MIB, 256 * MIB), 512 * MIB // 3),
    ],
)
def test_parts(memory: int, made: Memory, upload: int) -> None:
    assert share_out(memory) == made
    assert share_out(memory).upload_threshold == upload


@pytest.mark.parametrize(
    "memory", [MIN_MEMORY, GIB, 3 * GIB, 4 * GIB, 12 * GIB, 16 * GIB, 31 * GIB, 32 * GIB, 128 * GIB]
)
def test_whatever_the_size_it_fits_and_keeps_the_rules(memory: int) -> None:
    made = share_out(memory)
    assert made.heap + made.direct < memory * 9 // 10
    pool = made.heap if made.policy == "POOLED_HEAP" else made.direct
    assert made.wal_cache + made.block_cache < pool * 3 // 4
    assert made.upload_threshold <= made.wal_cache // 3
    in_heap = made.cleaner + (made.wal_cache + made.block_cache + made.compaction) * (pool == made.heap)
    assert in_heap < made.heap * 2 // 3


@pytest.mark.parametrize(
    ("memory", "cleaner", "compaction"),
    [
        (MIN_MEMORY, 16 * MIB, 400 * MIB // 12),
        (8 * GIB, 128 * MIB, 200 * MIB),  # the defaults of Kafka and AutoMQ
        (32 * GIB, 128 * MIB, 200 * MIB),
    ],
)
def test_what_kafka_and_automq_take_besides(memory: int, cleaner: int, compaction: int) -> None:
    assert (share_out(memory).cleaner, share_out(memory).compaction) == (cleaner, compaction)


def test_options() -> None:
    assert share_out(GIB).options == "-Xms512m -Xmx512m -XX:MetaspaceSize=96m -XX:MaxDirectMemorySize=256m"


def test_too_small() -> None:
    assert too_small(Resources(memory=Quantity("800Mi")), "spec.resources.memory") is None
    said = too_small(Resources(memory=Quantity("799Mi")), "spec.resources.memory")
    assert said is not None
    assert said.startswith("spec.resources.memory is 799Mi")
    assert "800Mi" in said
    assert said.endswith("raise it")
