"""Keeps the durable memory of AI agents on a Kafka-compatible cluster."""
