"""HTTP to one apiserver: connections, credentials, and new credentials when the old ones are refused."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import aiohttp
import structlog
from kubernetes.aio.client import ApiClient, Configuration

from agentmemory.core.errors import Invalid
from agentmemory.kube.answers import Call
from agentmemory.kube.connector import Connector

log = structlog.get_logger(__name__)

Login = Callable[[], Awaitable[Configuration]]

JSON = "application/json"
# The least pause between two logins (seconds).
RELOGIN = 5.0
# Bytes that are read ahead, as the Kubernetes client does.
READ_AHEAD = 2**21


@dataclass(slots=True)
class Request:
    """What is sent: `timeout` is for the whole exchange."""

    method: str
    call: Call
    timeout: aiohttp.ClientTimeout
    body: Any = None
    query: dict[str, str] = field(default_factory=dict)
    content_type: str = JSON


class Session:
    """The connections made with one set of credentials. Raises Invalid for certificates that cannot be used."""

    def __init__(self, configuration: Configuration) -> None:
        try:
            self.api = ApiClient(configuration)
        except (OSError, ValueError) as error:
            raise Invalid("BadCertificate", f"certificates for {configuration.host} cannot be used: {error}") from error
        self.api.rest_client.pool_manager = aiohttp.ClientSession(
            # Without a limit here: streams stay open for long, and kube.traffic says how many calls run beside them.
            connector=Connector(limit=0, ssl=self.api.rest_client.ssl_context),
            cookie_jar=aiohttp.DummyCookieJar(),
            read_bufsize=READ_AHEAD,
        )
        self.calls = 0
        self.retired = False


class Sessions:
    """The session in use. `login` gives the credentials of the next one; an old one is closed after its last call."""

    def __init__(self, configuration: Configuration, agent: str, login: Login | None = None) -> None:
        self._agent = agent
        self._login = login
        self._current = Session(configuration)
        self._old: set[Session] = set()
        self._renewing = asyncio.Lock()
        self._last: float | None = None

    @property
    def current(self) -> Session:
        """What calls are to be made with."""
        return self._current

    async def close(self) -> None:
        """Close all connections, those of old sessions too."""
        for session in (self._current, *self._old):
            await session.api.close()

    async def renew(self, refused: Session) -> bool:
        """After a 401: True when there are other credentials than the refused ones to try with."""
        if self._login is None:
            return False
        async with self._renewing:
            if self._current is not refused:
                return True
            now = asyncio.get_running_loop().time()
            if self._last is not None and now - self._last < RELOGIN:
                return False
            self._last = now
            log.warning("the apiserver refuses our credentials; reading them again")
            try:
                self._current = Session(await self._login())
            except Invalid as error:
                log.error("there are no new credentials", reason=error.reason, message=error.message)
                return False
            refused.retired = True
            self._old.add(refused)
            await self._let_go(refused)
            return True

    @asynccontextmanager
    async def exchange(self, session: Session, request: Request) -> AsyncIterator[aiohttp.ClientResponse]:
        """Send, and give the answer with its body still to be read. Raises what aiohttp raises."""
        session.calls += 1
        try:
            # Compressing a list costs the apiserver more than sending it, and us to read it.
            headers = {
                "Accept": JSON,
                "Accept-Encoding": "identity",
                "Content-Type": request.content_type,
                "User-Agent": self._agent,
            }
            path, api = request.call.path, session.api
            await api.update_params_for_auth(headers, [], ["BearerToken"], path, request.method, request.body)
            url = api.configuration.host + path + (f"?{urlencode(request.query)}" if request.query else "")
            sent = await api.rest_client.request(
                request.method, url, headers=headers, body=request.body, _request_timeout=request.timeout
            )
            async with sent.response as response:
                yield response
        finally:
            session.calls -= 1
            await self._let_go(session)

    async def _let_go(self, session: Session) -> None:
        if session.retired and not session.calls:
            self._old.discard(session)
            await session.api.close()
