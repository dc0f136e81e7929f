"""Kubernetes objects read over a connection that stays: each start of kubectl takes a fifth of a second of a core."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from kubernetes import config

CORE = "/api/v1"
OURS = "/apis/agentmemory.dev/v1alpha1"
# Kinds by the name that kubectl has for one; others are left to kubectl.
PLURALS = {
    **{
        kind: (CORE, f"{kind}s") for kind in ("configmap", "event", "persistentvolumeclaim", "pod", "secret", "service")
    },
    **{kind: (OURS, f"{kind}s") for kind in ("memorycluster", "brokerpool", "memorybucket", "memorytenant")},
    "topicfamily": (OURS, "topicfamilies"),
    "memoryclient": (OURS, "memoryclients"),
}
SECONDS = 30

Object = dict[str, Any]


class ReadError(RuntimeError):
    """The API server refused; the text is its answer."""


class Reader:
    """With the rights of a kubeconfig; safe to use from several threads."""

    def __init__(self, kubeconfig: Path) -> None:
        self._client = config.new_client_from_config(str(kubeconfig))

    def get(self, kind: str, name: str, namespace: str) -> Object | None:
        """One object, None when there is none."""
        return self._read(f"{_collection(kind, namespace)}/{name}", {})

    def list(self, kind: str, namespace: str, selector: str) -> list[Object]:
        """Those of a namespace, of all when it is "", as kubectl prints them: each says what it is."""
        found = self._read(_collection(kind, namespace), {"labelSelector": selector} if selector else {}) or {}
        what = {"apiVersion": found.get("apiVersion"), "kind": str(found.get("kind")).removesuffix("List")}
        return [what | item for item in found.get("items", [])]

    def _read(self, path: str, query: dict[str, str]) -> Object | None:
        headers = {"Accept": "application/json"}
        asked = self._client.param_serialize("GET", path, None, query, headers, auth_settings=["BearerToken"])
        answer = self._client.call_api(*asked, _request_timeout=SECONDS)
        body = answer.read()
        if answer.status == 404:
            return None
        if answer.status >= 300:
            raise ReadError(f"GET {path}: {answer.status} {body.decode(errors='replace')}")
        return dict(json.loads(body))


def _collection(kind: str, namespace: str) -> str:
    api, plural = PLURALS[kind]
    return f"{api}/namespaces/{namespace}/{plural}" if namespace else f"{api}/{plural}"
