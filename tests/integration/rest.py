"""The API server as JSON over one connection: what tests of CRDs need, and no more."""

import http.client
import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

JSON = "application/json"
MERGE_PATCH = "application/merge-patch+json"
APPLY = "application/apply-patch+yaml"


@dataclass(frozen=True)
class Answer:
    """A status code and what came with it."""

    code: int
    body: dict[str, Any] = field(repr=False)

    @property
    def ok(self) -> bool:
        return 200 <= self.code < 300

    @property
    def message(self) -> str:
        return str(self.body.get("message", ""))


class Rest:
    """Requests with an administrator's certificate. `kubeconfig` names files, as the stand writes it."""

    def __init__(self, kubeconfig: Path) -> None:
        config = yaml.safe_load(kubeconfig.read_text())
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        context = ssl.create_default_context(cafile=cluster["certificate-authority"])
        context.load_cert_chain(user["client-certificate"], user["client-key"])
        address = urlsplit(cluster["server"])
        self._connection = http.client.HTTPSConnection(address.netloc, context=context, timeout=30)

    def close(self) -> None:
        self._connection.close()

    def call(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, content: str = JSON, accept: str = JSON
    ) -> Answer:
        headers = {"Content-Type": content, "Accept": accept}
        self._connection.request(method, path, body=json.dumps(body) if body is not None else None, headers=headers)
        response = self._connection.getresponse()
        return Answer(response.status, json.loads(response.read()))

    def get(self, path: str, accept: str = JSON) -> dict[str, Any]:
        answer = self.call("GET", path, accept=accept)
        assert answer.ok, answer.message
        return answer.body
