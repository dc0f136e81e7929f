"""A very small Kubernetes client for the stand's own helpers: dicts in, dicts out, standard library only."""

import http.client
import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from e2e.stand.shell import say

Object = dict[str, Any]
WATCH_SECONDS = 300
RETRY_SECONDS = 1.0


class ApiError(Exception):
    """The API server said no: `code` is the HTTP status, the text its reason."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code


@dataclass(frozen=True)
class Api:
    """One user's way to one API server; safe to use from several threads (a connection a call)."""

    url: str
    context: ssl.SSLContext

    @classmethod
    def of(cls, kubeconfig: Path) -> "Api":
        """From a kubeconfig of the stand (client certificates in files)."""
        content = yaml.safe_load(kubeconfig.read_text())
        cluster, user = content["clusters"][0]["cluster"], content["users"][0]["user"]
        context = ssl.create_default_context(cafile=cluster["certificate-authority"])
        context.load_cert_chain(user["client-certificate"], user["client-key"])
        return cls(cluster["server"], context)

    def request(self, method: str, path: str, body: Object | None = None, kind: str = "application/json") -> Object:
        with self._ask(method, path, body, kind) as answer:
            return dict(json.load(answer))

    def get(self, path: str) -> Object:
        return self.request("GET", path)

    def find(self, path: str) -> Object | None:
        """The object, None when there is none."""
        try:
            return self.get(path)
        except ApiError as error:
            if error.code == 404:
                return None
            raise

    def watch(self, path: str, version: str) -> Iterator[Object]:
        """The events after a resourceVersion, until the server ends the watch."""
        query = f"{path}?watch=1&resourceVersion={version}&timeoutSeconds={WATCH_SECONDS}&allowWatchBookmarks=true"
        with self._ask("GET", query, None, "") as answer:
            for line in answer:
                yield json.loads(line)

    @contextmanager
    def _ask(self, method: str, path: str, body: Object | None, kind: str) -> Iterator[http.client.HTTPResponse]:
        parts = urlsplit(self.url)
        connection = http.client.HTTPSConnection(
            parts.hostname or "", parts.port, context=self.context, timeout=WATCH_SECONDS + 30
        )
        with closing(connection):
            headers = {"Content-Type": kind} if body is not None else {}
            connection.request(method, path, json.dumps(body) if body is not None else None, headers)
            with connection.getresponse() as answer:
                if answer.status >= 300:
                    raise ApiError(answer.status, answer.read().decode(errors="replace"))
                yield answer


class Mirror:
    """Keeps a copy of some collections, and tells when anything has changed. For one process' whole life."""

    def __init__(self, api: Api, collections: dict[str, str]) -> None:
        self._api = api
        self._collections = collections
        self._objects: dict[str, dict[str, Object]] = {}
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self.changed = threading.Event()

    def start(self) -> None:
        for name, path in self._collections.items():
            threading.Thread(target=self._follow, args=(name, path), name=f"watch-{name}", daemon=True).start()

    def stop(self) -> None:
        self._stopped.set()

    def complete(self) -> bool:
        """Whether every collection has been listed once."""
        with self._lock:
            return self._objects.keys() == self._collections.keys()

    def all(self, name: str) -> list[Object]:
        with self._lock:
            return list(self._objects.get(name, {}).values())

    def _follow(self, name: str, path: str) -> None:
        while not self._stopped.is_set():
            try:
                self._list_and_watch(name, path)
            except (OSError, http.client.HTTPException, ApiError, json.JSONDecodeError) as problem:
                say(f"watching {name}: {problem!r}; again in {RETRY_SECONDS} s")
                self._stopped.wait(RETRY_SECONDS)

    def _list_and_watch(self, name: str, path: str) -> None:
        listed = self._api.get(path)
        self._change(name, lambda _: {item["metadata"]["uid"]: item for item in listed["items"]})
        version = listed["metadata"]["resourceVersion"]
        for event in self._api.watch(path, version):
            if event["type"] == "ERROR":
                return  # too old a version: list again
            if event["type"] != "BOOKMARK":
                self._change(name, _merged(event))

    def _change(self, name: str, change: Callable[[dict[str, Object]], dict[str, Object]]) -> None:
        with self._lock:
            self._objects[name] = change(self._objects.get(name, {}))
        self.changed.set()


def _merged(event: Object) -> Callable[[dict[str, Object]], dict[str, Object]]:
    """What an event does to the objects by uid."""
    item = event["object"]
    new = {} if event["type"] == "DELETED" else {item["metadata"]["uid"]: item}
    return lambda old: {uid: kept for uid, kept in old.items() if uid != item["metadata"]["uid"]} | new
