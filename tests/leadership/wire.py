"""Python values over a loopback connection between this project's own test processes."""

import io
import pickle
from typing import Any

from agentmemory.core.errors import OperatorError


class _Pickler(pickle.Pickler):
    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, OperatorError):
            # An exception's own way to be pickled calls its class with its text alone.
            return _error, (type(obj), obj.reason, obj.message, getattr(obj, "retry_after", None))
        return NotImplemented


def _error(kind: type[OperatorError], reason: str, message: str, retry_after: float | None) -> OperatorError:
    error = kind(reason, message)
    if retry_after is not None:
        error.retry_after = retry_after  # type: ignore[attr-defined]
    return error


def pack(value: Any) -> bytes:
    """Any value, errors of the operator included."""
    buffer = io.BytesIO()
    _Pickler(buffer).dump(value)
    return buffer.getvalue()


def unpack(content: bytes) -> Any:
    """The inverse of `pack`."""
    return pickle.loads(content)
