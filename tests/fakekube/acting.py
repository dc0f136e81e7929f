"""From a request to a verb and back to an answer's bytes."""

from typing import Any

import orjson

from .answers import ApiError, cause, deleted
from .cluster import FakeCluster
from .kinds import FakeKind
from .names import check_same
from .paging import Paging, check_version
from .requests import Object, Request
from .rules import OTHER_NAMESPACE, check_type
from .selectors import matcher
from .verbs import Writer

PATCHES = frozenset({"application/merge-patch+json", "application/strategic-merge-patch+json"})


class Acting:
    """What a server does for each request, once it is understood."""

    def __init__(self, cluster: FakeCluster) -> None:
        self.paging = Paging(cluster.log)
        self._verbs = cluster.verbs
        self._log = cluster.log

    def do(self, kind: FakeKind, request: Request, content: str) -> tuple[int, bytes]:
        """The code and the body of the answer. Raises ApiError."""
        match request.verb:
            case "get":
                return 200, self._get(request)
            case "list":
                return 200, self.paging.list(kind, request.namespace, request.query)
            case "delete":
                return 200, self._delete(kind, request)
            case "deletecollection":
                return 200, self._delete_all(kind, request)
        if request.body is None:
            raise ApiError(400, "no object found in the request's body")
        if request.verb == "patch":
            return self._patch(kind, request, request.body, content)
        if request.verb == "apply":
            return self._apply(kind, request, request.body)
        named = _placed(kind, request, request.body)
        if request.verb == "create":
            return 201, self._verbs.create(named, _writer(request)).raw
        if request.subresource == "scale":
            return 200, orjson.dumps(self._verbs.scale(request.key, named, _writer(request), put=True))
        entry, new = self._verbs.update(named, request.subresource, _writer(request))
        return (201 if new else 200), entry.raw

    def _get(self, request: Request) -> bytes:
        check_version(self._log, request.query, 500)
        if request.subresource == "scale":
            return orjson.dumps(self._verbs.scale_of(request.key))
        return self._verbs.live(request.key).raw

    def _patch(self, kind: FakeKind, request: Request, body: Object, content: str) -> tuple[int, bytes]:
        if content not in PATCHES:
            raise ApiError(415, "415: Unsupported Media Type")
        if kind.resource.custom and content != "application/merge-patch+json":
            raise ApiError(415, "the body of the request was in an unknown format")
        if request.subresource == "scale":
            return 200, orjson.dumps(self._verbs.scale(request.key, body, _writer(request)))
        return 200, self._verbs.patch(request.key, body, request.subresource, _writer(request)).raw

    def _apply(self, kind: FakeKind, request: Request, body: Object) -> tuple[int, bytes]:
        if not request.query.get("fieldManager"):
            said = "Required value: is required for apply patch"
            refused = ApiError(422, f'PatchOptions.meta.k8s.io "" is invalid: fieldManager: {said}')
            causes = [cause("FieldValueRequired", said, "fieldManager")]
            refused.status["details"] = {"group": "meta.k8s.io", "kind": "PatchOptions", "causes": causes}
            raise refused
        if body.get("kind") != kind.resource.kind or body.get("apiVersion") != kind.resource.api_version:
            found = f"{body.get('apiVersion') or '/'}, Kind={body.get('kind') or ''}"
            raise ApiError(400, f"invalid object type: {found}")
        entry, new = self._verbs.apply(_placed(kind, request, body), request.subresource, _writer(request))
        return (201 if new else 200), entry.raw

    def _delete(self, kind: FakeKind, request: Request) -> bytes:
        options = _options(request)
        entry, gone = self._verbs.delete(request.key, options)
        if gone and not kind.answers_object:
            return orjson.dumps(deleted(kind, request.name, entry.obj["metadata"]["uid"]))
        return entry.raw

    def _delete_all(self, kind: FakeKind, request: Request) -> bytes:
        """DELETE of a collection: answers with the list as it was."""
        query = {name: value for name, value in request.query.items() if name in ("labelSelector", "fieldSelector")}
        listed = self.paging.list(kind, request.namespace, query)
        matches = matcher(query.get("labelSelector"), query.get("fieldSelector"))
        lane = self._log.lane(kind.resource.kind)
        for key in [key for key in lane.order() if not request.namespace or key.namespace == request.namespace]:
            entry = self._log.find(key)
            if entry is not None and matches(entry.obj):
                self._verbs.delete(key, _options(request))
        return listed


def _options(request: Request) -> Object:
    policy = request.query.get("propagationPolicy")
    return (request.body or {}) | ({"propagationPolicy": policy} if policy else {})


def _writer(request: Request) -> Writer:
    query = request.query
    manager = query.get("fieldManager") or request.user_agent.partition("/")[0] or "unknown"
    return Writer(manager, query.get("force") == "true", query.get("fieldValidation") == "Strict")


def _check_type(kind: FakeKind, name: str, body: Object) -> None:
    resource = kind.resource
    if resource.custom:
        check_type(kind, name, body)
        return
    given = (body.get("apiVersion", resource.api_version), body.get("kind", resource.kind))
    if given != (resource.api_version, resource.kind):
        said = f'{given[1]} in version "{given[0]}" cannot be handled as a {resource.kind}'
        raise ApiError(400, said)


def _placed(kind: FakeKind, request: Request, body: Object) -> Object:
    """The body with the identity that the path says. Raises ApiError 400 when it says something else."""
    metadata: dict[str, Any] = dict(body.get("metadata") or {})
    if request.subresource != "scale":
        _check_type(kind, metadata.get("name", ""), body)
    if request.namespace and metadata.setdefault("namespace", request.namespace) != request.namespace:
        raise ApiError(400, OTHER_NAMESPACE)
    if request.name:
        check_same(metadata.setdefault("name", request.name), request.name, "name")
    return {**body, "kind": kind.resource.kind, "metadata": metadata}
