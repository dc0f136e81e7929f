"""Apache Kafka whose old segments go to a bucket (KIP-405), by a RemoteStorageManager that the image brings."""

from dataclasses import replace

from agentmemory.engines.kafka.engine import KafkaEngine


class TieredKafkaEngine(KafkaEngine):
    """Implements engines.base.Engine: all of engine kafka, and what tiering adds to its brokers."""

    name = "kafka-tiered"
    capabilities = replace(KafkaEngine.capabilities, compaction=False)
