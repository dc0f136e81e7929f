"""What the scan for credentials looks for, and that it cannot be hidden by where base64 begins."""

import base64

import pytest

from e2e.leaks import Needle, confidential, in_base64, needles

SECRET = "correct-horse-battery"
BODY = ("A" * 64, "B" * 64, "C" * 20)
PEM = "-----BEGIN PRIVATE KEY-----\n" + "\n".join(BODY) + "\n-----END PRIVATE KEY-----\n"


@pytest.mark.parametrize("before", range(4))
@pytest.mark.parametrize("after", range(4))
def test_base64_is_known_at_every_alignment(before: int, after: int) -> None:
    text = base64.b64encode(b"<" * before + SECRET.encode() + b">" * after)
    assert any(form in text for form in in_base64(SECRET.encode()))


def test_base64_of_something_else_is_not_taken_for_it() -> None:
    assert not any(form in base64.b64encode(b"incorrect-donkey-battery") for form in in_base64(SECRET.encode()))


@pytest.mark.parametrize(
    ("key", "text", "parts"),
    [
        ("password", SECRET, [SECRET]),
        ("AWS_SECRET_ACCESS_KEY", SECRET, [SECRET]),
        ("password", "short", []),
        ("username", SECRET, []),
        ("tls.pem", PEM, [BODY[1]]),
        ("principals.json", PEM.replace("\n", "\\n"), [BODY[1]]),
        ("ca.crt", PEM.replace("PRIVATE KEY", "CERTIFICATE"), []),
    ],
)
def test_what_of_a_secret_must_not_be_seen(key: str, text: str, parts: list[str]) -> None:
    assert confidential(key, text) == parts


def test_secrets_become_needles_that_do_not_show_them() -> None:
    data = {"password": base64.b64encode(SECRET.encode()).decode()}
    metadata = {"namespace": "team", "name": "bot"}
    found = needles(
        [{"metadata": metadata, "data": data}, {"metadata": metadata, "type": "helm.sh/release.v1", "data": data}]
    )
    assert [needle.name for needle in found] == ["team/bot password"]
    assert SECRET not in repr(found)
    assert SECRET.encode() in found[0].forms


def test_a_url_writes_it_otherwise() -> None:
    assert b"a%2Fb%2Bc-and-more" in Needle.of("keys", "a/b+c-and-more").forms
