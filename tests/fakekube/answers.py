"""The refusals of an apiserver, as Status objects, worded as it words them."""

from typing import Any

from .kinds import FakeKind

Object = dict[str, Any]

REASONS = {
    400: "BadRequest",
    403: "Forbidden",
    404: "NotFound",
    405: "MethodNotAllowed",
    409: "Conflict",
    410: "Expired",
    415: "UnsupportedMediaType",
    422: "Invalid",
    429: "TooManyRequests",
    500: "InternalError",
    503: "ServiceUnavailable",
    504: "Timeout",
}


class ApiError(Exception):
    """A refusal with its HTTP code."""

    def __init__(self, code: int, message: str, reason: str | None = None, details: Object | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.status = status(code, message, reason, details)


def status(code: int, message: str, reason: str | None = None, details: Object | None = None) -> Object:
    """A Status object as the apiserver answers it."""
    made: Object = {"kind": "Status", "apiVersion": "v1", "metadata": {}}
    if code < 400:
        return made | {"status": "Success"} | ({"details": details} if details else {})
    made |= {"status": "Failure", "message": message, "reason": REASONS.get(code, "") if reason is None else reason}
    if not made["reason"]:
        del made["reason"]
    if details:
        made["details"] = details
    return made | {"code": code}


def details_of(kind: FakeKind, name: str, *, by_kind: bool = False, **more: Any) -> Object:
    """Which object a refusal is about; some name it by its kind, some by its plural."""
    resource = kind.resource
    group = {"group": resource.group} if resource.group else {}
    named = {"name": name} if name else {}
    return named | group | {"kind": resource.kind if by_kind else resource.plural} | more


def deleted(kind: FakeKind, name: str, uid: str) -> Object:
    """The answer to a DELETE that took the object away."""
    return status(200, "", details=details_of(kind, name, uid=uid))


def not_found(kind: FakeKind, name: str) -> ApiError:
    return ApiError(404, f'{kind.full_plural} "{name}" not found', details=details_of(kind, name))


def no_such_resource() -> ApiError:
    return ApiError(404, "the server could not find the requested resource")


def no_such_method() -> ApiError:
    return ApiError(405, "the server does not allow this method on the requested resource")


def already_exists(kind: FakeKind, name: str) -> ApiError:
    return ApiError(409, f'{kind.full_plural} "{name}" already exists', "AlreadyExists", details_of(kind, name))


def conflict(kind: FakeKind, name: str, why: str) -> ApiError:
    said = f'Operation cannot be fulfilled on {kind.full_plural} "{name}": {why}'
    return ApiError(409, said, details=details_of(kind, name))


def modified(kind: FakeKind, name: str) -> ApiError:
    why = "the object has been modified; please apply your changes to the latest version and try again"
    return conflict(kind, name, why)


def failed_precondition(kind: FakeKind, name: str, field: str, wanted: str, found: str) -> ApiError:
    """Of a DELETE."""
    said = f"the {field} in the precondition ({wanted}) does not match the {field} in record ({found})"
    full = f'Operation cannot be fulfilled on {kind.full_name} "{name}": {said}'
    return ApiError(409, full, details=details_of(kind, name, by_kind=True))


def terminating(kind: FakeKind, namespace: str, name: str) -> ApiError:
    said = f"namespace {namespace} is being terminated"
    causes = [{"reason": "NamespaceTerminating", "message": said, "field": "metadata.namespace"}]
    return ApiError(
        403,
        f'{kind.resource.plural} "{name}" is forbidden: unable to create new content in namespace {namespace}'
        " because it is being terminated",
        details=details_of(kind, name, causes=causes),
    )


def cause(reason: str, message: str, field: str) -> Object:
    """One cause of a 422."""
    return {"reason": reason, "message": message, "field": field}


def invalid(kind: FakeKind, name: str, *causes: Object) -> ApiError:
    """A 422 with its causes, each of `cause`."""
    said = [f"{one['field']}: {one['message']}" for one in causes]
    told = said[0] if len(said) == 1 else f"[{', '.join(said)}]"
    details = details_of(kind, name, by_kind=True, causes=list(causes))
    return ApiError(422, f'{kind.full_name} "{name}" is invalid: {told}', details=details)


def too_large_version(wanted: int, current: int) -> ApiError:
    causes = [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}]
    said = f"Timeout: Too large resource version: {wanted}, current: {current}"
    return ApiError(504, said, details={"causes": causes, "retryAfterSeconds": 1})


def expired(message: str) -> ApiError:
    return ApiError(410, message, "Expired")
