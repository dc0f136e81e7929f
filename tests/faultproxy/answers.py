"""HTTP heads and bodies, both ways."""

import json
from collections.abc import Mapping
from typing import Any

import aiohttp
from aiohttp import web
from multidict import CIMultiDict

# Of one connection, or made anew for the body as it is sent on.
OWN = ("Connection", "Keep-Alive", "Transfer-Encoding", "Content-Length", "Host", "Date")

REASONS = {
    403: "Forbidden",
    404: "NotFound",
    409: "Conflict",
    410: "Expired",
    429: "TooManyRequests",
    500: "InternalError",
    503: "ServiceUnavailable",
    504: "Timeout",
}


def request_headers(http: web.Request) -> CIMultiDict[str]:
    """What is sent on of a client's head."""
    return _without(CIMultiDict(http.headers))


def answer_headers(found: aiohttp.ClientResponse) -> CIMultiDict[str]:
    """What is sent back of the apiserver's head."""
    return _without(CIMultiDict(found.headers))


def json_answer(code: int, body: dict[str, Any], retry_after: int | None = None) -> web.Response:
    """An answer of our own."""
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    return web.Response(status=code, text=json.dumps(body), content_type="application/json", headers=headers)


def without_initial_events(query: Mapping[str, str], version: str) -> dict[str, str]:
    """A watch's query that goes on from a version instead of beginning anew."""
    dropped = ("sendInitialEvents", "resourceVersionMatch", "resourceVersion")
    return {name: value for name, value in query.items() if name not in dropped} | {"resourceVersion": version}


def _without(headers: CIMultiDict[str]) -> CIMultiDict[str]:
    for name in OWN:
        headers.popall(name, None)
    return headers
