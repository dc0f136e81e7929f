"""The writer of the end-to-end tests: it measures brokers, not its own patience."""

from kafka import KafkaConsumer, KafkaProducer

from e2e import traffic


def test_refused_connections_do_not_make_it_wait_longer_for_the_next() -> None:
    assert KafkaProducer.DEFAULT_CONFIG.keys() & KafkaConsumer.DEFAULT_CONFIG.keys() >= traffic.RETRY.keys()
    settings = {**traffic.RETRY, "bootstrap_servers": "127.0.0.1:1"}
    client = settings.pop("kafka_client")(**settings)
    try:
        for _ in range(10):
            client._manager.update_backoff("broker")
            assert client._manager.socket_connection_setup_timeout_ms("broker") <= 1.2 * traffic.CONNECT_MS
    finally:
        client.close()
