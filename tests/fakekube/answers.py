"""The refusals of an apiserver, as Status objects."""

from typing import Any

Object = dict[str, Any]

REASONS = {
    400: "BadRequest",
    403: "Forbidden",
    404: "NotFound",
    405: "MethodNotAllowed",
    409: "Conflict",
    410: "Expired",
    422: "Invalid",
    429: "TooManyRequests",
    500: "InternalError",
    503: "ServiceUnavailable",
}


class ApiError(Exception):
    """A refusal with its HTTP code."""

    def __init__(self, code: int, message: str, reason: str | None = None, details: Object | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.status = status(code, message, reason, details)


def status(code: int, message: str, reason: str | None = None, details: Object | None = None) -> Object:
    """A Status object as the apiserver answers it."""
    made: Object = {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure" if code >= 400 else "Success",
        "message": message,
        "reason": reason or REASONS.get(code, ""),
        "code": code,
    }
    if details:
        made["details"] = details
    return made


def not_found(plural: str, group: str, name: str) -> ApiError:
    full = f"{plural}.{group}" if group else plural
    return ApiError(404, f'{full} "{name}" not found', details={"name": name, "group": group, "kind": plural})


def already_exists(plural: str, group: str, name: str) -> ApiError:
    full = f"{plural}.{group}" if group else plural
    details = {"name": name, "group": group, "kind": plural}
    return ApiError(409, f'{full} "{name}" already exists', "AlreadyExists", details)


def conflict(plural: str, group: str, name: str, why: str) -> ApiError:
    full = f"{plural}.{group}" if group else plural
    details = {"name": name, "group": group, "kind": plural}
    return ApiError(409, f'Operation cannot be fulfilled on {full} "{name}": {why}', details=details)


def terminating(plural: str, namespace: str, name: str) -> ApiError:
    causes = [{"reason": "NamespaceTerminating", "message": f"namespace {namespace} is being terminated"}]
    return ApiError(
        403,
        f'{plural} "{name}" is forbidden: unable to create new content in namespace {namespace}'
        " because it is being terminated",
        details={"name": name, "kind": plural, "causes": causes},
    )
