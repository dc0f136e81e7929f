"""Lists from the apiserver, for snapshots."""

import json
from typing import Any

import aiohttp

from agentmemory.kube.resources import path

from .snapshots import Collection

PAGE = "500"


async def listed(session: aiohttp.ClientSession, upstream: str, kind: str, version: str | None) -> Collection | None:
    """All objects of a kind, at a version or now; None when the kind is not served.

    Raises aiohttp.ClientResponseError, 410 for a version that is gone.
    """
    query = {"limit": PAGE}
    if version is not None:
        query |= {"resourceVersion": version, "resourceVersionMatch": "Exact"}
    items: list[dict[str, Any]] = []
    while True:
        async with session.get(upstream + path(kind), params=query, headers={"Accept": "application/json"}) as found:
            if found.status == 404:
                return None
            found.raise_for_status()
            page = json.loads(await found.read())
        items += page.get("items") or ()
        metadata = page["metadata"]
        if not metadata.get("continue"):
            return Collection(kind, metadata["resourceVersion"], tuple(items))
        query = {"limit": PAGE, "continue": metadata["continue"]}
