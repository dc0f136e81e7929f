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


def test_series_have_the_names_that_dashboards_ask_for() -> None:
    metrics = Metrics()
    metrics.reconciles.labels("Pod", "done").inc()
    metrics.reconcile_seconds.labels("Pod").observe(45.0)
    metrics.kube_calls.labels("get", "Pod", "200").inc()
    metrics.watch_events.labels("Pod", "ADDED").inc()
    metrics.resync_repairs.labels("Pod", "changed").inc()
    metrics.owner_errors.labels("Pod").inc()
    text = metrics.text().decode().splitlines()
    for line in (
        'agentmemory_reconciles_total{kind="Pod",outcome="done"} 1.0',
        'agentmemory_reconcile_seconds_sum{kind="Pod"} 45.0',
        'agentmemory_kube_calls_total{code="200",kind="Pod",verb="get"} 1.0',
        'agentmemory_watch_events_total{kind="Pod",type="ADDED"} 1.0',
        'agentmemory_resync_repairs_total{kind="Pod",what="changed"} 1.0',
        'agentmemory_owner_errors_total{kind="Pod"} 1.0',
    ):
        assert line in text


def test_reconciles_of_milliseconds_and_of_a_minute_can_be_told_apart() -> None:
    metrics = Metrics()
    for seconds in (0.004, 45.0):
        metrics.reconcile_seconds.labels("Pod").observe(seconds)
    text = metrics.text().decode()
    for limit, count in (("0.005", 1.0), ("30.0", 1.0), ("60.0", 2.0)):
        assert f'agentmemory_reconcile_seconds_bucket{{kind="Pod",le="{limit}"}} {count}' in text
