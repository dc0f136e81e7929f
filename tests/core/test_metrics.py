"""Metrics: what is published, and that two processes' worth do not collide."""

from agentmemory.core.metrics import Metrics


def test_a_gauge_is_read_when_asked() -> None:
    metrics, depth = Metrics(), [1]
    metrics.gauge("queue_depth", "Keys.", lambda: depth[0])
    assert "agentmemory_queue_depth 1.0" in metrics.text().decode()
    depth[0] = 5
    assert "agentmemory_queue_depth 5.0" in metrics.text().decode()


def test_instances_are_independent() -> None:
    first, second = Metrics(), Metrics()
    first.kube_calls.labels("get", "Pod", "200").inc()
    assert 'verb="get"' in first.text().decode()
    assert 'verb="get"' not in second.text().decode()
