"""Lists, in pages of one consistent snapshot."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass

import orjson

from .answers import ApiError, expired, too_large_version
from .kinds import FakeKind
from .log import Entry, Log
from .selectors import matcher, selects_all

# Snapshots that can be read on; the oldest goes when there are more.
SNAPSHOTS = 32

TOO_OLD = (
    "The provided continue parameter is too old to display a consistent list result. You can start a new list without"
    " the continue parameter, or use the continue token in this response to retrieve the remainder of the results."
    " Continuing with the provided token results in an inconsistent list - objects that were created, modified, or"
    " deleted between the time the first chunk was returned and now may show up in the list."
)


@dataclass(frozen=True)
class _Snapshot:
    entries: list[Entry]
    version: int
    whole: bool  # without a selector: the rest can be counted


class Paging:
    """The lists of one server."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._snapshots: dict[int, _Snapshot] = {}
        self._made = 0

    def expire(self) -> None:
        """Forget the snapshots: the next page gets 410."""
        self._snapshots.clear()

    def list(self, kind: FakeKind, namespace: str, query: Mapping[str, str]) -> bytes:
        """The list's JSON. Raises ApiError."""
        token = query.get("continue")
        if token:
            number, start, snapshot = self._resume(token, query)
        else:
            number, start, snapshot = 0, 0, self._snapshot(kind, namespace, query)
        limit = int(query.get("limit") or 0)
        end = start + limit if limit > 0 else len(snapshot.entries)
        metadata: dict[str, str | int] = {"resourceVersion": str(snapshot.version)}
        if end < len(snapshot.entries):
            metadata["continue"] = _token(number or self._keep(snapshot), end, snapshot.version)
            if snapshot.whole:
                metadata["remainingItemCount"] = len(snapshot.entries) - end
        return _json(kind, metadata, snapshot.entries[start:end])

    def _snapshot(self, kind: FakeKind, namespace: str, query: Mapping[str, str]) -> _Snapshot:
        check_version(self._log, query)
        matches = matcher(query.get("labelSelector"), query.get("fieldSelector"))
        lane, whole = self._log.lane(kind.resource.kind), selects_all(matches)
        entries = [lane.entries[key] for key in lane.order() if not namespace or key.namespace == namespace]
        if not whole:
            entries = [entry for entry in entries if matches(entry.obj)]
        return _Snapshot(entries, self._log.version, whole)

    def _keep(self, snapshot: _Snapshot) -> int:
        self._made += 1
        self._snapshots[self._made] = snapshot
        if len(self._snapshots) > SNAPSHOTS:
            del self._snapshots[next(iter(self._snapshots))]
        return self._made

    def _resume(self, token: str, query: Mapping[str, str]) -> tuple[int, int, _Snapshot]:
        if query.get("resourceVersion", "0") != "0":
            raise ApiError(400, "specifying resource version is not allowed when using continue")
        try:
            read = orjson.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
            number, start = int(read["snapshot"]), int(read["start"])
        except (binascii.Error, ValueError, KeyError, TypeError) as error:
            raise ApiError(400, f"invalid continue token: continue key is not valid: {error}") from None
        snapshot = self._snapshots.get(number)
        if snapshot is None:
            raise expired(TOO_OLD)
        return number, start, snapshot


def check_version(log: Log, query: Mapping[str, str], code: int = 400) -> int:
    """The resourceVersion of a read. Raises ApiError for one that is none, or that is not there yet.

    `code` is told for one that is none: 400 by a list, 500 by a get and a watch.
    """
    text = query.get("resourceVersion") or "0"
    if not text.isdigit():
        why = f'Invalid value: "{text}": strconv.ParseUint: parsing "{text}": invalid syntax'
        if code == 500:
            raise ApiError(500, f"resourceVersion: {why}", "")
        raise ApiError(code, f"invalid resource version: resourceVersion: {why}")
    if int(text) > log.version:
        raise too_large_version(int(text), log.version)
    return int(text)


def _token(number: int, start: int, version: int) -> str:
    return base64.urlsafe_b64encode(orjson.dumps({"rv": version, "start": start, "snapshot": number})).decode()


def _json(kind: FakeKind, metadata: dict[str, str | int], entries: list[Entry]) -> bytes:
    resource = kind.resource
    head = orjson.dumps({"kind": f"{resource.kind}List", "apiVersion": resource.api_version, "metadata": metadata})
    if resource.custom:
        items = b",".join([entry.raw for entry in entries])
    else:
        # Built-in kinds leave apiVersion and kind out of a list's items.
        cut = len(kind.head)
        items = b",".join([b"{" + entry.raw[cut:] for entry in entries])
    return b'%b,"items":[%b]}' % (head[:-1], items)
