"""Credentials that expire: read anew once for all callers, streams go on."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from kubernetes.aio.client import Configuration

from agentmemory.core.errors import Invalid, Transient
from agentmemory.core.key import Key
from agentmemory.kube import session
from agentmemory.kube.client import KubeClient
from tests.fakekube.answers import status
from tests.fakekube.client import configuration_for
from tests.kube.objects import config_map

KEY = Key("ConfigMap", "default", "c")


class Tokens:
    """A server that takes one token only; `login` reads the newest one."""

    def __init__(self) -> None:
        self.valid = self.newest = "one"
        self.url = ""
        self.logins = 0
        self.refused = 0
        self.changed = asyncio.Event()

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Any object, or a stream of one event before and one after `changed`."""
        if request.headers.get("Authorization") != self.valid:
            self.refused += 1
            return web.json_response(status(401, "Unauthorized"), status=401)
        if "watch" not in request.query:
            return web.json_response(config_map("default"))
        response = web.StreamResponse()
        await response.prepare(request)
        line = json.dumps({"type": "ADDED", "object": config_map("default")}).encode() + b"\n"
        await response.write(line)
        await self.changed.wait()
        await response.write(line)
        return response

    def configuration(self) -> Configuration:
        configuration = configuration_for(self.url)
        configuration.api_key["BearerToken"] = self.newest
        return configuration

    async def login(self) -> Configuration:
        self.logins += 1
        return self.configuration()


@pytest.fixture
async def tokens() -> AsyncIterator[Tokens]:
    served = Tokens()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", served.serve)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    served.url = f"http://{host}:{port}"
    yield served
    await runner.cleanup()


async def test_new_credentials_are_read_once_for_all_callers(tokens: Tokens) -> None:
    async with KubeClient(tokens.configuration(), login=tokens.login) as client:
        assert await client.get(KEY)
        tokens.valid = tokens.newest = "two"
        assert all(await asyncio.gather(*(client.get(KEY) for _ in range(20))))
        assert await client.merge_patch(KEY, {"data": {"a": "2"}})
    assert tokens.logins == 1
    assert 1 <= tokens.refused <= 20


async def test_an_open_stream_outlives_the_credentials_it_began_with(tokens: Tokens) -> None:
    async with KubeClient(tokens.configuration(), login=tokens.login) as client:
        events = client.watch("ConfigMap", "default", "1")
        await anext(events)
        tokens.valid = tokens.newest = "two"
        assert await client.get(KEY)
        tokens.changed.set()
        await asyncio.wait_for(anext(events), 5)
        await events.aclose()


async def test_a_refused_stream_has_new_credentials_the_next_time(tokens: Tokens) -> None:
    tokens.valid = "two"
    async with KubeClient(tokens.configuration(), login=tokens.login) as client:
        tokens.newest = "two"
        with pytest.raises(Transient, match="does not accept our credentials"):
            await anext(client.watch("ConfigMap", "default", "1"))
        events = client.watch("ConfigMap", "default", "1")
        await anext(events)
        await events.aclose()
    assert tokens.logins == 1


async def test_credentials_that_stay_refused_are_not_read_all_the_time(tokens: Tokens) -> None:
    tokens.valid = "never"
    async with KubeClient(tokens.configuration(), login=tokens.login) as client:
        for _ in range(3):
            with pytest.raises(Transient, match="does not accept our credentials"):
                await client.get(KEY)
    assert tokens.logins == 1


async def test_a_login_that_fails_leaves_the_old_credentials(tokens: Tokens, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken() -> Configuration:
        raise Invalid("BadKubeconfig", "the file is being written")

    monkeypatch.setattr(session, "RELOGIN", 0.0)
    tokens.valid = "two"
    async with KubeClient(tokens.configuration(), login=broken) as client:
        with pytest.raises(Transient, match="does not accept our credentials"):
            await client.get(KEY)
        tokens.valid = "one"
        assert await client.get(KEY)


async def test_without_a_login_the_refusal_is_told(tokens: Tokens) -> None:
    tokens.valid = "two"
    async with KubeClient(tokens.configuration()) as client:
        with pytest.raises(Transient, match="does not accept our credentials"):
            await client.get(KEY)
