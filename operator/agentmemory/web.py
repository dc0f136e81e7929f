"""/healthz, /readyz and /metrics on one port."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aiohttp import web

from agentmemory.core.errors import Invalid
from agentmemory.core.metrics import Metrics


def application(metrics: Metrics, waiting_for: Callable[[], str | None]) -> web.Application:
    """`waiting_for` says what readiness waits for, None when ready. /healthz answers as long as the loop turns."""

    async def healthz(_: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def readyz(_: web.Request) -> web.Response:
        reason = waiting_for()
        return web.Response(status=503 if reason else 200, text=f"waiting for {reason}\n" if reason else "ok\n")

    async def text(_: web.Request) -> web.Response:
        return web.Response(body=metrics.text(), headers={"Content-Type": "text/plain; version=1.0.0; charset=utf-8"})

    app = web.Application()
    app.add_routes([web.get("/healthz", healthz), web.get("/readyz", readyz), web.get("/metrics", text)])
    return app


@asynccontextmanager
async def serve(app: web.Application, port: int) -> AsyncIterator[int]:
    """Listen on all addresses; yields the port (a free one for 0). Raises Invalid when it is taken."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, port=port).start()
        except OSError as error:
            raise Invalid(
                "PortTaken", f"cannot listen on port {port}: {error.strerror}; set AGENTMEMORY_PORT"
            ) from error
        # Port 0 gives each address family a port of its own: tell IPv4's where there is one.
        yield min(runner.addresses, key=lambda address: len(address))[1]
    finally:
        await runner.cleanup()
