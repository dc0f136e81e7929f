"""Names of objects: what is allowed, and names that the server makes up."""

import re
from typing import Any

from .answers import ApiError, cause, invalid
from .kinds import FakeKind

LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
SUBDOMAIN = rf"{LABEL}(\.{LABEL})*"
DNS_1035 = "[a-z]([-a-z0-9]*[a-z0-9])?"
# Letters and digits of generated names; those that could make words are left out.
ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
SUFFIX = 5

_SAID = {
    SUBDOMAIN: "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must"
    " start and end with an alphanumeric character (e.g. 'example.com'",
    LABEL: "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and"
    " end with an alphanumeric character (e.g. 'my-name',  or '123-abc'",
    DNS_1035: "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic"
    " character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123'",
}
_PART = "consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character"
_LABEL_NAME = re.compile("[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?")
_RULES = {"Namespace": (LABEL, 63), "Service": (DNS_1035, 63)}
_COMPILED = {pattern: re.compile(pattern) for pattern in _SAID}


def check_name(kind: FakeKind, name: str) -> None:
    """Raises ApiError 422."""
    if not name:
        raise invalid(
            kind, "", cause("FieldValueRequired", "Required value: name or generateName is required", "metadata.name")
        )
    if fault := _fault(kind.resource.kind, name):
        raise invalid(kind, name, cause("FieldValueInvalid", f'Invalid value: "{name}": {fault}', "metadata.name"))


def check_labels(kind: FakeKind, name: str, labels: dict[str, Any]) -> None:
    """Raises ApiError: 400 for a value that is no string, 422 for what is none of a label."""
    for key, value in labels.items():
        if not isinstance(value, str):
            full = f'{kind.resource.kind} in version "{kind.resource.version}"'
            raise ApiError(400, f"{full} cannot be handled as a {kind.resource.kind}: label {key} is no string")
        prefix, slash, last = key.rpartition("/")
        good = _LABEL_NAME.fullmatch(last) and len(last) <= 63
        if not good or (slash and not _COMPILED[SUBDOMAIN].fullmatch(prefix)):
            raise invalid(kind, name, cause("FieldValueInvalid", f'Invalid value: "{key}": {_PART}', "metadata.labels"))
        if value and (len(value) > 63 or not _LABEL_NAME.fullmatch(value)):
            said = f'Invalid value: "{value}": a valid label must be an empty string or {_PART}'
            raise invalid(kind, name, cause("FieldValueInvalid", said, "metadata.labels"))


def generated(prefix: str, number: int) -> str:
    """The name that the server makes of `generateName`; another one for each number."""
    suffix = ""
    while len(suffix) < SUFFIX:
        number, digit = divmod(number, len(ALPHABET))
        suffix = ALPHABET[digit] + suffix
    return prefix + suffix


def check_same(given: str | None, wanted: str, what: str) -> None:
    """Raises ApiError 400 when the body says another name than the URL."""
    if given and wanted and given != wanted:
        raise ApiError(400, f"the {what} of the object ({given}) does not match the {what} on the URL ({wanted})")


def _fault(kind: str, name: str) -> str:
    if kind == "RoleBinding":
        return "may not contain '/' or '%'" if re.search("[/%]", name) or name in (".", "..") else ""
    pattern, most = _RULES.get(kind, (SUBDOMAIN, 253))
    if not _COMPILED[pattern].fullmatch(name):
        return f"{_SAID[pattern]}, regex used for validation is '{pattern}')"
    return f"must be no more than {most} bytes" if len(name) > most else ""
