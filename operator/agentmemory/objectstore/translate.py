"""botocore's exceptions in the operator's terms: refusals by `answers`, everything else here."""

import re
from typing import Any
from xml.etree.ElementTree import ParseError

from botocore import exceptions as boto
from botocore.parsers import ResponseParserError

from agentmemory.core.errors import Denied, Invalid, OperatorError, Transient
from agentmemory.objectstore.answers import Answer, Asked, from_answer, redacted

_EXPECTED_REGION = re.compile(r"expecting '([a-z0-9-]+)'")
_IDENTITY = (
    boto.NoCredentialsError,
    boto.PartialCredentialsError,
    boto.CredentialRetrievalError,
    boto.TokenRetrievalError,
    boto.NoAuthTokenError,
    boto.ProfileNotFound,
    boto.MetadataRetrievalError,
    boto.RefreshWithMFAUnsupportedError,
)
FAILURES = (boto.BotoCoreError, boto.ClientError, ResponseParserError, ParseError, OSError, ValueError)
"""What the library raises; ParseError where an answer is no XML, ValueError for an endpoint that is none."""
_TIMED_OUT = (boto.ConnectTimeoutError, boto.ReadTimeoutError)


def answer_of(exc: boto.ClientError) -> Answer:
    """What the server said."""
    error, meta = exc.response.get("Error", {}), exc.response.get("ResponseMetadata", {})
    message = str(error.get("Message") or "")
    expected = _EXPECTED_REGION.search(message)
    region = (
        meta.get("HTTPHeaders", {}).get("x-amz-bucket-region")
        or error.get("Region")
        or (expected.group(1) if expected else None)
    )
    return Answer(int(meta.get("HTTPStatusCode", 0)), str(error.get("Code") or ""), message, region)


def words_of(error: OperatorError) -> str:
    """The server's own words behind an error, or the error's message."""
    cause = error.__cause__
    if not isinstance(cause, boto.ClientError):
        return error.message
    answer = answer_of(cause)
    return f"{answer.code}: {answer.message}" if answer.message else answer.code


def from_exception(exc: Exception, asked: Asked) -> OperatorError:
    """The operator's error for whatever a call raised."""
    own = _own(exc)
    if own is not None:
        return own
    if isinstance(exc, boto.ClientError):
        return from_answer(answer_of(exc), asked)
    what = f"{asked.call} on bucket {asked.bucket}"
    words = redacted(str(exc), asked.keys)[:300].rstrip(". ")
    return _without_answer(exc, what, words)


def _without_answer(exc: Exception, what: str, words: str) -> OperatorError:
    if isinstance(exc, _IDENTITY):
        return Denied(
            "CredentialsMissing",
            f"{what}: no credentials ({words}); name a Secret in credentialsSecretRef, or give the pod an identity",
        )
    if isinstance(exc, _TIMED_OUT):
        return Transient("Timeout", f"{what}: no answer in time ({words}); it is tried again")
    if isinstance(exc, boto.SSLError):
        return Transient(
            "TlsFailed", f"{what}: {words}; check the server's certificate, and the authority in caConfigMapRef"
        )
    if isinstance(exc, boto.ParamValidationError | boto.InvalidRegionError | ValueError):
        return Invalid("RequestInvalid", f"{what}: {words}; change the value that is named")
    if isinstance(exc, ResponseParserError | ParseError):
        return Transient("NoS3", f"{what}: the answer is not S3's ({words}); check the endpoint", retry_after=30.0)
    return Transient("NoAnswer", f"{what}: {words}; it is tried again")


def _own(exc: BaseException | None) -> OperatorError | None:
    """An error of ours (a refused connection) that the library wrapped into its own."""
    seen: set[int] = set()
    while exc is not None and id(exc) not in seen:
        if isinstance(exc, OperatorError):
            return exc
        seen.add(id(exc))
        exc = _inside(exc)
    return None


def _inside(exc: BaseException) -> BaseException | None:
    kwargs: Any = getattr(exc, "kwargs", None)
    error = kwargs.get("error") if isinstance(kwargs, dict) else None
    return error if isinstance(error, BaseException) else exc.__cause__ or exc.__context__
