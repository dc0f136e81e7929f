"""One client's calls, made in threads: each raises the operator's errors only."""

import threading
from collections.abc import Callable, Collection
from typing import Any

import botocore
from botocore.exceptions import ClientError

from agentmemory.core.errors import OperatorError
from agentmemory.objectstore.answers import Asked
from agentmemory.objectstore.model import Location
from agentmemory.objectstore.translate import FAILURES, answer_of, from_exception


class Caller:
    """Makes its client on the first call, which reads files and takes a tenth of a second."""

    def __init__(self, location: Location, make: Callable[[], Any]) -> None:
        self.location = location
        self._make = make
        self._lock = threading.Lock()
        self._client: Any = None

    def call(self, name: str, bucket: str, **params: Any) -> dict[str, Any]:
        """The answer to S3's call of that name (`PutBucketTagging`)."""
        try:
            return self._call(name, bucket, params)
        except FAILURES as exc:
            raise self._error(exc, name, bucket) from exc

    def ask(self, name: str, bucket: str, absent: Collection[str], **params: Any) -> dict[str, Any] | None:
        """As `call`; None when the server answers with one of these codes."""
        try:
            return self._call(name, bucket, params)
        except FAILURES as exc:
            if isinstance(exc, ClientError) and answer_of(exc).code in absent:
                return None
            raise self._error(exc, name, bucket) from exc

    def close(self) -> None:
        """Ends its connections; a later call opens new ones."""
        with self._lock:
            if self._client is not None:
                self._client.close()

    def _call(self, name: str, bucket: str, params: dict[str, Any]) -> dict[str, Any]:
        with self._lock:
            if self._client is None:
                self._client = self._make()
        named = {"Bucket": bucket} if bucket else {}
        answer: dict[str, Any] = getattr(self._client, botocore.xform_name(name))(**named, **params)
        return answer

    def _error(self, exc: Exception, name: str, bucket: str) -> OperatorError:
        return from_exception(exc, Asked(name, bucket, self.location.region, self.location.credentials))
