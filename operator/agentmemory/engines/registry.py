"""The engines by name."""

from collections.abc import Mapping

from agentmemory.core.errors import Invalid
from agentmemory.engines.automq.engine import AutoMQEngine
from agentmemory.engines.base import Engine
from agentmemory.engines.external.engine import ExternalEngine
from agentmemory.engines.kafka.engine import KafkaEngine
from agentmemory.engines.kafka_tiered.engine import TieredKafkaEngine

_ALL: tuple[Engine, ...] = (KafkaEngine(), TieredKafkaEngine(), AutoMQEngine(), ExternalEngine())
ENGINES: Mapping[str, Engine] = {engine.name: engine for engine in _ALL}


def engine_of(name: str) -> Engine:
    """Raises Invalid for a name that this release does not know (an object of a newer one)."""
    found = ENGINES.get(name)
    if found is None:
        raise Invalid("UnknownEngine", f"engine {name!r} is not known; this operator has {', '.join(sorted(ENGINES))}")
    return found
