"""Reads AutoMQ's bucket URIs as it does itself: `<id>@s3://<bucket>?key=value&...`, several with commas. Pure.

Source: BucketURI.java, AwsObjectStorage.java, DefaultWalFactory.java and ObjectWALConfig.java of 1.7.3.
"""

import re
from collections.abc import Iterator

_URI = re.compile(r"(?P<id>-?\d+)@(?P<scheme>[a-z0-9]+)://(?P<bucket>[^?/]+)(\?(?P<query>.*))?")
_BUCKET = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_NUMBERS = ("apiCallTimeoutMs", "apiCallAttemptTimeoutMs")
_WAL_NUMBERS = ("batchInterval", "maxBytesInBatch", "maxUnflushedBytes", "maxInflightUploadCount")
_VALUES = {
    "region": r"[a-z0-9]([-a-z0-9]*[a-z0-9])?",
    "endpoint": r"https?://[A-Za-z0-9]([-A-Za-z0-9.]*[A-Za-z0-9])?(:\d{1,5})?",
    "pathStyle": "true|false",
    "checksumAlgorithm": "CRC32C|CRC32|SHA1|SHA256",
    **dict.fromkeys((*_NUMBERS, *_WAL_NUMBERS), r"[1-9]\d*"),
}
_KEYS = ("accessKey", "secretKey")


def bucket(text: str) -> str:
    """The name in the first URI; empty when there is none."""
    found = _URI.match(text)
    return found["bucket"] if found else ""


def faults(text: str, *, wal: bool = False) -> Iterator[str]:
    """What AutoMQ would choke on, or should never see; `wal`: for the log that is written ahead."""
    for one in text.split(","):
        found = _URI.fullmatch(one)
        if found is None:
            yield "not of the form <id>@s3://<bucket>?.. (without an id AutoMQ takes it for a file)"
        elif found["scheme"] != "s3":
            yield f"{found['scheme']}:// is no scheme of the open source edition; use s3://"
        elif not _BUCKET.fullmatch(found["bucket"]):
            yield "no bucket's name"
        else:
            yield from _parameters(found["query"] or "", wal=wal)


def _parameters(query: str, *, wal: bool) -> Iterator[str]:
    pairs = [pair.partition("=")[::2] for pair in query.split("&")]
    given = dict(pairs)
    if "region" not in given:
        yield "region is missing"
    if len(given) != len(pairs):
        yield "a parameter stands twice"
    for key, value in pairs:
        if key in _KEYS:
            yield f"{key} must not stand in a URI: it would be kept on disk in clear; use a Secret"
        elif key not in _VALUES or (key in _WAL_NUMBERS and not wal):
            yield f"parameter {key} is not known here"
        elif not re.fullmatch(_VALUES[key], value):
            yield f"parameter {key} has no value that it can have"
