"""Keys from a Secret."""

import base64

import pytest

from agentmemory.core.errors import Invalid
from agentmemory.objectstore.credentials import keys_from
from agentmemory.objectstore.model import Keys

WHERE = "Secret memory-system/s3"


def encoded(**values: str) -> dict[str, str]:
    return {name: base64.b64encode(value.encode()).decode() for name, value in values.items()}


def test_keys_and_a_token() -> None:
    data = encoded(AWS_ACCESS_KEY_ID="AKIA1", AWS_SECRET_ACCESS_KEY="s/e+c=", AWS_SESSION_TOKEN="t", OTHER="x")
    assert keys_from(data, WHERE) == Keys("AKIA1", "s/e+c=", "t")


def test_a_line_break_at_the_end_is_dropped() -> None:
    data = encoded(AWS_ACCESS_KEY_ID="AKIA1\n", AWS_SECRET_ACCESS_KEY=" secret\n", AWS_SESSION_TOKEN="")
    assert keys_from(data, WHERE) == Keys("AKIA1", "secret", None)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({}, "no AWS_ACCESS_KEY_ID and no AWS_SECRET_ACCESS_KEY"),
        (encoded(AWS_ACCESS_KEY_ID="AKIA1"), "no AWS_SECRET_ACCESS_KEY"),
        (encoded(AWS_ACCESS_KEY_ID="AKIA1", AWS_SECRET_ACCESS_KEY=""), "no AWS_SECRET_ACCESS_KEY"),
        (encoded(AWS_ACCESS_KEY_ID="AKIA1", AWS_SECRET_ACCESS_KEY=" \n"), "AWS_SECRET_ACCESS_KEY in"),
        (encoded(AWS_ACCESS_KEY_ID="AKIA1", AWS_SECRET_ACCESS_KEY="planted secret"), "AWS_SECRET_ACCESS_KEY in"),
        (
            encoded(AWS_ACCESS_KEY_ID="AKIA1", AWS_SECRET_ACCESS_KEY="planted\r\nX-Header: y"),
            "AWS_SECRET_ACCESS_KEY in",
        ),
        (encoded(AWS_ACCESS_KEY_ID="AKIA1", AWS_SECRET_ACCESS_KEY="plänted"), "not plain text"),
        ({"AWS_ACCESS_KEY_ID": "AKIA-not-base64!", "AWS_SECRET_ACCESS_KEY": "eA=="}, "not plain text"),
    ],
)
def test_bad_secrets_are_named_without_their_values(data: dict[str, str], words: str) -> None:
    with pytest.raises(Invalid) as raised:
        keys_from(data, WHERE)
    assert raised.value.reason == "CredentialsInvalid"
    assert words in raised.value.message
    assert WHERE in raised.value.message
    assert not [value for value in ("AKIA1", "planted", "AKIA-not") if value in str(raised.value)]


def test_keys_are_never_printed() -> None:
    keys = Keys("AKIAPLANTED", "planted-secret", "planted-token")
    assert not [secret for secret in keys.secrets() if secret in f"{keys}{keys!r}"]
