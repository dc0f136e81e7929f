"""Keys from a Secret's data. The Secret is read by whoever holds the right; nothing of it ever gets into a message."""

import base64
import binascii
from collections.abc import Mapping

from agentmemory.core.errors import Invalid
from agentmemory.objectstore.model import Keys

ACCESS_KEY, SECRET_KEY, SESSION_TOKEN = "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"
REASON = "CredentialsInvalid"


def keys_from(data: Mapping[str, str], where: str) -> Keys:
    """The keys in a Secret's `data` (base64). `where` names the Secret in messages. Invalid when one is absent or odd.

    White space around a value is dropped: a line break from `echo` would break the request's header.
    """
    absent = [name for name in (ACCESS_KEY, SECRET_KEY) if not data.get(name)]
    if absent:
        raise Invalid(REASON, f"{where} has no {' and no '.join(absent)}; add what is absent")
    token = _value(data, SESSION_TOKEN, where) if data.get(SESSION_TOKEN) else None
    return Keys(_value(data, ACCESS_KEY, where), _value(data, SECRET_KEY, where), token or None)


def _value(data: Mapping[str, str], name: str, where: str) -> str:
    try:
        text = base64.b64decode(data[name], validate=True).decode("ascii").strip()
    except (binascii.Error, ValueError):
        raise Invalid(REASON, f"{name} in {where} is not plain text; write the key as it was given") from None
    if not text or not text.isprintable() or " " in text:
        raise Invalid(REASON, f"{name} in {where} is empty or holds spaces or control characters; write it again")
    return text
