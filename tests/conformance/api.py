"""Raw HTTP to either API server: what goes over the wire, and nothing that a client library makes of it."""

import http.client
import json
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from e2e.stand.controlplane import ControlPlane

Object = dict[str, Any]

JSON = "application/json"
MERGE = "application/merge-patch+json"
APPLY = "application/apply-patch+yaml"
OURS = "/apis/agentmemory.dev/v1alpha1"
PATHS = {
    "ConfigMap": "/api/v1",
    "Secret": "/api/v1",
    "Pod": "/api/v1",
    "Service": "/api/v1",
    "PersistentVolumeClaim": "/api/v1",
    "BrokerPool": OURS,
    "MemoryCluster": OURS,
    "TopicFamily": OURS,
    "Lease": "/apis/coordination.k8s.io/v1",
    "PodDisruptionBudget": "/apis/policy/v1",
    "RoleBinding": "/apis/rbac.authorization.k8s.io/v1",
}
PLURALS = {"TopicFamily": "topicfamilies"}
NO_UID = "00000000-0000-0000-0000-000000000000"
WAIT_SECONDS = 60.0


@dataclass(frozen=True)
class Server:
    """An API server. `control` is None for the fake; `compact` makes it forget its history."""

    url: str
    control: ControlPlane | None
    compact: Callable[[], None]

    def connect(self, seconds: float = 60) -> http.client.HTTPConnection:
        address = urlsplit(self.url).netloc
        if self.control is None:
            return http.client.HTTPConnection(address, timeout=seconds)
        context = ssl.create_default_context(cafile=self.control.ca)
        context.load_cert_chain(self.control.admin_cert, self.control.admin_key)
        return http.client.HTTPSConnection(address, context=context, timeout=seconds)


@dataclass(frozen=True)
class Answer:
    """A status code and the body; a body that is not JSON is in `text`."""

    code: int
    body: Object = field(repr=False)
    text: str
    headers: Mapping[str, str] = field(repr=False)

    @property
    def reason(self) -> str:
        return str(self.body.get("reason", ""))

    @property
    def details(self) -> Object:
        found: Object = self.body.get("details") or {}
        return found

    @property
    def causes(self) -> list[tuple[str, str]]:
        """(reason, field) of each cause."""
        return [(one.get("reason", ""), one.get("field", "")) for one in self.details.get("causes") or ()]

    @property
    def version(self) -> int:
        return int(self.body["metadata"]["resourceVersion"])


class Api:
    """Requests of one case, in a namespace of its own."""

    def __init__(self, server: Server, namespace: str) -> None:
        self.server = server
        self.namespace = namespace
        self._connection = server.connect()

    def close(self) -> None:
        self._connection.close()

    def path(self, kind: str, name: str = "", subresource: str = "", namespace: str | None = None) -> str:
        """Of an object, or of a collection without `name`."""
        plural = PLURALS.get(kind, f"{kind.lower()}s")
        parts = [PATHS[kind], "namespaces", namespace or self.namespace, plural, name, subresource]
        return "/".join(part for part in parts if part)

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        content: str = JSON,
        *,
        query: Mapping[str, str] | None = None,
        expect: int | None = None,
    ) -> Answer:
        """One request; with `expect`, its code must be that."""
        data = body if isinstance(body, str) or body is None else json.dumps(body)
        url = path + (f"?{urlencode(query, quote_via=quote)}" if query else "")
        self._connection.request(method, url, body=data, headers={"Content-Type": content, "User-Agent": "case/1"})
        response = self._connection.getresponse()
        text = response.read().decode()
        try:
            found = json.loads(text)
        except ValueError:
            found = {}
        answer = Answer(response.status, found if isinstance(found, dict) else {}, text, dict(response.headers))
        assert expect in (None, answer.code), f"{method} {url}: {answer.code} {text}"
        return answer

    # --- verbs, by kind and name ---

    def create(self, obj: Object, expect: int | None = 201, **query: str) -> Answer:
        return self.call("POST", self.path(obj["kind"]), obj, query=query, expect=expect)

    def get(self, kind: str, name: str, subresource: str = "", expect: int | None = 200) -> Answer:
        return self.call("GET", self.path(kind, name, subresource), expect=expect)

    def put(self, obj: Object, subresource: str = "", expect: int | None = 200) -> Answer:
        return self.call("PUT", self.path(obj["kind"], obj["metadata"]["name"], subresource), obj, expect=expect)

    def patch(
        self, kind: str, name: str, body: Object, subresource: str = "", expect: int | None = 200, **query: str
    ) -> Answer:
        return self.call("PATCH", self.path(kind, name, subresource), body, MERGE, query=query, expect=expect)

    def apply(
        self, obj: Object, manager: str, subresource: str = "", *, force: bool = False, expect: int | None = 200
    ) -> Answer:
        query = {"fieldManager": manager} | ({"force": "true"} if force else {})
        path = self.path(obj["kind"], obj["metadata"]["name"], subresource)
        return self.call("PATCH", path, obj, APPLY, query=query, expect=expect)

    def delete(self, kind: str, name: str, options: Object | None = None, expect: int | None = 200) -> Answer:
        return self.call("DELETE", self.path(kind, name), options, expect=expect)

    def list(self, kind: str, expect: int | None = 200, **query: str) -> Answer:
        return self.call("GET", self.path(kind), query=query, expect=expect)

    def names(self, kind: str, **query: str) -> "list[str]":
        """Of a list; without the one that the real one puts into every namespace."""
        found = [item["metadata"]["name"] for item in self.list(kind, **query).body["items"]]
        return [name for name in found if name != "kube-root-ca.crt"]

    def watch(self, kind: str, seconds: int = 30, **query: str) -> "Events":
        """A stream of its own; use as a context manager."""
        given = {"watch": "true", "timeoutSeconds": str(seconds), **query}
        return Events(self.server, f"{self.path(kind)}?{urlencode(given, quote_via=quote)}")

    def until(self, what: str, found: Callable[[], Any]) -> Any:
        """What `found` gives once it is true: for what controllers do in their time."""
        end = time.monotonic() + WAIT_SECONDS
        while not (value := found()):
            assert time.monotonic() < end, f"not within {WAIT_SECONDS:.0f} s: {what}"
            time.sleep(0.1)
        return value


class Events:
    """The events of one watch, one at a time."""

    def __init__(self, server: Server, path: str) -> None:
        self._connection = server.connect()
        self._connection.request("GET", path)
        self._response = self._connection.getresponse()
        self.code = self._response.status

    def __enter__(self) -> "Events":
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def __iter__(self) -> Iterator[tuple[str, Object]]:
        while line := self._response.readline():
            event = json.loads(line)
            yield event["type"], event["object"]

    def next(self) -> tuple[str, Object]:
        """The next one. Fails when the stream has ended."""
        for event in self:
            return event
        raise AssertionError("the watch ended")

    def take(self, count: int) -> list[tuple[str, str]]:
        """(type, name) of the next ones, bookmarks left out."""
        found: list[tuple[str, str]] = []
        for type_, obj in self:
            if type_ != "BOOKMARK":
                found.append((type_, obj["metadata"].get("name", "")))
            if len(found) == count:
                break
        return found


def config_map(name: str = "c", labels: Mapping[str, str] | None = None, /, **data: str) -> Object:
    """A ConfigMap."""
    metadata: Object = {"name": name} | ({"labels": dict(labels)} if labels else {})
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


def pool(name: str = "p", spec: Object | None = None, **metadata: Any) -> Object:
    """A BrokerPool: custom, with status and scale."""
    return {
        "apiVersion": "agentmemory.dev/v1alpha1",
        "kind": "BrokerPool",
        "metadata": {"name": name, **metadata},
        "spec": {"clusterRef": {"name": "agents"}, **(spec or {})},
    }


def owned(obj: Object, *owners: Object, **more: Any) -> Object:
    """The object with references to its owners."""
    references = [
        {
            "apiVersion": owner["apiVersion"],
            "kind": owner["kind"],
            "name": owner["metadata"]["name"],
            "uid": owner["metadata"]["uid"],
            **more,
        }
        for owner in owners
    ]
    return {**obj, "metadata": {**obj["metadata"], "ownerReferences": references}}
