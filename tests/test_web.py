"""Probes and metrics over HTTP."""

import aiohttp
import pytest

from agentmemory.core.errors import Invalid
from agentmemory.core.metrics import Metrics
from agentmemory.web import application, serve


async def fetch(port: int, path: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}{path}") as answer:
        return answer.status, await answer.text()


async def test_readiness_says_what_it_waits_for() -> None:
    waiting: list[str | None] = ["the watch of Pod"]
    async with serve(application(Metrics(), lambda: waiting[0]), 0) as port:
        assert await fetch(port, "/healthz") == (200, "ok\n")
        assert await fetch(port, "/readyz") == (503, "waiting for the watch of Pod\n")
        waiting[0] = None
        assert await fetch(port, "/readyz") == (200, "ok\n")


async def test_metrics_in_the_exposition_format() -> None:
    metrics = Metrics()
    metrics.kube_calls.labels("get", "Pod", "200").inc()
    async with serve(application(metrics, lambda: None), 0) as port:
        code, text = await fetch(port, "/metrics")
    assert code == 200
    assert 'agentmemory_kube_calls_total{code="200",kind="Pod",verb="get"} 1.0' in text


async def test_a_taken_port_is_named_with_the_way_out() -> None:
    async with serve(application(Metrics(), lambda: None), 0) as port:
        with pytest.raises(Invalid, match=f"cannot listen on port {port}.*AGENTMEMORY_PORT"):
            async with serve(application(Metrics(), lambda: None), port):
                pass
